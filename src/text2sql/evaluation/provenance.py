"""Where a number comes from: a hash of the data, the databases, and the program's version."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from text2sql.data.example import Example


def provenance(examples: Sequence[Example]) -> dict[str, Any]:
    """Hash of question and gold of every example, the folders of the databases, the version of this package."""
    data = hashlib.sha256()
    for example in examples:
        data.update(f"{example.id}\0{example.question}\0{example.sql}\0".encode())
    known: dict[str, Any] = {"data_sha256": data.hexdigest(), "version": importlib.metadata.version("text2sql")}
    folders = [Path(e.database).parent for e in examples if e.database]
    databases = {folder.parent.name or folder.name for folder in folders}  # DIR/name/name.sqlite, or DIR/name.sqlite
    if databases:
        known["database_set"] = sorted(databases)
    return known
