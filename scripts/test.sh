#!/usr/bin/env bash
# Run the tests; arguments go to pytest.
set -euo pipefail

if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
    cat <<'HELP'
usage: ./scripts/test.sh [PYTEST ARGUMENTS]

Makes the environment .venv when there is none, checks style and types, and runs the tests.
Tests marked `data` use the real sets when TEXT2SQL_DATA_MIRROR names their folder, and are skipped otherwise.

  ./scripts/test.sh                      everything
  ./scripts/test.sh tests/test_model.py  one file
  ./scripts/test.sh -m "not slow"        the quick ones
HELP
    exit 0
fi

source "$(dirname "$0")/environment.sh"
ensure_environment dev
if [ $# -eq 0 ]; then
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    set -- -n "${TEST_PROCESSES:-2}"
fi
# One thread per process: the tests' models are tiny, and two processes already use the cores.
OMP_NUM_THREADS=1 exec .venv/bin/python -m pytest "$@"
