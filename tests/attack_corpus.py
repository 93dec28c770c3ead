"""Attacks of `tests/attacks/*.txt`, and what shows that they changed nothing.

The files are plain lines under categories, with marks for what a line cannot hold.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_FOLDER = Path(__file__).parent / "attacks"
_REPEATED = re.compile(r"<<(.*?) \* (\d+)>>")
_CHARACTER = re.compile(r"<<U\+([0-9A-F]{4})>>")


def read_attacks(name: str) -> dict[str, list[str]]:
    """Category -> SQL texts. `<<x * 9>>` is x nine times, `<<U+0000>>` a character, `<<\\n>>` a line's end."""
    attacks: dict[str, list[str]] = {}
    category = ""
    for line in (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n"):
        if line.startswith("== "):
            category = line[3:]
            attacks[category] = []
        elif category and line:
            attacks[category].append(_expanded(line))
    return attacks


def _expanded(line: str) -> str:
    line = _REPEATED.sub(lambda found: found[1] * int(found[2]), line)
    line = _CHARACTER.sub(lambda found: chr(int(found[1], 16)), line)
    return line.replace("<<\\n>>", "\n")


def file_hashes(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
