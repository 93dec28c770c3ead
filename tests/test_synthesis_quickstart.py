"""The example data set: what each split promises to be new is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from text2sql.database import connect
from text2sql.errors import UserError
from text2sql.synthesis import examples_dataset, generate_pairs, split_pairs
from text2sql.synthesis.quickstart import Asked

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TESTS = ("test", "test_templates", "test_databases")


@pytest.fixture(scope="module")
def asked() -> dict[str, list[Asked]]:
    made = {}
    for path in sorted(EXAMPLES.glob("*.sqlite")):
        with connect(str(path)) as database:
            made[path.stem] = [Asked(path.stem, pair) for pair in generate_pairs(database, 600, seed=5)]
    return made


@pytest.fixture(scope="module")
def splits(asked):
    return split_pairs(asked, ["film_festival"], seed=1, test_size=100)


def test_splits_have_their_sizes(splits):
    assert len(splits["train"]) > 2000
    assert [len(splits[name]) for name in TESTS] == [100, 100, 100]


@pytest.mark.parametrize("name", TESTS)
def test_no_question_and_no_sql_of_a_test_is_trained(splits, name):
    for part in ("question", "sql"):
        trained = {getattr(entry.pair, part).casefold() for entry in splits["train"]}
        assert not trained & {getattr(entry.pair, part).casefold() for entry in splits[name]}


def test_no_held_out_template_is_trained(splits):
    for part in ("template", "sql_template"):
        trained = {getattr(entry.pair, part) for entry in splits["train"]}
        assert not trained & {getattr(entry.pair, part) for entry in splits["test_templates"]}
    assert len({entry.pair.sql_template for entry in splits["test_templates"]}) >= 20


def test_no_held_out_database_is_trained(splits):
    assert {entry.database for entry in splits["test_databases"]} == {"film_festival"}
    assert "film_festival" not in {entry.database for name in ("train", *TESTS[:2]) for entry in splits[name]}


def test_a_held_out_template_is_made_of_parts_that_are_trained(splits):
    trained = {part for entry in splits["train"] for part in entry.pair.sql_template.split()}
    known = [set(entry.pair.sql_template.split()) <= trained for entry in splits["test_templates"]]
    assert sum(known) >= 0.95 * len(known)


def test_the_split_repeats_for_its_seed_only(asked, splits):
    assert split_pairs(asked, ["film_festival"], seed=1, test_size=100) == splits
    assert split_pairs(asked, ["film_festival"], seed=2, test_size=100)["test"] != splits["test"]


def test_the_dataset_holds_examples_with_their_databases():
    dataset = examples_dataset(
        EXAMPLES, seed=3, pairs_per_database=150, held_out=("clinic", "city_bikes"), test_size=40, longest_question=14
    )
    assert set(dataset) == {"train", *TESTS, "handwritten"}
    everything = [example for split in dataset.values() for example in split]
    assert len({example.id for example in everything}) == len(everything)
    assert len(dataset["handwritten"]) >= 12 * 5
    for split, examples in dataset.items():
        lengths = [len(example.question.split()) for example in examples]
        assert split == "handwritten" or 12 < max(lengths) <= 14
        for example in examples:
            assert example.split == split
            assert example.source == "examples"
            assert example.database is not None
            assert Path(example.database).stem == example.schema.name
    assert {example.schema.name for example in dataset["test_databases"]} == {"clinic", "city_bikes"}


@pytest.mark.parametrize("held_out", [(), ("casino",)])
def test_a_folder_without_the_databases_is_named(tmp_path, held_out):
    with pytest.raises(UserError, match=str(tmp_path)):
        examples_dataset(tmp_path, seed=1, held_out=held_out)
