"""From a question to an answer over real SQLite files: fixed readings in place of the model's, and the model itself."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from math import log
from pathlib import Path

import pytest

from text2sql.assistant import Alternative, Answer, Assistant, Conversation, LinkedItem
from text2sql.assistant.answer import readings
from text2sql.config import DecodingConfig
from text2sql.decoding import checkpoints
from text2sql.decoding.checkpoints import default_model
from text2sql.decoding.generator import Generator
from text2sql.decoding.prediction import Prediction
from text2sql.errors import UserError
from tiny_checkpoint import scripted_assistant, write_tiny_checkpoint

ROOT = Path(__file__).resolve().parents[1]
SHOP = str(ROOT / "examples" / "music_shop.sqlite")
COUNT = "SELECT COUNT(*) FROM albums"
HOW_MANY = "How many albums are there?"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


def ask(folder: Path, question: str, *found: tuple[str, float], **more: object) -> Answer:
    """An answer when the model's readings are these SQLs with these probabilities."""
    scripted = scripted_assistant(folder, {question: [(sql, log(chance)) for sql, chance in found]})
    with scripted as assistant:
        return assistant.ask(SHOP, question, **more)  # type: ignore[arg-type]


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_has_sql_rows_a_sentence_and_its_links(folder: Path) -> None:
    answer = ask(folder, HOW_MANY, (COUNT, 0.9), ("SELECT COUNT(*) FROM artists", 0.05))
    assert answer.sql == COUNT
    assert answer.result is not None
    rows = sqlite3.connect(SHOP).execute(COUNT).fetchall()
    assert answer.result.rows == rows
    assert str(rows[0][0]) in answer.sentence
    assert answer.sure
    assert answer.alternatives == (Alternative("SELECT COUNT(*) FROM artists", pytest.approx(0.05**2 / 0.95)),)
    assert answer.links == (LinkedItem("table", "albums", None, None, "albums"),)
    assert (answer.error, answer.abstained, answer.rewritten, answer.failures) == (None, None, None, ())
    assert answer.seconds > 0


def test_links_name_cells_with_the_words_of_the_question(folder: Path) -> None:
    question = "Which artists are from japan?"
    answer = ask(folder, question, ("SELECT name FROM artists WHERE country = 'japan'", 0.9))
    assert LinkedItem("cell", "artists", "country", "Japan", "japan") in answer.links
    assert LinkedItem("column", "artists", "country", None, "") in answer.links
    assert answer.sql == "SELECT name FROM artists WHERE country = 'Japan'"  # spelt as the cell is
    assert answer.result is not None
    assert len(answer.result.rows) > 1


def test_a_reading_that_fails_gives_way_to_the_next(folder: Path) -> None:
    answer = ask(folder, HOW_MANY, ("SELECT nonsense FROM albums", 0.6), ("SELECT x FROM y", 0.2), (COUNT, 0.1))
    assert answer.sql == COUNT
    assert [failure.sql for failure in answer.failures] == ["SELECT nonsense FROM albums", "SELECT x FROM y"]
    assert "nonsense" in answer.failures[0].error
    assert not answer.sure
    assert answer.error is None


def test_when_nothing_runs_the_best_reading_is_shown_with_its_error(folder: Path) -> None:
    answer = ask(folder, HOW_MANY, ("SELECT nonsense FROM albums", 0.6), ("SELECT x FROM y", 0.2))
    assert answer.sql == "SELECT nonsense FROM albums"
    assert answer.error == "no such column: nonsense"
    assert answer.result is not None
    assert answer.result.error == answer.error
    assert "no such column" in answer.sentence
    assert not answer.sure
    assert len(answer.failures) == 2


def test_the_time_limit_is_for_all_readings_together(folder: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + {} FROM n) SELECT count(*) FROM n"
    found = [(endless.format(step), 0.2) for step in range(1, 5)]
    answer = ask(folder, HOW_MANY, *found, time_limit=0.3)
    assert "time limit" in (answer.error or "")
    assert answer.seconds < 5
    assert len(answer.failures) <= 2


def test_the_row_limit_is_passed_on(folder: Path) -> None:
    answer = ask(folder, "List all album titles", ("SELECT title FROM albums", 0.9), row_limit=7)
    assert answer.result is not None
    assert (len(answer.result.rows), answer.result.truncated) == (7, True)


