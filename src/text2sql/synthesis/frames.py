"""Whole sentences: for each SQL shape, many frames in the pattern language of `english.expand`.

Slots that most frames share: `{things}` / `{thing}` the rows with their conditions in plural / singular, `{does}` the
conditions as a predicate, `{plural}` / `{singular}` the bare noun, `{c}` / `{cs}` the columns asked for. `<show>` and
the like are fragments that several frames share.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random

from text2sql.synthesis.frames_several import SEVERAL_FRAMES
from text2sql.synthesis.frames_single import SINGLE_FRAMES
from text2sql.synthesis.patterns import expand

_FRAGMENTS = {
    "show": "(show|list|give|find|display|return|get|show me|give me|tell me|find me|please show|please list)",
    "give": "(show|list|give|return|tell me|give me|show me)",
    "want": "(i want|i need|i would like|i'd like|we need|i want to see|i want to know|i'm looking for|let me see)",
    "could": "(can you|could you|can you please|could you please) (show me|give me|tell me|list|find)",
    "all": "[all |the |all the ]",
    "each": "(each|every)",
    "number": "(number|total number|count)",
    "different": "(different|distinct|unique)",
    "and": "(and|and|together with|along with|as well as)",
    "most": "(highest|largest|greatest|biggest)",
}

SENTENCE = "\1"
"""Stands before the first letter of a second sentence until it is known whether sentences get capitals."""
END = "\2"
"""Stands before the end mark, which people leave out."""

FRAMES = SINGLE_FRAMES | SEVERAL_FRAMES
FRAMES["list.plural"] = tuple(frame for frame in FRAMES["list"] if "{thing}" not in frame)
FRAMES["union.names"] = tuple(frame for frame in FRAMES["union"] if " have" not in frame)
FRAMES["top.ascending"] = tuple(frame for frame in FRAMES["top"] if "top {k}" not in frame)


def say(frame: str, random: Random, **slots: str) -> tuple[str, int]:
    """A sentence of one of the frames of that name, and the number of the frame. Raises KeyError for a missing slot."""
    number = random.randrange(len(FRAMES[frame]))
    return expand(_with_fragments(FRAMES[frame][number]), random, next=SENTENCE, **slots), number


@cache
def _with_fragments(pattern: str) -> str:
    pattern = re.sub(r"<(\w+)>", lambda match: _FRAGMENTS[match[1]], pattern)
    return re.sub(r"([?.])$", END + r"\1", pattern)
