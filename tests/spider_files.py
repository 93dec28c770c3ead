"""A small set in Spider's files, with a database of our own, for the tests of scoring."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

SHOP = """
CREATE TABLE kind (id INTEGER PRIMARY KEY, label TEXT);
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, kind_id INTEGER, price REAL, year INTEGER);
INSERT INTO kind VALUES (1, 'desk'), (2, 'home');
INSERT INTO item VALUES (1, 'pen', 1, 2.5, 2014), (2, 'ink', 1, 5.5, 2015), (3, 'cup', 2, 2.5, 2016),
    (4, 'mug', 2, 7.5, 2017), (5, 'rug', 2, 90.5, 2018), (6, 'pad', 1, 3.5, 2018);
"""
TABLES = {
    "db_id": "shop",
    "table_names_original": ["kind", "item"],
    "table_names": ["kind", "item"],
    "column_names_original": [[-1, "*"], [0, "id"], [0, "label"], [1, "id"], [1, "name"], [1, "kind_id"], [1, "price"],
                              [1, "year"]],
    "column_names": [[-1, "*"], [0, "id"], [0, "label"], [1, "id"], [1, "name"], [1, "kind id"], [1, "price"],
                     [1, "year"]],
    "column_types": ["text", "number", "text", "number", "text", "number", "number", "number"],
    "primary_keys": [1, 3],
    "foreign_keys": [[5, 1]],
}  # fmt: skip


def make_set(folder: Path, pairs: list[tuple[str, str]]) -> list[str]:
    """Write tables.json, database/shop, gold.sql and predicted.sql; the options of `text2sql score` that name them."""
    (folder / "tables.json").write_text(json.dumps([TABLES]))
    make_database(folder / "database" / "shop" / "shop.sqlite")
    (folder / "gold.sql").write_text("".join(f"{gold}\tshop\n" for gold, _ in pairs))
    (folder / "predicted.sql").write_text("".join(f"{predicted}\n" for _, predicted in pairs))
    names = {"gold": "gold.sql", "predictions": "predicted.sql", "tables": "tables.json", "databases": "database"}
    options = ["--dataset", "spider", "--processes", "1"]
    return options + [word for name, file in names.items() for word in (f"--{name}", str(folder / file))]


def make_database(path: Path, script: str = SHOP) -> Path:
    """A SQLite file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path