@pytest.mark.parametrize(
    "sql", ["DROP TABLE albums", "DELETE FROM albums", "PRAGMA user_version = 7", "SELECT 1; SELECT 2"]
)
def test_edited_sql_is_run_as_safely(folder: Path, sql: str) -> None:
    before = Path(SHOP).read_bytes()
    with scripted_assistant(folder, {}) as assistant:
        answer = assistant.run(SHOP, sql)
    assert answer.error is not None
    assert answer.sentence
    assert Path(SHOP).read_bytes() == before


def test_edited_sql_gives_rows_and_a_sentence(folder: Path) -> None:
    with scripted_assistant(folder, {}) as assistant:
        answer = assistant.run(SHOP, "SELECT count(*) FROM tracks", row_limit=5)
    assert answer.question == ""
    assert (answer.confidence, answer.sure, answer.alternatives, answer.error) == (1.0, True, (), None)
    assert answer.result is not None
    assert str(answer.result.rows[0][0]) in answer.sentence.replace(",", "")


# -- confidence -------------------------------------------------------------------------------------------------------


def test_confidence_rises_with_the_reading_and_falls_with_its_rivals() -> None:
    def best(own: float, *rivals: float) -> float:
        beams = [Prediction("a", "", log(own)), *(Prediction(f"r{n}", "", log(p)) for n, p in enumerate(rivals))]
        return readings(beams)[0].confidence

    assert best(0.8) == pytest.approx(0.8)
    assert best(0.8) > best(0.8, 0.1) > best(0.8, 0.15) > best(0.7, 0.15) > best(0.4, 0.35)
    assert 0 < best(1e-300, 1e-300) <= 1
    assert readings([Prediction("a", "", -5000.0)])[0].confidence == 0.0


def test_beams_with_the_same_sql_count_together_and_broken_beams_against_all() -> None:
    same = readings([Prediction("a", "", log(0.4)), Prediction("b", "", log(0.2)), Prediction("a", "", log(0.3))])
    assert [(one.sql, one.confidence) for one in same] == [
        ("a", pytest.approx(0.49 / 0.9)),
        ("b", pytest.approx(0.04 / 0.9)),
    ]
    broken = readings([Prediction("a", "", log(0.4)), Prediction("", "", log(0.4), "no SQL")])
    assert [(one.sql, one.confidence) for one in broken] == [("a", pytest.approx(0.2))]


def test_the_threshold_decides_what_is_sure(folder: Path) -> None:
    scripted = scripted_assistant(folder, {HOW_MANY: [(COUNT, log(0.4))]})
    assert not scripted.ask(SHOP, HOW_MANY).sure
    scripted.threshold = 0.4
    assert scripted.ask(SHOP, HOW_MANY).sure
    scripted.close()


# -- abstaining -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["", "   ", "???", "12 34", "Hello!", "thank you very much"])
def test_what_is_no_question_is_not_answered(folder: Path, question: str) -> None:
    answer = ask(folder, question)
    assert answer.abstained
    assert (answer.sql, answer.result, answer.sentence) == ("", None, answer.abstained)


@pytest.mark.parametrize(
    "question", ["Delete all customers", "please add a new artist", "Update the price of all albums"]
)
def test_requests_to_write_are_refused(folder: Path, question: str) -> None:
    answer = ask(folder, question, ("SELECT title FROM albums", 0.99))
    assert answer.abstained is not None
    assert "only ever read" in answer.abstained
    assert answer.sql == ""


def test_a_question_about_other_things_is_not_answered_unless_the_model_is_very_sure(folder: Path) -> None:
    question = "What is the weather like?"
    answer = ask(folder, question, (COUNT, 0.6))
    assert answer.abstained is not None
    assert "albums" in answer.abstained  # says what there is
    assert ask(folder, question, (COUNT, 0.97)).sql == COUNT


def test_a_model_that_finds_no_query_abstains(folder: Path) -> None:
    answer = ask(folder, HOW_MANY)
    assert answer.abstained is not None
    assert "no query" in answer.abstained


# -- conversation, streaming, threads ---------------------------------------------------------------------------------


