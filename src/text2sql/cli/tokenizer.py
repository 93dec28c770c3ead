"""`text2sql tokenizer`: train, encode, inspect."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from text2sql.config import PromptingConfig
from text2sql.data.corpora import read_texts
from text2sql.prompting.prompt import tokens_of
from text2sql.tokenizer import Tokenizer
from text2sql.tokenizer.inspection import inspect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql tokenizer`."""
    actions = parser.add_subparsers(dest="action", required=True)
    train = actions.add_parser("train", help="learn a vocabulary from text files (.txt, .jsonl, .jsonl.gz)")
    train.add_argument("files", nargs="+", metavar="FILE")
    train.add_argument("--vocabulary-size", type=int, default=8192)
    train.add_argument("--output", required=True, metavar="DIR", help="folder for tokenizer.json and its readable twin")
    for name, text in (("encode", "print the ids of a text"), ("inspect", "print the tokens of a text, one a line")):
        action = actions.add_parser(name, help=text)
        action.add_argument("text", nargs="?", help="the text (default: standard input)")
        action.add_argument("--tokenizer", required=True, metavar="DIR", help="folder that holds tokenizer.json")


def run(arguments: argparse.Namespace) -> int:
    """Run one action."""
    if arguments.action == "train":
        texts = (text for file in arguments.files for text in read_texts(Path(file)))
        tokenizer = Tokenizer.train(texts, arguments.vocabulary_size, tokens_of(PromptingConfig()), progress=True)
        tokenizer.save(Path(arguments.output))
        print(f"{arguments.output}: {tokenizer.vocabulary_size} tokens")
        return 0
    tokenizer = Tokenizer.load(Path(arguments.tokenizer))
    text = arguments.text if arguments.text is not None else sys.stdin.read()
    if arguments.action == "encode":
        print(" ".join(map(str, tokenizer.encode(text))))
    else:
        print(inspect(tokenizer, text))
    return 0
