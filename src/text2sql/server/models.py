"""Bodies of requests and responses, as pydantic checks and documents them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from text2sql.server.settings import LARGEST_ROW_LIMIT, QUESTION_CHARACTERS, SQL_CHARACTERS

Question = Annotated[str, Field(min_length=1, max_length=QUESTION_CHARACTERS, pattern=r"\S")]
Sql = Annotated[str, Field(min_length=1, max_length=SQL_CHARACTERS)]
DatabaseId = Annotated[str | None, Field(max_length=100, description="id of a database; null: the default one")]
RowLimit = Annotated[int | None, Field(ge=1, le=LARGEST_ROW_LIMIT, description="most rows of the result")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AskRequest(_Body):
    """A question; with `conversation`, the id that an earlier answer gave, it may refer to what was asked before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": "How many artists are there?"}]})

    question: Question
    database: DatabaseId = None
    conversation: Annotated[str | None, Field(max_length=100)] = None
    row_limit: RowLimit = None
    stream: Annotated[bool, Field(description="answer with server-sent events: sql, answer, error")] = False


class RunRequest(_Body):
    """SQL in the dialect of the database."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sql": "SELECT 1", "row_limit": 10}]})

    sql: Sql
    database: DatabaseId = None
    row_limit: RowLimit = None


class ExplainRequest(_Body):
    """SQL to be put into words."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sql": "SELECT 1"}]})

    sql: Sql
    database: DatabaseId = None


class ExportRequest(_Body):
    """SQL whose rows become a file."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sql": "SELECT 1", "format": "csv"}]})

    sql: Sql
    database: DatabaseId = None
    format: Literal["csv", "json", "markdown"]


class ConnectRequest(_Body):
    """A database to open: `sqlite:///path`, a path, `postgresql://user:password@host/name`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"url": "examples/music_shop.sqlite"}]})

    url: Annotated[str, Field(min_length=1, max_length=2_000)]


class ErrorJSON(BaseModel):
    """What was wrong, in one line."""

    detail: str


class HealthJSON(BaseModel):
    """`waiting` counts the requests that are being worked on or wait."""

    status: Literal["ok"]
    model: str
    version: str
    waiting: int


class DatabaseJSON(BaseModel):
    """An open database; `url` has no password."""

    id: str
    name: str
    dialect: str
    url: str
    warnings: list[str]


class DatabasesJSON(BaseModel):
    """The open databases, the default first."""

    databases: list[DatabaseJSON]


class ColumnJSON(BaseModel):
    """`references` is `table.column` of a foreign key."""

    name: str
    type: str
    primary_key: bool
    comment: str
    references: str | None


class TableJSON(BaseModel):
    """A table or view; `rows` is null where the number is not known quickly."""

    name: str
    comment: str
    rows: int | None
    columns: list[ColumnJSON]


class SchemaJSON(BaseModel):
    """The tables of a database."""

    database: str
    name: str
    dialect: str
    tables: list[TableJSON]


class ChartJSON(BaseModel):
    """A chart that suits the rows: numbers of columns."""

    kind: Literal["bar", "line", "scatter"]
    x: int
    y: list[int]


class ResultJSON(BaseModel):
    """Rows of a query. Dates are ISO text, blobs `0x...`; infinities and NaN are text."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    seconds: float
    error: str | None
    chart: ChartJSON | None


class AlternativeJSON(BaseModel):
    """Another reading of the question."""

    sql: str
    confidence: float


class LinkJSON(BaseModel):
    """What some words of the question were linked to."""

    kind: Literal["table", "column", "cell"]
    table: str
    column: str | None
    value: str | None
    words: str


class AnswerJSON(BaseModel):
    """An answer; `sql` is empty when the question was not answered, and `abstained` says why."""

    question: str
    rewritten: str | None
    sql: str
    result: ResultJSON | None
    sentence: str
    confidence: float
    sure: bool
    alternatives: list[AlternativeJSON]
    links: list[LinkJSON]
    abstained: str | None
    error: str | None
    seconds: float
    conversation: str | None


class TextJSON(BaseModel):
    """A text."""

    text: str
