"""The tokenizer: text to ids and back.

Ids 0..255 are the bytes, then come the learnt merges in their order, then the special tokens. So every text can be
spelt, nothing is ever unknown, and more special tokens never move the others. Training is ours (`training`); encoding
runs in tiktoken, built from our merges and equal to the hand-written encoder of `textbook`, id for id.

Special tokens are given out by name only (`special`). `encode` reads "<|user|>" as the eight characters that it is,
so no question and no database content can forge the structure of a prompt.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import tiktoken

from text2sql.errors import UserError
from text2sql.tokenizer.files import JSON_FILE, read_json, write_files
from text2sql.tokenizer.pretokenization import PATTERN
from text2sql.tokenizer.textbook import Pair, spell
from text2sql.tokenizer.training import train_merges

logger = logging.getLogger(__name__)

LONGEST_WHITE_SPACE = 900_000
"""Characters of white space in a row; tiktoken's regex engine runs out of its stack at a million and panics."""


class Tokenizer:
    """Byte-level BPE with special tokens.

    Attributes:
        merges: pairs of ids; the n-th makes the token 256 + n.
        special_ids: id of each special token, in the order of the ids.
        vocabulary_size: number of ids.
        encoding: the tiktoken engine.
    """

    def __init__(self, merges: Sequence[Pair], special_tokens: Sequence[str]) -> None:
        """Raises UserError if special tokens repeat or two tokens are spelt alike."""
        tokens = spell(merges)
        ranks = {token: rank for rank, token in enumerate(tokens)}
        if len(ranks) < len(tokens):
            raise UserError(
                "tokenizer: two merges make the same token, so these are not merges that were learnt as BPE"
            )
        if len(set(special_tokens)) < len(special_tokens):
            raise UserError("tokenizer: a special token is listed twice")
        if clash := next((token for token in special_tokens if token.encode() in ranks), None):
            # Harmless here, but Hugging Face `tokenizers` keys both kinds of token by their spelling.
            raise UserError(f"tokenizer: the text taught a token spelt {clash!r}, as a special token; remove it there")
        self.merges = list(merges)
        self.special_ids = {token: len(tokens) + n for n, token in enumerate(special_tokens)}
        self.vocabulary_size = len(tokens) + len(special_tokens)
        self.encoding = tiktoken.Encoding(
            "text2sql", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=self.special_ids
        )

    @classmethod
    def train(
        cls, texts: Iterable[str], vocabulary_size: int, special_tokens: Sequence[str], progress: bool = False
    ) -> Tokenizer:
        """Learn a vocabulary of `vocabulary_size` tokens: bytes, merges and special tokens together.

        The same texts give the same tokenizer in any order. The vocabulary comes out smaller, with a warning in the
        log, if no pair of tokens occurs twice any more. Raises UserError if there is no room for the special tokens.
        """
        number = vocabulary_size - 256 - len(special_tokens)
        if number < 0:
            least = 256 + len(special_tokens)
            raise UserError(
                f"tokenizer.vocabulary_size: {vocabulary_size} is too small; bytes and special tokens are {least}"
            )
        merges = train_merges(texts, number, progress)
        if len(merges) < number:
            size = vocabulary_size - number + len(merges)
            logger.warning("the text is too small for %d tokens: the vocabulary has %d", vocabulary_size, size)
        return cls(merges, special_tokens)

    @classmethod
    def load(cls, directory: str | Path) -> Tokenizer:
        """Read `tokenizer.json` in `directory`. Raises UserError if it is missing, damaged or not ours."""
        return cls(*read_json(Path(directory) / JSON_FILE))

    def save(self, directory: str | Path) -> None:
        """Write `tokenizer.json` and `tokenizer.vocab.txt` into `directory`; each appears whole or not at all."""
        write_files(Path(directory), self.merges, list(self.special_ids))

    @property
    def fingerprint(self) -> str:
        """Sha256 (hexadecimal) of pattern, merges and special tokens: equal if and only if all ids mean the same."""
        content = json.dumps([PATTERN, self.merges, list(self.special_ids)], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """The ids of ordinary text; never a special one, whatever the text holds.

        Lone surrogates count as U+FFFD. For many texts call it in a loop: tiktoken's threaded batch call took more
        time on two cores. Raises UserError for more than `LONGEST_WHITE_SPACE` characters of white space in a row.
        """
        _check_white_space(text)
        return self.encoding.encode_ordinary(text)

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes: valid UTF-8 as `encode` has it, each byte that is none as its own token."""
        ids: list[int] = []
        for part in re.split("([\udc80-\udcff]+)", data.decode("utf-8", "surrogateescape")):
            escaped = part[:1] >= "\udc80" and part[:1] <= "\udcff"
            ids.extend(part.encode("utf-8", "surrogateescape") if escaped else self.encode(part))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text; special tokens as they are spelt, bytes that are no UTF-8 as U+FFFD. KeyError: no such id."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of the tokens, joined. Raises KeyError for an id that is not in the vocabulary."""
        return self.encoding.decode_bytes(ids)

    def special(self, token: str) -> int:
        """The id of a special token. Raises UserError if the tokenizer was trained without it."""
        try:
            return self.special_ids[token]
        except KeyError:
            raise UserError(f"the tokenizer has no special token {token!r}; train it anew under this config") from None


def _check_white_space(text: str) -> None:
    if len(text) > LONGEST_WHITE_SPACE and any(len(run) > LONGEST_WHITE_SPACE for run in re.findall(r"\s+", text)):
        raise UserError(f"the text has more than {LONGEST_WHITE_SPACE:,} white space characters in a row; shorten them")
