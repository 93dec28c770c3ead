"""The special tokens: structure, SQL keywords and the id tokens that point.

They sit after the merges in the vocabulary and can never be produced from text: the tokenizer gives them out by
name only. Their order is part of the file format; new ones go to the end of their group before a release only.
"""

from __future__ import annotations

STRUCTURE = (
    "<|pad|>",
    "<|endoftext|>",  # ends an answer and every pretraining document
    "<|system|>",  # the schema follows
    "<|user|>",  # the question follows
    "<|assistant|>",  # the SQL follows; a linking chain stands between two of these
    "<|prefix|>",  # span infilling: prefix, suffix, then the middle
    "<|suffix|>",
    "<|middle|>",
    "<|table|>",
    "<|column|>",
    "<|cell|>",  # a cell of the column before it that the question mentions
    "<|primary|>",
    "<|foreign|>",  # followed by the id of the referenced column
    "<|exact|>",  # link marks: the question names the item
    "<|partial|>",  # ... or some of its words
    "<|text|>",  # column types
    "<|number|>",
    "<|time|>",
    "<|boolean|>",
    "<|others|>",
    "<|quote|>",  # opens and closes a value in the target
    "<|2|>",  # the second, third, ... use of a table in one query
    "<|3|>",
    "<|4|>",
    "<|5|>",
    "<|6|>",
)

KEYWORDS = (
    "select", "distinct", "from", "join", "left", "cross", "on", "where", "group by", "having", "order by", "desc",
    "limit", "offset", "union", "all", "intersect", "except", "and", "or", "not", "in", "like", "between", "is", "null",
    "exists", "as", "case", "when", "then", "else", "end", "cast", "count", "sum", "avg", "min", "max", "abs", "round",
    "length", "lower", "upper", "substring", "strftime", "coalesce", "(", ")", ",", "*", ".", "=", "!=", "<", ">", "<=",
    ">=", "+", "-", "/", "||", "%",
)  # fmt: skip
"""Pieces of the target language with a token of their own; everything else is spelt as text."""

KEYWORD_TOKENS = tuple(f"<|{keyword}|>" for keyword in KEYWORDS)


def pointer_tokens(columns: int, tables: int, words: int, cells: int) -> tuple[str, ...]:
    """The id tokens `<c0>`... for columns, `<t0>`... tables, `<w0>`... question words, `<v0>`... matched cells."""
    counts = {"c": columns, "t": tables, "w": words, "v": cells}
    return tuple(f"<{kind}{number}>" for kind, count in counts.items() for number in range(count))


def special_tokens(columns: int, tables: int, words: int, cells: int) -> tuple[str, ...]:
    """All special tokens of a model, in the order of their ids."""
    return STRUCTURE + KEYWORD_TOKENS + pointer_tokens(columns, tables, words, cells)
