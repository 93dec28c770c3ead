"""Uploads: CSV files become tables, and files of strangers are read or refused, never obeyed."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path

import pytest

from text2sql.database import connect
from text2sql.database.uploads import check_sqlite, detect, import_csv, unique_names
from text2sql.errors import UserError
from text2sql.schema import quote_identifier

HOSTILE_VIEWS = {
    "extension": "CREATE VIEW v AS SELECT load_extension('/tmp/evil.so') AS a",
    "file": "CREATE VIEW v AS SELECT writefile('evil', 'x') AS a",
    "endless": "CREATE VIEW v AS WITH RECURSIVE r(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r) SELECT sum(a) FROM r",
    "memory": "CREATE VIEW v AS SELECT randomblob(1000000000) AS a",
    "pragma": "CREATE VIEW v AS SELECT * FROM pragma_database_list",
    "itself": "CREATE VIEW v AS SELECT * FROM v",
}


def imported(
    tmp_path: Path, content: str | bytes, name: str = "my data.csv"
) -> tuple[list[tuple[str, str]], list[tuple]]:
    """Columns with their declared types, and rows, of one CSV file."""
    file, target = tmp_path / name, tmp_path / "out.sqlite"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    import_csv([file], target)
    connection = sqlite3.connect(target)
    (table,) = connection.execute("SELECT name FROM sqlite_master").fetchone()
    assert table == Path(name).stem
    source = quote_identifier(table)
    columns = [(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({source})")]
    rows = connection.execute(f"SELECT * FROM {source} ORDER BY rowid").fetchall()
    connection.close()
    return columns, rows


def test_types_are_those_of_all_values(tmp_path: Path) -> None:
    columns, rows = imported(
        tmp_path,
        "id,price,day,zip,note,mixed,big,empty\n"
        "1,3.5,2020-02-29,01234,hi,1,12345678901234567890,\n"
        "-2,,2020-02-29 12:30:00,99999,,x,1,\n"
        "+3,1e3,,00001,4,2020-01-01,2,\n",
    )
    assert [kind for _, kind in columns] == ["INTEGER", "REAL", "DATE", "TEXT", "TEXT", "TEXT", "TEXT", "TEXT"]
    assert rows[0] == (1, 3.5, "2020-02-29", "01234", "hi", "1", "12345678901234567890", None)
    assert rows[1] == (-2, None, "2020-02-29 12:30:00", "99999", None, "x", "1", None)
    assert rows[2] == (3, 1000.0, None, "00001", "4", "2020-01-01", "2", None)


def test_the_result_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "City.csv").write_text("name;people\nBern;130000\nOslo;700000\n")
    (tmp_path / "river.csv").write_text("name\tlength\nAare\t288\n")
    import_csv([tmp_path / "City.csv", tmp_path / "river.csv"], tmp_path / "out.sqlite")
    check_sqlite(tmp_path / "out.sqlite")
    with connect(str(tmp_path / "out.sqlite")) as database:
        assert [table.name for table in database.schema.tables] == ["City", "river"]
        assert [column.type for column in database.schema.tables[0].columns] == ["text", "number"]
        assert database.run("SELECT max(people) FROM city").rows == [(700000,)]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b\n1,2\n", [(1, 2)]),
        ("a;b\r\n1;2\r\n", [(1, 2)]),
        ("a\tb\n1\t2\n", [(1, 2)]),
        ("a|b\n1|2\n", [(1, 2)]),
        ("a,b\r1,2\r", [(1, 2)]),
        ("\ufeffa,b\n1,2", [(1, 2)]),
        ("a,b\n\n1,2\n\n\n", [(1, 2)]),
        ("\ufeffa,b\n1,ü\n".encode("utf-16"), [(1, "ü")]),
        ("a,b\n1,Zürich\n".encode(), [(1, "Zürich")]),
        ("a,b\n1,Zürich €\n".encode("cp1252"), [(1, "Zürich €")]),
        ('a,b\n1,"two\nlines, and ""quotes"""\n', [(1, 'two\nlines, and "quotes"')]),
        ('a;b\n"1,5";"x, y"\n"2,5";"z, w"\n', [("1,5", "x, y"), ("2,5", "z, w")]),
        ("a\nx\ny\n", [("x",), ("y",)]),
        ("a,b\n", []),
    ],
)
def test_encodings_delimiters_and_quotes(tmp_path: Path, content: str | bytes, rows: list[tuple]) -> None:
    columns, found = imported(tmp_path, content)
    assert [name for name, _ in columns] == ["a", "b"][: len(columns)]
    assert found == rows


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("name,age\nAna,5\n", True),
        ("Ana,5\nBo,6\n", False),
        ("1,2\n3,4\n", False),
        ("2020-01-01,x\n2020-01-02,y\n", False),
        ("name,city\nAna,Bern\nBo,Oslo\n", True),
        ("Ana,Bern\nAna,Oslo\n", False),
        ("name,name\nAna,5\n", True),
    ],
)
def test_a_header_is_told_from_a_row(tmp_path: Path, content: str, header: bool) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert detect(tmp_path / "a.csv").header is header
    _, rows = imported(tmp_path, content)
    assert len(rows) == content.count("\n") - header