def test_a_follow_up_is_answered_without_the_model(folder: Path) -> None:
    first = "Which artists come from Japan?"
    conversation = Conversation()
    with scripted_assistant(folder, {first: [("SELECT name FROM artists WHERE country = 'Japan'", -0.1)]}) as assistant:
        assistant.ask(SHOP, first, conversation)
        answer = assistant.ask(SHOP, "what about Canada?", conversation)
        assert answer.sql == "SELECT name FROM artists WHERE country = 'Canada'"
        assert answer.rewritten == "Which artists come from Canada?"
        assert answer.question == "what about Canada?"
        assert answer.confidence == conversation.turns[0].confidence
        missing = assistant.ask(SHOP, "what about Cannada?", conversation)
        assert missing.hint is not None
        assert "'Canada'" in missing.hint
        assert missing.hint in missing.sentence
        refused = assistant.ask(SHOP, "drop them all", conversation)
        assert refused.abstained is not None
        assert "only ever read" in refused.abstained
        assert assistant.ask(SHOP, "remove duplicates", conversation).sql.startswith("SELECT DISTINCT name")
    assert [turn.question for turn in conversation.turns][-2] == "drop them all"


def test_the_sql_is_shown_while_it_is_written(folder: Path) -> None:
    seen: list[str] = []
    generator = Generator.load(folder)
    with Assistant(generator, options=DecodingConfig(num_beams=2, max_new_tokens=8)) as assistant:
        answer = assistant.ask(SHOP, HOW_MANY, on_sql=seen.append)
    assert len(seen) >= 1
    assert answer.abstained is not None or seen[-1] == answer.sql
    seen.clear()
    ask(folder, HOW_MANY, (COUNT, 0.9), on_sql=seen.append)
    assert seen == [COUNT]


def test_several_threads_ask_at_once(folder: Path) -> None:
    generator = Generator.load(folder)
    questions = [f"How many albums cost {price} euros?" for price in range(6)]
    with Assistant(generator, options=DecodingConfig(num_beams=2, max_new_tokens=6)) as assistant:
        alone = [assistant.ask(SHOP, question).sql for question in questions]
        found: dict[int, str] = {}
        threads = [
            threading.Thread(target=lambda n=n, q=q: found.update({n: assistant.ask(SHOP, q).sql}))
            for n, q in enumerate(questions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [found[n] for n in range(6)] == alone


# -- models -----------------------------------------------------------------------------------------------------------


def test_the_default_model_is_the_named_then_the_shipped_then_the_newest(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(checkpoints.MODEL_VARIABLE, raising=False)
    monkeypatch.setattr(checkpoints, "SHIPPED", Path("models/none"))
    with pytest.raises(UserError, match=r"train\.sh"):
        default_model()
    write_tiny_checkpoint(tmp_path / "outputs" / "checkpoints" / "run")
    assert default_model() == Path("outputs/checkpoints/run")
    write_tiny_checkpoint(tmp_path / "models" / "none")
    assert default_model() == Path("models/none")
    monkeypatch.setenv(checkpoints.MODEL_VARIABLE, str(folder))
    assert default_model() == folder
    monkeypatch.setenv(checkpoints.MODEL_VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(UserError, match="gone"):
        Assistant.from_pretrained()


@pytest.fixture(scope="module")
def real() -> Iterator[Assistant]:
    model = Path(os.environ.get(checkpoints.MODEL_VARIABLE) or ROOT / checkpoints.SHIPPED)
    if not (model / "model.safetensors").is_file():
        pytest.skip(f"there is no model at {checkpoints.SHIPPED}, and {checkpoints.MODEL_VARIABLE} names none")
    with Assistant.from_pretrained(model) as assistant:
        yield assistant


def test_the_shipped_model_answers_a_simple_question(real: Assistant) -> None:
    seen: list[str] = []
    answer = real.ask(SHOP, HOW_MANY, on_sql=seen.append)
    assert answer.result is not None
    assert answer.result.rows == sqlite3.connect(SHOP).execute(COUNT).fetchall()
    assert seen[-1] == answer.sql
    assert len(seen) > 1


def test_the_shipped_model_is_followed_up(real: Assistant) -> None:
    conversation = Conversation()
    real.ask(SHOP, HOW_MANY, conversation)
    answer = real.ask(SHOP, "only those after 2015", conversation)
    expected = "SELECT COUNT(*) FROM albums WHERE release_date >= '2016-01-01'"
    assert answer.result is not None
    assert answer.result.rows == sqlite3.connect(SHOP).execute(expected).fetchall()
