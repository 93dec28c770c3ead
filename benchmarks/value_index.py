"""The value index of a SQLite table with ten million rows: seconds and memory to build, to load, to look up.

    python benchmarks/value_index.py --output outputs/metrics/value_index_benchmark.json

The table has a key, two texts (26,000 city names; codes that are all different), a year and a measurement; it is made
by one recursive query in a temporary folder (about 360 MB) and removed at the end. Beside our index stands the naive
way, in the same run: `SELECT DISTINCT` of every column without limits, each value read once and dropped again, so
that neither its memory nor the time to index ten million texts counts. Each measurement has a process of its own;
memory is that process's peak above what it took before. One run of each.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from text2sql.data.database_values import cache_file, value_index
from text2sql.database import connect
from text2sql.files import write_json
from text2sql.prompting.words import split_words

QUESTION = "how many events were there in city q42 in 2007 with an amount over 5?"
COLUMNS = ("id", "city", "code", "year", "amount")
TABLE = """
    CREATE TABLE event (id INTEGER PRIMARY KEY, city TEXT, code TEXT, year INT, amount REAL);
    WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {rows})
    INSERT INTO event SELECT x, 'City ' || char(65 + x % 26) || (x * 7919 / 26 % 1000),
        printf('%07x', x * 2654435761 % 268435456), 1990 + x * 31 % 35, (x * 7919 % 100000) / 7.0 FROM n;
"""


@contextlib.contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """Seconds by the wall clock and the processor's, which other work on the machine disturbs less."""
    spent: dict[str, float] = {}
    wall, processor = time.perf_counter(), time.process_time()
    yield spent
    spent |= {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - processor}


def make_table(path: Path, rows: int) -> None:
    """Write the table without a journal: nobody else reads it meanwhile."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + TABLE.format(rows=rows))
    connection.close()


def build(path: Path, cache: Path) -> dict[str, Any]:
    """Build the index (or load it, when the cache folder has it) and look one question up."""
    with connect(str(path)) as database:
        with stopwatch() as spent:
            index = value_index(database, cache=cache)
        words = split_words(QUESTION)
        with stopwatch() as looking:
            for _ in range(1000):
                cells = index.find(QUESTION, words)
        size = cache_file(database, cache).stat().st_size
    found = sorted({cell.text for cell in cells})
    lookup = {"lookup_seconds": looking["seconds"] / 1000, "lookup_cpu_seconds": looking["cpu_seconds"] / 1000}
    return {**spent, **lookup, "entries": len(index), "found": found, "cache_bytes": size}


def naive(path: Path, _: Path) -> dict[str, Any]:
    """Every different value of every column, read once."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with stopwatch() as spent:
        entries = sum(sum(1 for _ in connection.execute(f"SELECT DISTINCT {column} FROM event")) for column in COLUMNS)
    return {**spent, "entries": entries}


def peak_memory() -> float:
    """Most memory that this process has held so far, in MB (Linux: unlike getrusage's, the parent's does not count)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _child(action: Callable[[Path, Path], dict[str, Any]], path: Path, cache: Path, results: Any) -> None:
    before = peak_memory()
    figures = action(path, cache)
    figures["megabytes"] = peak_memory() - before
    results.put(figures)


def measure(action: Callable[[Path, Path], dict[str, Any]], path: Path, cache: Path) -> dict[str, Any]:
    """Figures of one action in a process of its own."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_child, args=(action, path, cache, results))
    process.start()
    figures = results.get()
    process.join()
    return figures


def table(rows: int, figures: dict[str, dict[str, Any]]) -> str:
    """The figures as a Markdown table."""
    lines = [f"{rows:,} rows, {figures['file']['megabytes']:.0f} MB", ""]
    lines += ["| | seconds | CPU seconds | naive / this | the same of CPU time | entries | peak memory, MB |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name in ("naive", "build", "load"):
        part = figures[name]
        wall, cpu = part["seconds"], part["cpu_seconds"]
        ratios = f"{figures['naive']['seconds'] / wall:.1f} | {figures['naive']['cpu_seconds'] / cpu:.1f}"
        lines.append(f"| {name} | {wall:.3f} | {cpu:.3f} | {ratios} | {part['entries']:,} | {part['megabytes']:.0f} |")
    lookup = figures["load"]
    lines += [
        "",
        f"one lookup: {1000 * lookup['lookup_cpu_seconds']:.3f} ms of CPU; found {', '.join(lookup['found'])}",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the table (10 million)")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, cache = Path(folder) / "big.sqlite", Path(folder) / "cache"
        make_table(path, options.rows)
        figures: dict[str, Any] = {"file": {"megabytes": path.stat().st_size / 1e6}}
        load = os.getloadavg()[0]
        for name, action in (("build", build), ("load", build), ("naive", naive)):
            figures[name] = measure(action, path, cache)
    print(table(options.rows, figures))
    if options.output:
        machine = {"cores": os.cpu_count(), "load": load, "python": platform.python_version()}
        content = {"machine": machine, "sqlite": sqlite3.sqlite_version, "rows": options.rows, **figures}
        write_json(options.output, content)


if __name__ == "__main__":
    main()
