"""Byte-level BPE: training, encoding, files, special tokens."""

from text2sql.tokenizer.inspection import inspect
from text2sql.tokenizer.tokenizer import Tokenizer

__all__ = ["Tokenizer", "inspect"]
