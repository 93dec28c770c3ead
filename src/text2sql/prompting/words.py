"""Words of a question, for pointing at values and for matching names: with their place in the text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# A number keeps its separators (1,370 or 3.5 or 10:30) so that it is one word; letters and digits part (B12 is two).
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+|[^\w\s]|_")


@dataclass(frozen=True)
class Word:
    """`text[start:end]` of the question."""

    text: str
    start: int
    end: int


def split_words(question: str) -> list[Word]:
    """Words, numbers and single punctuation marks of a question, in order."""
    return [Word(match.group(), match.start(), match.end()) for match in _WORD.finditer(question)]


@lru_cache(maxsize=200_000)
def normalise(text: str) -> str:
    """Fold case, accents, punctuation and spacing: `São-Paulo` and `sao paulo` are equal, `1,370` is `1370`."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c if c.isalnum() or c == "." else " " for c in decomposed if not unicodedata.combining(c))
    # A point stays only inside a number; a trailing .0 says nothing.
    kept = re.sub(r"(?<!\d)\.|\.(?!\d)", " ", kept)
    return " ".join(re.sub(r"(?<=\d)\.0+\b", "", kept).split())


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """A crude singular: enough for `countries`/`country` and `names`/`name`."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