def test_strange_names_become_safe_and_unique(tmp_path: Path) -> None:
    long = "x" * 100
    names = ["a", "A", "", 'q"; DROP TABLE t; --', "tab\there", "sqlite_x", long, long, "  b  ", "a 2", "\x1b[31m"]
    assert unique_names(names, "column") == [
        "a", "A 2", "column 3", 'q"; DROP TABLE t; --', "tab here", "column sqlite_x", "x" * 60, "x" * 60 + " 2",
        "b", "a 2 2", "[31m",
    ]  # fmt: skip
    columns, rows = imported(tmp_path, 'id,"q""; DROP TABLE t; --",,ID\n1,2,3,4\n', 'x"; DROP TABLE y; --.csv')
    assert [name for name, _ in columns] == ["id", 'q"; DROP TABLE t; --', "column 3", "ID 2"]
    assert rows == [(1, 2, 3, 4)]


def test_files_of_one_name_become_different_tables(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text("a\nx\n")
    import_csv([tmp_path / "one" / "data.csv", tmp_path / "two" / "data.csv"], tmp_path / "out.sqlite")
    with connect(str(tmp_path / "out.sqlite")) as database:
        assert [table.name for table in database.schema.tables] == ["data", "data 2"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 fields, expected 2"),
        (b'a,b\n"x\ny",2\n1\n', "line 4: 1 fields, expected 2"),
        (b'a,b\n1,"open\n', "line 2: .*quotes"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", "line 2: .*field larger"),
        (b'a,b\n1,"' + b"x\n" * 200_000, "line 2: .*field larger"),
        (bytes(range(256)) * 50, "is no text"),
        (b"\x7fELF\x02\x01\x01" + b"\x00" * 100, "is no text"),
        (b"PK\x03\x04" + b"\x00\x01" * 100, "is no text"),
        (b"SQLite format 3\x00" + b"\x00" * 100, "is no text"),
        ((",".join(f"c{n}" for n in range(5000)) + "\n").encode() * 3, "5,000 columns, at most 500"),
        (b"," * 1_000_000 + b"\n", "1,000,001 columns"),
    ],
)
def test_what_is_no_table_is_refused_with_file_and_line(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(UserError, match=f"bad.csv.*{reason}"):
        import_csv([tmp_path / "bad.csv"], tmp_path / "out.sqlite")
    assert os.listdir(tmp_path) == ["bad.csv"]


def test_limits_and_wrong_uses(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n" * 1000)
    with pytest.raises(UserError, match=r"a\.csv: 0 MB, at most 0 MB"):
        import_csv([tmp_path / "a.csv"], tmp_path / "out.sqlite", file_limit=100)
    with pytest.raises(UserError, match="2 columns, at most 1"):
        import_csv([tmp_path / "a.csv"], tmp_path / "out.sqlite", column_limit=1)
    with pytest.raises(UserError, match="cannot be read"):
        import_csv([tmp_path / "missing.csv"], tmp_path / "out.sqlite")
    with pytest.raises(UserError, match="at least one"):
        import_csv([], tmp_path / "out.sqlite")
    with pytest.raises(UserError, match="exists"):
        import_csv([tmp_path / "a.csv"], tmp_path / "a.csv")
    with pytest.raises(UserError, match="cannot be written"):
        import_csv([tmp_path / "a.csv"], tmp_path / "no" / "out.sqlite")


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    lines = [f"{n},name {n},{n / 7},2020-01-{1 + n % 28:02d},{'x' if n == 99_999 else n}" for n in range(100_000)]
    (tmp_path / "many.csv").write_text("id,name,share,day,late\n" + "\n".join(lines))
    start = time.perf_counter()
    import_csv([tmp_path / "many.csv"], tmp_path / "out.sqlite")
    assert time.perf_counter() - start < 60
    with connect(str(tmp_path / "out.sqlite")) as database:
        counted = database.run("SELECT count(*), sum(id), typeof(late), typeof(share) FROM many")
        assert counted.rows == [(100_000, 4_999_950_000, "text", "real")]


def test_random_bytes_are_read_or_refused(tmp_path: Path) -> None:
    draw = random.Random(0)
    alphabet = [b'"', b",", b";", b"\n", b"\r", b"a", b"1", b"\t", b"\xff", b"\xc3\xa4", b"-", b".", b" ", b"\xfe"]
    for number in range(200):
        (tmp_path / "r.csv").write_bytes(b"".join(draw.choices(alphabet, k=draw.randint(0, 60))))
        target = tmp_path / f"{number}.sqlite"
        reason = ""
        try:
            import_csv([tmp_path / "r.csv"], target)
        except UserError as error:
            reason = str(error)
        assert target.exists() is not bool(reason)
        assert "\n" not in reason
        if not reason:
            check_sqlite(target)


def make(path: Path, script: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def test_a_sound_sqlite_file_passes(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE t (a TEXT UNIQUE, b INT CHECK (b > 0)); INSERT INTO t VALUES ('x', 1); CREATE INDEX i ON t (b);"
    )
    check_sqlite(make(tmp_path / "a.sqlite", script + "CREATE VIEW v AS SELECT a FROM t;"))
    check_sqlite(make(tmp_path / "wal.sqlite", "PRAGMA journal_mode = WAL;" + script))
    assert sorted(os.listdir(tmp_path)) == ["a.sqlite", "wal.sqlite"]


def test_what_is_no_sqlite_file_is_refused(tmp_path: Path) -> None:
    rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000)"
    sound = make(
        tmp_path / "a.sqlite", f"CREATE TABLE t (a); {rows} INSERT INTO t SELECT 'row ' || x FROM n"
    ).read_bytes()
    assert len(sound) > 50_000
    cases = {
        "empty": (b"", "no SQLite database"),
        "text": (b"a,b\n1,2\n", "no SQLite database"),
        "header only": (b"SQLite format 3\x00", "damaged|no tables"),
        "truncated": (sound[:30_000], "damaged"),
        "cut in a page": (sound[:1_000], "damaged"),
        "junk in the middle": (sound[:20_000] + b"\xff" * 20_000 + sound[40_000:], "damaged"),
        "junk schema": (sound[:100] + b"\xff" * 900 + sound[1000:], "damaged"),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=reason):
            check_sqlite(tmp_path / name)
    with pytest.raises(UserError, match="no tables"):
        check_sqlite(make(tmp_path / "none.sqlite", "CREATE TABLE t (a); DROP TABLE t;"))
    with pytest.raises(UserError, match="at most 0 MB"):
        check_sqlite(tmp_path / "a.sqlite", 1000)
    with pytest.raises(UserError, match="cannot be read"):
        check_sqlite(tmp_path / "missing.sqlite")
    with pytest.raises(UserError, match="takes longer than"):
        check_sqlite(tmp_path / "a.sqlite", seconds=0.0)


@pytest.mark.parametrize("name", HOSTILE_VIEWS)
def test_hostile_views_do_nothing(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "a.sqlite", f"CREATE TABLE t (a); {HOSTILE_VIEWS[name]}")
    before = path.read_bytes()
    check_sqlite(path)
    with connect(str(path)) as database:
        assert database.schema.table("t") is not None
        assert database.run("SELECT * FROM v", time_limit=0.5).error is not None
        assert database.row_count("t") == 0
    assert (os.listdir(tmp_path), path.read_bytes()) == (["a.sqlite"], before)


def test_triggers_never_run(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER g INSTEAD OF INSERT ON v BEGIN DELETE FROM t; SELECT load_extension('evil'); END;"
    path = make(
        tmp_path / "a.sqlite",
        f"CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT 1 AS a; {trigger}",
    )
    check_sqlite(path)
    with connect(str(path)) as database:
        assert "refused" in str(database.run("INSERT INTO v VALUES (2)").error)
        assert database.run("SELECT a FROM t").rows == [(1,)]


def test_virtual_tables_are_refused_even_in_disguise(tmp_path: Path) -> None:
    path = make(tmp_path / "a.sqlite", "CREATE TABLE t (a); CREATE VIRTUAL TABLE page USING fts5(title);")
    with pytest.raises(UserError, match="virtual table 'page'"):
        check_sqlite(path)
    make(
        path,
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 2, sql = 'CREATE /* x */ "
        "VIRTUAL TABLE page USING fts5(title)' WHERE name = 'page';",
    )
    with pytest.raises(UserError, match=r"virtual table 'page'|damaged"):
        check_sqlite(path)


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH ''evil.sqlite'' AS evil",
        "CREATE TABLE t (a CHECK (load_extension(''x'')))",
        "CREATE TABLE t (a, b AS (randomblob(1000000000)))",
        "CREATE TABLE t (a CHECK (length(hex(zeroblob(400000000)))))",
        "DROP TABLE u",
    ],
)
def test_statements_smuggled_into_the_schema_do_nothing(tmp_path: Path, sql: str) -> None:
    path = make(tmp_path / "a.sqlite", "CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE TABLE u (b);")
    make(path, f"PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = '{sql}' WHERE name = 't';")
    before, start = path.read_bytes(), time.perf_counter()
    reason = ""
    try:
        check_sqlite(path)
    except UserError as error:
        reason = str(error)
    assert not reason or "damaged" in reason
    if not reason:
        with connect(str(path)) as database:
            assert database.run("SELECT * FROM u").error is None
            assert database.run("SELECT * FROM t", time_limit=2.0).error != ""
    assert time.perf_counter() - start < 20
    assert (os.listdir(tmp_path), path.read_bytes()) == (["a.sqlite"], before)
