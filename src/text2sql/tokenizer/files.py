"""The tokenizer's two files: `tokenizer.json` and its human-readable twin `tokenizer.vocab.txt`.

`tokenizer.json` has the form of Hugging Face `tokenizers` (BPE model, Split and ByteLevel pre-tokenizers, added
special tokens), so that `tokenizers` and `transformers` load it as it is; here it is read with nothing but `json`.
One difference is theirs: unless told `encode_special_tokens = True` (transformers: `split_special_tokens=True`),
they turn "<|user|>" in a text into the special token, which our own code never does.

A file is accepted only if rendering what was read from it gives the same model again. That catches files of
other tokenizers, edited merges and ids that moved.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from text2sql.errors import UserError
from text2sql.files import replacing
from text2sql.tokenizer.inspection import spelling
from text2sql.tokenizer.pretokenization import PATTERN
from text2sql.tokenizer.textbook import Pair, spell

JSON_FILE = "tokenizer.json"
VOCABULARY_FILE = "tokenizer.vocab.txt"


def _byte_characters() -> list[str]:
    """The printable character that stands for each byte in a ByteLevel vocabulary (GPT-2's `bytes_to_unicode`)."""
    kept = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    replaced = iter(range(0x100, 0x200))
    return [chr(value if value in kept else next(replaced)) for value in range(256)]


_BYTE_CHARACTERS = _byte_characters()


def render_json(merges: Sequence[Pair], special_tokens: Sequence[str]) -> dict[str, Any]:
    """The content of `tokenizer.json`, field for field as `tokenizers` 0.23 writes it."""
    spelt = ["".join(_BYTE_CHARACTERS[byte] for byte in token) for token in spell(merges)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": len(spelt) + n, "content": token, **flags} for n, token in enumerate(special_tokens)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: token_id for token_id, token in enumerate(spelt)},
            "merges": [[spelt[left], spelt[right]] for left, right in merges],
        },
    }


def read_json(path: Path) -> tuple[list[Pair], list[str]]:
    """The merges and special tokens of a `tokenizer.json`.

    Raises UserError if it is missing, no JSON, or no tokenizer of ours.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); train one with: text2sql tokenizer train"
        ) from error
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise UserError(
            f"{path}: damaged, not valid JSON ({error}); copy it again or train the tokenizer anew"
        ) from error
    try:
        ids = document["model"]["vocab"]
        merges = [(ids[left], ids[right]) for left, right in document["model"]["merges"]]
        special_tokens = [str(token["content"]) for token in document["added_tokens"]]
        rendered = render_json(merges, special_tokens)
        ours = all(document[key] == rendered[key] for key in ("model", "pre_tokenizer", "normalizer", "added_tokens"))
    except (KeyError, IndexError, TypeError, ValueError):
        ours = False
    if not ours:
        raise UserError(f"{path}: not a tokenizer of text2sql, or changed since it was saved; train the tokenizer anew")
    return merges, special_tokens


def render_vocabulary(merges: Sequence[Pair], special_tokens: Sequence[str]) -> str:
    """One line per token: its id, its spelling, and how it came to be."""
    tokens = spell(merges)
    lines = [f"{value:>6}  {spelling(tokens[value])}  byte 0x{value:02x}" for value in range(256)]
    for token_id, (left, right) in enumerate(merges, start=256):
        parts = f"{left} {spelling(tokens[left])} + {right} {spelling(tokens[right])}"
        lines.append(f"{token_id:>6}  {spelling(tokens[token_id])}  {parts}")
    for token_id, token in enumerate(special_tokens, start=len(tokens)):
        lines.append(f"{token_id:>6}  {spelling(token.encode())}  special")
    return "\n".join(lines) + "\n"


def write_files(directory: Path, merges: Sequence[Pair], special_tokens: Sequence[str]) -> None:
    """Write both files into `directory`, made if need be; each appears whole or not at all.

    Raises UserError if the folder cannot be written.
    """
    document = json.dumps(render_json(merges, special_tokens), ensure_ascii=False, indent=2) + "\n"
    texts = {VOCABULARY_FILE: render_vocabulary(merges, special_tokens), JSON_FILE: document}
    try:
        for name, text in texts.items():
            with replacing(directory / name) as part:
                part.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"{directory}: the tokenizer cannot be saved there ({error.strerror})") from error
