"""The server and a PostgreSQL that refuses, dies and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from postgres_server import PASSWORD, PostgresServer, postgres_server
from serving import COUNT, served, wait_until
from text2sql.server.settings import Settings

__all__ = ["postgres_server"]
SCRIPT = """
CREATE TABLE artists (artist_id integer PRIMARY KEY, name text NOT NULL, fee numeric(8, 2), since date);
COMMENT ON TABLE artists IS 'who plays';
INSERT INTO artists VALUES (1, 'Ada', 10.50, '2001-02-03'), (2, 'Bo', NULL, NULL), (3, 'Cy', 7, '1999-12-31');
CREATE TABLE albums (album_id integer PRIMARY KEY, artist_id integer REFERENCES artists (artist_id));
"""


@pytest.fixture(scope="module")
def client(postgres_server: PostgresServer) -> Iterator[httpx.Client]:
    url = postgres_server.make_database("web_shop", SCRIPT)
    with served(Settings(databases=(url,), time_limit=20.0)) as found:
        yield found


def test_questions_values_and_schema(client: httpx.Client) -> None:
    assert client.post("/ask", json={"question": COUNT}).json()["result"]["rows"] == [[3]]
    answer = client.post("/run", json={"sql": "SELECT * FROM artists ORDER BY 1"}).json()
    assert answer["result"]["rows"] == [
        [1, "Ada", 10.5, "2001-02-03"],
        [2, "Bo", None, None],
        [3, "Cy", 7, "1999-12-31"],
    ]
    tables = {table["name"]: table for table in client.get("/schema").json()["tables"]}
    assert tables["artists"]["comment"] == "who plays"
    assert tables["albums"]["columns"][1]["references"] == "artists.artist_id"


def test_the_password_is_shown_nowhere(client: httpx.Client, postgres_server: PostgresServer) -> None:
    listed = client.get("/databases").json()["databases"][0]
    assert listed["dialect"] == "postgres"
    assert listed["warnings"]  # the superuser may write
    told = client.get("/databases").text + client.get("/schema").text
    for user, password in (("postgres", "wr0ng-secret"), ("nobody", "wr0ng-secret")):
        refused = client.post("/databases", json={"url": postgres_server.url("web_shop", user, password)})
        assert refused.status_code == 409
        assert user in refused.json()["detail"] or "password" in refused.json()["detail"]
        told += refused.text
    assert "wr0ng-secret" not in told
    assert PASSWORD not in told
    assert "s3cret" not in told


def test_a_client_that_leaves_ends_its_query_on_the_server(
    client: httpx.Client, postgres_server: PostgresServer
) -> None:
    sql = "SELECT count(*) FROM artists AS a" + "".join(f", artists AS a{n}" for n in range(18))
    running = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE state = 'active' AND query LIKE '%artists AS a17%' AND pid <> pg_backend_pid()"
    )
    with pytest.raises(httpx.ReadTimeout):
        client.post("/run", json={"sql": sql}, timeout=1.0)
    wait_until(lambda: postgres_server.execute(running)[0][0] == 0)
    wait_until(lambda: client.get("/health").json()["waiting"] == 0)


def test_a_server_that_dies_is_an_error_and_works_again_when_it_is_back(
    client: httpx.Client, postgres_server: PostgresServer
) -> None:
    assert client.post("/run", json={"sql": "SELECT 1"}).json()["error"] is None
    postgres_server.stop()
    try:
        for _ in range(2):
            answer = client.post("/run", json={"sql": "SELECT count(*) FROM artists"})
            assert answer.status_code == 200
            assert answer.json()["error"]
            asked = client.post("/ask", json={"question": COUNT})
            assert asked.json().get("error") or asked.json().get("detail")
        assert client.get("/health").status_code == 200
    finally:
        postgres_server.start()
    answer = client.post("/run", json={"sql": "SELECT count(*) FROM artists"}).json()
    assert answer["error"] is None, answer["error"]
    assert client.post("/ask", json={"question": COUNT}).json()["result"]["rows"] == [[3]]
