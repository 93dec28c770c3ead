"""Cutting text into chunks, the stretches that merges never cross.

Without this step BPE would spend its vocabulary on "dog.", "dog!" and "dog?" (Radford et al. 2019, section 2.2).
The pattern is the one that Llama 3 uses: it cuts digits into groups of at most three, keeps a space or a mark such
as `_` or `(` with the letters after it, and is known to llama.cpp under the name "llama-bpe", so that our models
can be exported without a new pre-tokenizer there. The same string means the same in the `regex` module, in tiktoken
and in Hugging Face `tokenizers`, for every character that Unicode 16 assigns; the three disagree on whether some
younger characters are letters, which changes where such a text is cut but never what it decodes to.
"""

from __future__ import annotations

import regex

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # English contractions
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"  # a word, with one space or mark before it
    r"|\p{N}{1,3}"  # up to three digits
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"  # marks, with a space before and line breaks after them
    r"|\s*[\r\n]+"  # line breaks, with the white space before them
    r"|\s+(?!\S)"  # white space up to the last one, which goes with the next word
    r"|\s+"
)

_COMPILED = regex.compile(PATTERN)


def well_formed(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot spell, replaced by U+FFFD; pairs of them are joined.

    JSON can smuggle such halves into a string. tiktoken makes the same replacement.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def split(text: str) -> list[str]:
    """The chunks of a text, in order; joined they are the text (if it is well formed)."""
    return _COMPILED.findall(well_formed(text))
