"""The JSON API of a running server: databases, schema, questions, streams, SQL, files."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving import CLINIC, COUNT, JAPAN, MUSIC, SCRIPT, served
from text2sql.server import models
from text2sql.server.settings import Settings


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served(Settings(databases=(str(MUSIC), str(CLINIC)))) as found:
        yield found


def events(text: str) -> list[tuple[str, dict]]:
    """(event, data) of a text/event-stream."""
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)
    return [(name, json.loads(data)) for name, data in found]


def rows_of(path: Path, sql: str) -> list[list]:
    with sqlite3.connect(path) as connection:
        return [list(row) for row in connection.execute(sql)]


def test_health_says_what_runs(client: httpx.Client) -> None:
    health = models.HealthJSON.model_validate(client.get("/health").json())
    assert (health.status, health.model, health.waiting) == ("ok", "tiny", 0)


def test_databases_are_listed_default_first(client: httpx.Client) -> None:
    found = models.DatabasesJSON.model_validate(client.get("/databases").json()).databases
    assert [(d.id, d.dialect) for d in found[:2]] == [("music_shop", "sqlite"), ("clinic", "sqlite")]


def test_the_schema_has_tables_keys_types_and_counts(client: httpx.Client) -> None:
    schema = models.SchemaJSON.model_validate(client.get("/schema").json())
    assert schema.database == "music_shop"
    tables = {table.name: table for table in schema.tables}
    columns = {column.name: column for column in tables["albums"].columns}
    assert tables["artists"].rows == rows_of(MUSIC, "SELECT count(*) FROM artists")[0][0]
    assert columns["album_id"].primary_key
    assert not columns["title"].primary_key
    assert columns["artist_id"].references == "artists.artist_id"
    assert (columns["price"].type, columns["release_date"].type) == ("number", "time")
    other = models.SchemaJSON.model_validate(client.get("/schema", params={"database": "clinic"}).json())
    assert other.tables[0].name not in tables


def test_a_question_is_answered(client: httpx.Client) -> None:
    answer = models.AnswerJSON.model_validate(client.post("/ask", json={"question": JAPAN}).json())
    assert answer.question == JAPAN
    assert answer.sql.lower() == SCRIPT[JAPAN].lower()
    assert answer.result is not None
    assert answer.result.rows == rows_of(MUSIC, SCRIPT[JAPAN])
    assert str(answer.result.rows[0][0]) in answer.sentence
    assert answer.sure
    assert answer.confidence > 0.5
    assert [other.sql for other in answer.alternatives] == ["SELECT 1"]
    assert ("cell", "Japan") in {(link.kind, link.value) for link in answer.links}
    assert answer.conversation


def test_the_database_of_a_question_can_be_chosen(client: httpx.Client) -> None:
    answer = client.post("/ask", json={"question": JAPAN, "database": "clinic"}).json()
    assert "clinic" in answer["abstained"]  # which has no artists
    patients = {"sql": "SELECT count(*) FROM patient", "database": "clinic"}
    assert client.post("/run", json=patients).json()["result"]["rows"] == rows_of(CLINIC, patients["sql"])
    refused = client.post("/ask", json={"question": JAPAN, "database": "nowhere"})
    assert refused.status_code == 404
    assert "nowhere" not in refused.json()["detail"]


def test_a_question_is_streamed(client: httpx.Client) -> None:
    response = client.post("/ask", json={"question": JAPAN, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response.text)
    texts = [data["text"] for name, data in found if name == "sql"]
    assert len(texts) > 1
    assert texts[-1].lower() == SCRIPT[JAPAN].lower()
    assert [name for name, _ in found[len(texts) :]] == ["answer"]
    assert models.AnswerJSON.model_validate(found[-1][1]).result is not None


def test_a_stream_that_fails_ends_with_an_error(client: httpx.Client) -> None:
    response = client.post("/ask", json={"question": "zyx " * 499 + "?", "stream": True})
    name, data = events(response.text)[-1]
    assert name in ("error", "answer")
    assert data.get("detail") or data.get("abstained") or data.get("error")


def test_a_conversation_goes_on_and_belongs_to_its_database(client: httpx.Client) -> None:
    first = client.post("/ask", json={"question": COUNT}).json()
    second = client.post("/ask", json={"question": JAPAN, "conversation": first["conversation"]}).json()
    assert second["conversation"] == first["conversation"]
    other = {"question": COUNT, "conversation": first["conversation"], "database": "clinic"}
    assert client.post("/ask", json=other).status_code == 409
    unknown = client.post("/ask", json={"question": COUNT, "conversation": "made-up"})
    assert unknown.status_code == 404
    assert "begin a new one" in unknown.json()["detail"]


def test_sql_is_run_within_the_row_limit(client: httpx.Client) -> None:
    sql = "SELECT title, price FROM albums ORDER BY album_id"
    answer = client.post("/run", json={"sql": sql, "row_limit": 3}).json()
    result = models.AnswerJSON.model_validate(answer).result
    assert result is not None
    assert result.truncated
    assert result.rows == rows_of(MUSIC, sql)[:3]
    assert (answer["question"], answer["confidence"], answer["alternatives"]) == ("", 1.0, [])


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM artists", "SELECT 1; DROP TABLE artists", "PRAGMA table_info(artists)", "selec", "SELECT * FROM x"],
)
def test_sql_that_may_not_or_cannot_run_is_an_answer_with_an_error(client: httpx.Client, sql: str) -> None:
    response = client.post("/run", json={"sql": sql})
    assert response.status_code == 200
    assert response.json()["error"] == response.json()["result"]["error"]
    assert response.json()["error"]
    assert rows_of(MUSIC, "SELECT count(*) FROM artists")[0][0] > 0


def test_values_arrive_as_documented(client: httpx.Client) -> None:
    sql = "SELECT NULL, 9007199254740993, 0.5, 9e999, x'00ff', zeroblob(100), 'ä\n' || char(0) || '\"', ''"
    row = client.post("/run", json={"sql": sql}).json()["result"]["rows"][0]
    assert row == [None, 9007199254740993, 0.5, "Infinity", "0x00ff", f"0x{'00' * 64}… (100 bytes)", 'ä\n\0"', ""]


def test_a_chart_is_suggested_for_groups(client: httpx.Client) -> None:
    sql = "SELECT genre, count(*) AS albums FROM albums GROUP BY genre"
    chart = client.post("/run", json={"sql": sql}).json()["result"]["chart"]
    assert (chart["kind"], chart["x"], chart["y"]) == ("bar", 0, [1])
    assert client.post("/run", json={"sql": "SELECT 1"}).json()["result"]["chart"] is None


def test_sql_is_explained(client: httpx.Client) -> None:
    text = client.post("/explain", json={"sql": SCRIPT[JAPAN]}).json()["text"]
    assert "Japan" in text
    broken = client.post("/explain", json={"sql": "selec nothing ((("})
    assert broken.status_code in (200, 400)
    deep = client.post("/explain", json={"sql": "SELECT " + "(" * 5000 + "1" + ")" * 5000})
    assert deep.status_code in (200, 400)


def test_rows_become_files(client: httpx.Client) -> None:
    sql = "SELECT name, country, website FROM artists ORDER BY artist_id"
    wanted = rows_of(MUSIC, sql)
    response = client.post("/export", json={"sql": sql, "format": "csv"})
    assert response.headers["content-type"].startswith("text/csv")
    assert 'filename="result.csv"' in response.headers["content-disposition"]
    assert response.headers["x-truncated"] == "false"
    lines = list(csv.reader(io.StringIO(response.content.decode(), newline="")))
    assert lines == [["name", "country", "website"], *[["" if v is None else v for v in row] for row in wanted]]
    found = client.post("/export", json={"sql": sql, "format": "json"}).json()
    assert found == [dict(zip(lines[0], row, strict=True)) for row in wanted]
    table = client.post("/export", json={"sql": "SELECT 'a|b' AS x, '<' AS y", "format": "markdown"}).text
    assert table.splitlines() == ["| x | y |", "| --- | --- |", "| a\\|b | \\< |"]
    failed = client.post("/export", json={"sql": "SELECT x FROM artists", "format": "csv"})
    assert failed.status_code == 400
    assert "no such column" in failed.json()["detail"]


def test_a_database_is_opened_and_closed(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "my shop.sqlite"
    path.write_bytes(MUSIC.read_bytes())
    created = client.post("/databases", json={"url": str(path)})
    assert created.status_code == 201
    entry = models.DatabaseJSON.model_validate(created.json())
    assert entry.id == "my_shop"
    assert client.post("/databases", json={"url": f"sqlite:///{path}"}).json()["id"] == "my_shop-2"
    assert client.post("/ask", json={"question": COUNT, "database": entry.id}).json()["result"]["rows"]
    for identifier in (entry.id, "my_shop-2"):
        assert client.delete(f"/databases/{identifier}").status_code == 204
    assert client.delete(f"/databases/{entry.id}").status_code == 404
    assert client.delete("/databases/music_shop").status_code == 409
    assert client.get("/schema", params={"database": entry.id}).status_code == 404


def test_a_duckdb_file_is_opened_and_only_read(client: httpx.Client, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed: pip install text2sql[db]")
    pytest.importorskip("duckdb_engine", reason="duckdb_engine is not installed: pip install text2sql[db]")
    path = tmp_path / "pets.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE pets (name VARCHAR, age INTEGER)")
        connection.execute("INSERT INTO pets VALUES ('Rex', 3), ('Tom', 5)")
    entry = client.post("/databases", json={"url": f"duckdb:///{path}"}).json()
    assert (entry["id"], entry["dialect"]) == ("pets", "duckdb")
    rows = client.post("/run", json={"sql": "SELECT name FROM pets ORDER BY age", "database": "pets"}).json()
    assert rows["result"]["rows"] == [["Rex"], ["Tom"]]
    for sql in ("DROP TABLE pets", f"COPY pets TO '{tmp_path}/evil'", "SELECT * FROM read_text('/etc/passwd')"):
        assert client.post("/run", json={"sql": sql, "database": "pets"}).json()["error"]
    assert client.delete("/databases/pets").status_code == 204
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/nowhere/x.sqlite", 409),
        ("http://localhost/x", 403),
        ("file:///etc/passwd", 403),
        ("/etc/passwd", 409),
        (f"sqlite+pysqlite:///{MUSIC}", 403),
        ("duckdb:////etc/passwd", 409),
        ("duckdb:///:memory:", 409),
    ],
)
def test_what_is_no_database_is_refused_in_words(client: httpx.Client, url: str, status: int) -> None:
    refused = client.post("/databases", json={"url": url})
    assert refused.status_code == status
    assert "\n" not in refused.json()["detail"]


def test_csv_files_become_a_database_that_goes_away(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files = [
        ("files", ("../../pets.csv", b"name,kind,age\nRex,dog,3\nTom,cat,5\n")),
        ("files", ("kinds.csv", b"kind,legs\ndog,4\ncat,4\n")),
    ]
    created = client.post("/uploads", files=files)
    assert created.status_code == 201, created.text
    entry = created.json()
    assert entry["url"] == f"upload:{entry['id']}"
    folder = client.app.state.service.databases.get(entry["id"]).folder  # type: ignore[attr-defined]
    assert [path.suffix for path in folder.iterdir()] == [".sqlite"]
    answer = client.post("/run", json={"sql": "SELECT sum(age) FROM pets", "database": entry["id"]}).json()
    assert answer["result"]["rows"] == [[8]]
    asked = client.post("/ask", json={"question": "How old is Rex?", "database": entry["id"]}).json()
    assert ("cell", "Rex") in {(link["kind"], link["value"]) for link in asked["links"]}
    assert not list(tmp_path.rglob("*.json"))  # the index of the values stays in memory
    assert client.delete(f"/databases/{entry['id']}").status_code == 204
    assert not folder.exists()


def test_a_sqlite_file_becomes_a_database(client: httpx.Client) -> None:
    created = client.post("/uploads", files={"files": ("clinic.db", CLINIC.read_bytes())}).json()
    names = [t["name"] for t in client.get("/schema", params={"database": created["id"]}).json()["tables"]]
    assert names == [t["name"] for t in client.get("/schema", params={"database": "clinic"}).json()["tables"]]
    client.delete(f"/databases/{created['id']}")


@pytest.mark.parametrize(
    "files",
    [
        [("files", ("broken.sqlite", b"SQLite format 3\x00" + b"\xff" * 5000))],
        [("files", ("program.exe", b"MZ\x00\x00"))],
        [("files", ("a.csv", b"x\n1\n")), ("files", ("a.csv", b"x\n1\n"))],
        [("files", ("empty.csv", b""))],
    ],
)
def test_files_that_make_no_database_are_refused_in_words(client: httpx.Client, files: list) -> None:
    before = client.get("/databases").json()
    refused = client.post("/uploads", files=files)
    assert refused.status_code == 409, refused.text
    assert "/tmp" not in refused.json()["detail"]
    assert client.get("/databases").json() == before
    root = client.app.state.service.databases._folder  # type: ignore[attr-defined]
    assert list(root.iterdir()) == []
