"""`text2sql score` and `compare`: official files in and out, one-line errors, what the report holds."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from spider_files import TABLES, make_database, make_set
from text2sql.cli import main
from text2sql.evaluation.prediction_files import PLACEHOLDER, read_spider_gold, read_spider_predictions, write_official
from text2sql.evaluation.report import Report

FIXTURES = Path(__file__).parent / "fixtures"
GOLD = "SELECT name FROM item WHERE year > 2014"
PAIRS = [
    (GOLD, GOLD),
    (GOLD, "SELECT name FROM item WHERE year >= 2014"),
    ("SELECT DISTINCT label FROM kind", "SELECT label FROM kind JOIN item ON kind.id = item.kind_id"),
    ("SELECT count(*) FROM item", "SELECT count(colour) FROM item"),
]


def scored(folder: Path, options: list[str]) -> dict[str, Any]:
    output = folder / "report.json"
    assert main(["score", *options, "--output", str(output)]) == 0
    return json.loads(output.read_text())


def test_every_example_has_its_verdicts_and_the_reason(tmp_path: Path) -> None:
    report = scored(tmp_path, make_set(tmp_path, PAIRS))
    right, near, repeated, invented = report["examples"]
    assert right["exact_match"]
    assert right["execution_match"]
    assert right["execution_match_keep_distinct"]
    assert right["hardness"] == "easy"
    assert "reason" not in right
    assert near["exact_match"] is False
    assert near["components"]["where"] is False
    assert near["components"]["select"]
    assert "where" in near["reason"]
    assert "more rows" in near["reason"]
    assert near["gold_answer"].startswith("5 rows: 'ink', 'cup'")
    assert near["predicted_answer"].startswith("5 or more rows")
    assert repeated["execution_match"] is False
    assert repeated["execution_match_keep_distinct"] is False
    assert "no such column: colour" in invented["reason"]
    assert invented["gold_answer"] == "1 row: 6"
    assert "predicted_answer" not in invented
    assert invented["unresolved_names"] == ["colour"]
    assert report["metrics"]["execution_accuracy"] == 0.25
    assert report["metrics"]["valid_sql"] == 0.75
    assert report["metrics"]["schema_hallucination"] == 0.25
    assert report["breakdowns"]["clause"]["select"]["count"] == 4
    assert len(report["settings"]["predictions_sha256"]) == 64


def test_distinct_is_removed_in_one_verdict_and_kept_in_the_other(tmp_path: Path) -> None:
    options = make_set(tmp_path, [("SELECT DISTINCT kind_id FROM item", "SELECT kind_id FROM item")])
    for keep in ([], ["--keep-distinct"]):
        report = scored(tmp_path, [*options, *keep])
        (entry,) = report["examples"]
        assert (entry["execution_match"], entry["execution_match_keep_distinct"]) == (True, False)
        assert ("reason" in entry) == bool(keep)
        assert report["settings"]["keep_distinct"] == bool(keep)


def test_a_folder_of_databases_is_judged_on_all_of_them(tmp_path: Path) -> None:
    options = make_set(tmp_path, [(GOLD, "SELECT name FROM item WHERE year > 2014.5")] * 2)
    assert scored(tmp_path, options)["metrics"]["execution_accuracy"] == 1
    other = make_database(tmp_path / "database" / "shop" / "shop_2.sqlite")
    make_database(other, "INSERT INTO item VALUES (7, 'jar', 1, 1.0, 2014.25)")
    assert scored(tmp_path, options)["metrics"]["execution_accuracy"] == 0


def test_rebuilt_databases_are_never_mixed_with_official_ones(tmp_path: Path) -> None:
    options = make_set(tmp_path, [(GOLD, GOLD), (GOLD, "SELECT 1")])
    folder = tmp_path / "database"
    entry = json.loads((tmp_path / "tables.json").read_text())[0]
    (tmp_path / "tables.json").write_text(json.dumps([entry, entry | {"db_id": "copy"}]))
    (tmp_path / "gold.sql").write_text(f"{GOLD}\tshop\n{GOLD}\tcopy\n")
    shutil.copytree(folder / "shop", tmp_path / "database_rebuilt" / "copy")
    (tmp_path / "database_rebuilt/copy/shop.sqlite").rename(tmp_path / "database_rebuilt/copy/copy.sqlite")
    options[options.index("--databases") + 1] = str(tmp_path)
    report = scored(tmp_path, options)
    assert report["metrics"]["execution_accuracy"] == 1
    assert report["counts"]["execution_accuracy"] == 1
    assert report["metrics"]["execution_accuracy_rebuilt"] == 0
    assert report["breakdowns"]["database"]["copy"].keys() >= {"count", "exact_match", "execution_accuracy_rebuilt"}


def test_a_missing_database_is_told_and_not_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = make_set(tmp_path, [(GOLD, GOLD), (GOLD, GOLD)])
    entry = json.loads((tmp_path / "tables.json").read_text())[0]
    (tmp_path / "tables.json").write_text(json.dumps([entry, entry | {"db_id": "copy"}]))
    (tmp_path / "gold.sql").write_text(f"{GOLD}\tshop\n{GOLD}\tcopy\n")
    report = scored(tmp_path, options)
    assert report["counts"] | {"exact_match": 2, "execution_accuracy": 1} == report["counts"]
    assert "no database file: copy" in capsys.readouterr().err


def test_gold_queries_that_fail_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = scored(tmp_path, make_set(tmp_path, [(GOLD, GOLD), ("SELECT colour FROM item", GOLD)]))
    assert [entry.get("gold_failed", False) for entry in report["examples"]] == [False, True]
    assert report["metrics"]["execution_accuracy"] == 0.5
    message = capsys.readouterr().err
    assert "1 gold queries failed" in message
    assert "gold/1: " in message
    assert "no such column: colour" in message


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("predicted.sql", f"{GOLD}\n", ["predicted.sql", "1 predictions for 2 gold"]),
        ("predicted.sql", f"{GOLD}\n\n{GOLD}\n", ["predicted.sql, line 2", "blank"]),
        ("predicted.sql", f"{GOLD}\tshop\n{GOLD}\tbank\n", ["predicted.sql, line 2", "'bank'", "'shop'"]),
        ("predicted.sql", b"SELECT '\xff'\nSELECT 1\n", ["predicted.sql", "UTF-8"]),
        ("predicted.sql", None, ["predicted.sql not found"]),
        ("gold.sql", f"{GOLD}\tshop\n{GOLD}\tbank\n", ["gold.sql, line 2", "'bank'", "tables.json"]),
        ("gold.sql", f"{GOLD}\tshop\n{GOLD}\n", ["gold.sql, line 2", "one tab"]),
        ("gold.sql", "", ["gold.sql, line 1", "blank"]),
        ("tables.json", "{", ["tables.json", "not valid JSON"]),
        ("tables.json", "{}", ["tables.json", "list of databases"]),
        ("tables.json", json.dumps([{**TABLES, "table_names_original": ["kind", 5]}]), ["tables.json", "5", "'shop'"]),
        (
            "tables.json",
            json.dumps([{**TABLES, "column_names_original": [[-1, "*"]], "primary_keys": [], "foreign_keys": []}]),
            ["tables.json", "'kind'", "lacks columns"],
        ),
        (
            "tables.json",
            json.dumps([{**TABLES, "column_names_original": [[-1, "*"], *([n, "x"] for n in (0, 0, *[1] * 5))]}]),
            ["schema shop", "duplicate column name"],
        ),
    ],
)
def test_bad_files_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: str | bytes | None, words: list[str]
) -> None:
    options = make_set(tmp_path, [(GOLD, GOLD), (GOLD, GOLD)])
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["score", *options]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--output", "report.md"], ".json"),
        (["--fuzz", "-1"], "--fuzz"),
        (["--processes", "0"], "--processes"),
        (["--time-limit", "0"], "--time-limit"),
        (["--databases", "nowhere"], "nowhere"),
    ],
)
def test_bad_options_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], word: str
) -> None:
    assert main(["score", *make_set(tmp_path, [(GOLD, GOLD)]), *more]) == 2
    assert word in capsys.readouterr().err


def test_official_files_hold_one_line_for_every_prediction(tmp_path: Path) -> None:
    texts = ["", "SELECT name -- the name\nFROM\titem", "SELECT 'a\tb'", "SELECT '--'  /* x\n */ ;", "  \n"]
    entries = [{"id": str(n), "db_id": "shop", "gold": GOLD, "prediction": text} for n, text in enumerate(texts)]
    path, gold = write_official(Report("spider", "dev", 5, {}, {}, examples=entries), tmp_path / "p.sql")
    lines = path.read_bytes().decode().split("\n")
    assert lines == [PLACEHOLDER, "SELECT name FROM item", "SELECT 'a b'", "SELECT '--' ;", PLACEHOLDER, ""]
    assert gold.read_text() == f"{GOLD}\tshop\n" * 5


def test_own_prediction_files_are_read_with_their_probabilities(tmp_path: Path) -> None:
    options = make_set(tmp_path, PAIRS[:2])
    lines = [{"sql": GOLD, "log_probability": -0.1}, {"prediction": "SELECT 1", "log_probability": -3.0}]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options[options.index("--predictions") + 1] = str(tmp_path / "own.jsonl")
    report = scored(tmp_path, options)
    assert report["metrics"]["expected_calibration_error"] == pytest.approx((0.0951626 + 0.0497871) / 2, abs=1e-6)
    assert report["breakdowns"]["confidence"]["0.9-1"]["accuracy"] == 1
    examples = read_spider_gold(tmp_path / "gold.sql", tmp_path / "tables.json", None)
    again = read_spider_predictions(tmp_path / "report.predictions.jsonl", examples)
    assert again.texts == [GOLD, "SELECT 1"]


WIKISQL_TABLES = {"id": "1-1", "header": ["Name", "Year"], "types": ["text", "real"], "rows": [["Ana", 3], ["Bo", 5]]}


def wikisql_set(folder: Path, predictions: list[Any]) -> list[str]:
    queries = [{"sel": 0, "agg": 0, "conds": [[1, 0, 3]]}, {"sel": 1, "agg": 1, "conds": [[0, 0, "Bo"]]}]
    questions = [{"table_id": "1-1", "question": "who?", "sql": query} for query in queries]
    (folder / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in questions))
    (folder / "t.jsonl").write_text(json.dumps(WIKISQL_TABLES) + "\n")
    (folder / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in predictions))
    names = {"gold": "q.jsonl", "predictions": "p.jsonl", "tables": "t.jsonl"}
    return ["--dataset", "wikisql"] + [w for name, file in names.items() for w in (f"--{name}", str(folder / file))]


def test_wikisql_predictions_are_scored_and_written_back(tmp_path: Path) -> None:
    forms = [{"query": {"sel": 0, "agg": 0, "conds": [[1, 0, "3"]]}}, {"error": "no idea"}]
    report = scored(tmp_path, wikisql_set(tmp_path, forms))
    right, wrong = report["examples"]
    assert right["logical_form"]
    assert right["logical_form_ordered"]
    assert right["execution_match"]
    assert right["answer_match"]
    assert not (wrong["logical_form"])
    assert not (wrong["execution_match"])
    assert "no WikiSQL query" in wrong["reason"]
    assert report["breakdowns"]["clause"]["select"]["accuracy"] == 0.5
    write_official(Report.load(tmp_path / "report.json"), tmp_path / "again.jsonl")
    written = [json.loads(line) for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert written[0] == forms[0]
    assert "query" not in written[1]


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        ([{"query": {}}], ["1 predictions for 2"]),
        ([{"query": {}}, {"sel": 1}], ["p.jsonl, line 2", "`query`"]),
        ([{"query": {}}, [1]], ["p.jsonl, line 2", "object"]),
        ([{"query": {}}, {"sql": "\ud800"}], ["p.jsonl, line 2", "'\\ud800'", "no character"]),
        ([{"query": {}, "log_probability": "high"}, {"error": "x"}], ["p.jsonl, line 1", "log_probability"]),
    ],
)
def test_bad_wikisql_predictions_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], predictions: list[Any], words: list[str]
) -> None:
    assert main(["score", *wikisql_set(tmp_path, predictions)]) == 2
    message = capsys.readouterr().err
    assert all(word in message for word in words), message


@pytest.mark.parametrize("query", [{}, {"sel": 9, "agg": 0, "conds": []}, {"sel": 0, "agg": 0, "conds": [[1, 0]]}])
def test_a_misshapen_wikisql_query_is_wrong_and_no_error(tmp_path: Path, query: dict[str, Any]) -> None:
    report = scored(tmp_path, wikisql_set(tmp_path, [{"query": query}, {"query": {"sel": 1, "agg": 1, "conds": []}}]))
    assert not any(entry["logical_form"] for entry in report["examples"])
    assert report["metrics"]["execution_accuracy"] == 0.5  # the maximum of all is Bo's, by accident


@pytest.mark.data
def test_the_official_wikisql_example_scores_what_it_should(data_mirror: Path, tmp_path: Path) -> None:
    predictions = tmp_path / "p.jsonl"
    predictions.write_bytes(gzip.decompress((FIXTURES / "wikisql_example_predictions.jsonl.gz").read_bytes()))
    folder = data_mirror / "wikisql"
    files = ["--gold", str(folder / "dev.jsonl.gz"), "--tables", str(folder / "dev.tables.jsonl.gz")]
    report = scored(tmp_path, ["--dataset", "wikisql", *files, "--predictions", str(predictions)])
    assert report["metrics"]["logical_form_accuracy"] == 0.45208407552547203
    assert report["metrics"]["logical_form_accuracy_ordered"] == 0.44115900724379525
    assert report["count"] == 8421
