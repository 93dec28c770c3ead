"""What the benchmarks share when they report: percentiles, and printing and writing a result."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from text2sql.files import write_json


def report(result: Any, output: Path | None) -> None:
    """Print a result as JSON, and write it where `--output` says."""
    print(json.dumps(result, indent=2))
    if output:
        write_json(output, result)


def machine() -> dict[str, Any]:
    """What ran it, and how many programs ran beside it in the last minute."""
    return {"architecture": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile, and the longest; nothing for fewer than two."""
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
    return {name: round(value, 5) for name, value in found.items()}
