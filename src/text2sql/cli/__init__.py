"""The command `text2sql <verb>`: reads arguments, calls the floors below, prints.

A mistake of the user's ends with one line on standard error and exit code 2; Ctrl-C with 130. Each verb's module is
imported only when it is used, so that `text2sql --help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from text2sql.errors import UserError

VERBS = {
    "train": "run a whole experiment: tokenizer, pretraining, instruction tuning, evaluation",
    "evaluate": "score a checkpoint on a set with gold SQL",
    "score": "score a file of predictions without a model",
    "compare": "compare two evaluation reports, example by example",
    "average": "make one model of several checkpoints' mean weights",
    "predict": "write the SQL for a file of questions",
    "ask": "ask one question of a database: SQL, rows and a sentence",
    "chat": "ask a database question after question in the terminal",
    "serve": "a web page and an API to ask a database",
    "mcp": "a Model Context Protocol server that asks a database",
    "tokenizer": "train, use and inspect the BPE tokenizer",
    "data": "download, count and check the data sets; make training pairs with a model",
}


def build_parser(verb: str | None) -> argparse.ArgumentParser:
    """The parser with the options of one verb, or with all verbs' one-line descriptions."""
    parser = argparse.ArgumentParser(
        prog="text2sql",
        description="Train a GPT from nothing into a text-to-SQL model, evaluate it, and ask a database.",
        epilog="text2sql <verb> --help explains one verb.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="verb", required=True)
    for name, description in VERBS.items():
        sub = verbs.add_parser(
            name, help=description, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == verb:
            module = importlib.import_module(f"text2sql.cli.{name}")
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((a for a in arguments if a in VERBS), None)
    parsed = build_parser(verb).parse_args(arguments)
    try:
        return parsed.run(parsed) or 0
    except UserError as error:
        print(f"text2sql: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("text2sql: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # such as `text2sql ... | head`
        sys.stderr.close()
        return 0
