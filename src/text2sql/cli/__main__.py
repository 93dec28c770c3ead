"""`python -m text2sql.cli`, as torchrun starts it."""

import sys

from text2sql.cli import main

sys.exit(main())
