"""Statistics of a set."""

from __future__ import annotations

from text2sql.data.example import Example
from text2sql.data.statistics import statistics, statistics_table
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer

PET = Schema.from_ddl("CREATE TABLE pet (id INT, name TEXT)", "pet")
ZOO = Schema.from_ddl("CREATE TABLE cage (id INT); CREATE TABLE animal (id INT, name TEXT, cage INT)", "zoo")


def example(question: str, sql: str, schema: Schema = PET) -> Example:
    return Example(question, question, sql, schema, None, "x", "train")


EXAMPLES = [
    example("How many?", "select count(*) from pet"),
    example("how many?", "select count(*) from pet"),
    example("Names?", "select name from pet"),
    example("Names of animals?", "select name from animal", ZOO),
    example("What is love?", ""),
]


def test_counts_and_lengths() -> None:
    tokenizer = Tokenizer.train(["no merges"], 256, [])
    numbers = statistics(EXAMPLES, tokenizer)
    assert numbers["questions"] == 5
    assert numbers["different_questions"] == 4
    assert numbers["different_sql"] == 3
    assert (numbers["schemas"], numbers["without_answer"], numbers["with_database"]) == (2, 1, 0)
    assert numbers["columns_per_schema"] == {"mean": 3.0, "median": 4, "p95": 4, "p99": 4, "longest": 4}
    assert numbers["question_tokens"]["longest"] == len("Names of animals?")  # one token a byte
    assert numbers["sql_tokens"]["longest"] == len("select count(*) from pet")
    assert "covered" not in numbers


def test_coverage_and_truncation_are_shares_of_the_right_whole() -> None:
    lengths = {"How many?": (10, 4), "how many?": (10, 5), "Names?": (12, 4), "Names of animals?": None}
    numbers = statistics(EXAMPLES, encode=lambda e: lengths[e.question], context=15)
    assert numbers["covered"] == 3 / 4  # of the four that have an answer
    assert numbers["truncated"] == 1 / 3  # 12 + 4 of those covered
    assert (numbers["prompt_tokens"]["longest"], numbers["answer_tokens"]["median"]) == (12, 4)


def test_the_table_has_a_dash_for_what_was_not_counted() -> None:
    table = statistics_table({"pets": statistics(EXAMPLES), "nothing": statistics([])})
    header, _, pets, nothing, *_ = table.splitlines()
    assert header.count("|") == pets.count("|") == nothing.count("|")
    assert pets.startswith("| pets | 5 | 2 | 3 | 1 | 4 / 4 / 4 | - |")
    assert nothing.startswith("| nothing | 0 | 0 | 0 | 0 | - |")
