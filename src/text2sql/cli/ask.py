"""`text2sql ask`: one question, its SQL and its rows."""

from __future__ import annotations

import argparse

from text2sql.cli.checkpoints import add_model_arguments, decoding_options, load_generator
from text2sql.cli.output import format_result
from text2sql.config import DecodingConfig
from text2sql.data.contents import column_values
from text2sql.database import Database, connect
from text2sql.decoding.generator import Generator, Request
from text2sql.prompting.linking import ValueIndex, link


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `text2sql ask`."""
    parser.add_argument("question", help="the question, in English")
    parser.add_argument("--db", required=True, metavar="FILE", help="SQLite file or sqlite:///path")
    parser.add_argument("--no-contents", action="store_true", help="do not look cells up in the database")
    parser.add_argument("--time-limit", type=float, default=5.0, help="seconds that the query may run")
    add_model_arguments(parser)
    parser.epilog = 'example: text2sql ask --db examples/music_shop.sqlite "How many albums are there?"'


def run(arguments: argparse.Namespace) -> int:
    """Answer one question; exit code 1 when the model's SQL is none or fails."""
    with connect(arguments.db) as database:
        generator, _ = load_generator(arguments)
        answer, worked = ask(
            generator,
            database,
            arguments.question,
            decoding_options(arguments),
            not arguments.no_contents,
            arguments.time_limit,
        )
    print(answer)
    return 0 if worked else 1


def ask(
    generator: Generator,
    database: Database,
    question: str,
    options: DecodingConfig | None = None,
    use_contents: bool = True,
    time_limit: float = 5.0,
) -> tuple[str, bool]:
    """Question, SQL and rows as text, and whether the SQL ran."""
    index = ValueIndex(column_values(database, database.schema)) if use_contents else None
    request = Request(question, database.schema, link(question, database.schema, index))
    best = generator.predict([request], options)[0][0]
    lines = [f"question  {question}"]
    if best.error is not None:
        return "\n".join([*lines, f"SQL       none: {best.error} (model wrote: {best.target})"]), False
    result = database.run(best.sql, time_limit=time_limit)
    return "\n".join([*lines, f"SQL       {best.sql}", "", format_result(result)]), result.error is None
