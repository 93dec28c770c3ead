"""Tokens made visible: how a token is spelt for people, and the table that `text2sql tokenizer inspect` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from text2sql.tokenizer.tokenizer import Tokenizer


def spelling(token: bytes) -> str:
    """A token on one line, quoted: `' name'`, `'\\n'`, or `b'\\xe4\\xb8'` where it ends amid a character."""
    try:
        return repr(token.decode("utf-8"))
    except UnicodeDecodeError:
        return repr(token)


def inspect(tokenizer: Tokenizer, text: str) -> str:
    """A table of the text's tokens, one a line with id, length in bytes and spelling, and a line of totals."""
    lines = [f"{'id':>6}  {'bytes':>5}  token"]
    ids = tokenizer.encode(text)
    for token_id in ids:
        token = tokenizer.decode_bytes([token_id])
        lines.append(f"{token_id:>6}  {len(token):>5}  {spelling(token)}")
    rate = f", {len(text) / len(ids):.2f} characters a token" if ids else ""
    lines.append(f"{len(ids)} tokens, {len(text)} characters{rate}")
    return "\n".join(lines)
