"""What a query may use on PostgreSQL: allow-lists of functions and types, no system catalogs, plain text only.

A read-only transaction stops writes to tables, but not `pg_sleep`, `pg_read_file`, `lo_export`, `dblink`,
`set_config` or a function that somebody has defined; so functions are refused unless they are named here. The lists
hold functions of pg_catalog that neither change nor reveal anything outside of the query and whose results are not
much larger than their arguments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.parsers.postgres import PostgresParser

from text2sql.database.statement_growth import grows_too_large

MAX_DEPTH = 100
"""Deepest nesting of parentheses and brackets."""
MAX_TYPE_LENGTH = 10_000
"""Largest length in a type: char(n) pads every value to n characters."""
MAX_PADDING = 1_000
"""Largest length for lpad and rpad, which must be written as a number."""

MAX_CONCATENATIONS = 40
MAX_REPEATED = 4
MAX_CALLS = 200
"""Most `||`, uses of one column in them, and function calls: the server keeps each one's result until a row is done."""

_FUNCTION_NAMES = """
    abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh cbrt ceil ceiling cos cosd cosh cot cotd
    degrees div exp factorial floor gcd lcm ln log log10 min_scale mod pi power radians random round scale sign sin
    sind sinh sqrt tan tand tanh trim_scale trunc width_bucket

    ascii bit_length btrim char_length character_length chr concat concat_ws convert_from convert_to decode encode
    initcap left length lower lpad ltrim md5 normalize octet_length quote_ident quote_literal quote_nullable
    regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr replace reverse right rpad rtrim sha224 sha256 sha384 sha512 split_part
    starts_with string_to_array string_to_table strpos substr substring to_hex translate upper

    age clock_timestamp date date_bin date_part date_trunc isfinite justify_days justify_hours justify_interval
    make_date make_interval make_time make_timestamp make_timestamptz now statement_timestamp timeofday timezone
    to_char to_date to_number to_timestamp transaction_timestamp

    coalesce greatest least nullif row grouping any all some array exists num_nulls num_nonnulls

    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist
    dense_rank every first_value json_agg json_object_agg jsonb_agg jsonb_object_agg lag last_value lead max min mode
    nth_value ntile percent_rank percentile_cont percentile_disc rank regr_avgx regr_avgy regr_count regr_intercept
    regr_r2 regr_slope regr_sxx regr_sxy regr_syy row_number stddev stddev_pop stddev_samp string_agg sum var_pop
    var_samp variance

    array_append array_cat array_dims array_length array_lower array_ndims array_position array_positions
    array_prepend array_remove array_replace array_to_string array_upper cardinality unnest

    json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_extract_path json_extract_path_text json_object json_object_keys json_strip_nulls json_typeof
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
    jsonb_each_text jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_object jsonb_object_keys
    jsonb_strip_nulls jsonb_typeof row_to_json to_json to_jsonb

    phraseto_tsquery plainto_tsquery to_tsquery to_tsvector ts_rank ts_rank_cd websearch_to_tsquery
    family host masklen isempty lower_inc lower_inf upper_inc upper_inf range_merge daterange int4range int8range
    numrange tsrange tstzrange
"""
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""Names of functions that a query may call, in lower case."""

_TYPE_NAMES = """
    ARRAY BIGINT BIT BOOLEAN CHAR BPCHAR DATE DATE32 DECIMAL DOUBLE FLOAT INET INT INTERVAL JSON JSONB MONEY NAME NCHAR
    NVARCHAR REAL SMALLINT TEXT TIME TIMESTAMP TIMESTAMPTZ TIMETZ UUID VARBINARY VARCHAR
    DATERANGE INT4RANGE INT8RANGE NUMRANGE TSRANGE TSTZRANGE
"""
_TYPES = frozenset(_TYPE_NAMES.split())

_CONSTRUCT_NAMES = """
    All And Any Array ArrayContainedBy ArrayContainsAll ArrayOverlaps Case Cast Collate CurrentCatalog CurrentDate
    CurrentSchema CurrentTime CurrentTimestamp CurrentUser Exists Extract If JSONBContains JSONBContainsAllTopKeys
    JSONBContainsAnyTopKeys JSONBExtract JSONBExtractScalar JSONExtract JSONExtractScalar Localtime Localtimestamp
    MatchAgainst Or Overlay Pow RegexpILike RegexpLike SessionUser StrPosition Substring Trim Unnest Xor
"""
_CONSTRUCTS = frozenset(_CONSTRUCT_NAMES.split())
"""Syntax of its own that sqlglot calls a function: CASE, CAST, EXTRACT, operators."""

_SPECIAL_SYNTAX = frozenset({"CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM"})


class CheckedPostgres(Postgres):
    """PostgreSQL as sqlglot reads it, but every call keeps the name that was written: sqlglot knows no function."""

    class Parser(PostgresParser):
        """The parser without functions of its own; what has a syntax of its own is still parsed."""

        FUNCTIONS: ClassVar[dict[str, Callable]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable]] = {
            name: parser for name, parser in PostgresParser.FUNCTION_PARSERS.items() if name in _SPECIAL_SYNTAX
        }


_PIECE = re.compile(
    r"""(?P<string>[A-Za-z&]*'(?:[^']|'')*')
    | (?P<name>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<comment>--[^\r\n]* | /\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)
    | (?P<unclosed>['"]|/\*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<space>[\ \t\r\n\f\v]+)
    | (?P<open>[(\[]) | (?P<close>[)\]])
    | (?P<sign>[-+*/<>=~!@\#%^&|`?:;,.{}])
    | (?P<letter>[^\W\d_])
    """,
    re.VERBOSE,
)
"""The lexical rules of PostgreSQL (its manual, section 4.1), without the forms that `check_text` refuses."""


def check_text(sql: str) -> str | None:
    """Why a text is not plain SQL, or None.

    Two parsers will read it, sqlglot and the server: forms that they could read differently hide what is run, so
    escape strings, dollar quotes, nested comments and characters outside of SQL are refused.
    """
    position = depth = 0
    while position < len(sql):
        piece = _PIECE.match(sql, position)
        if piece is None:
            return f"character {sql[position]!a} outside of quotes"
        reason = _odd(piece)
        depth += (piece.lastgroup == "open") - (piece.lastgroup == "close")
        if reason or depth > MAX_DEPTH:
            return reason or "nested too deeply"
        position = piece.end()
    return "a NUL or half a character" if re.search("[\0\ud800-\udfff]", sql) else None


def _odd(piece: re.Match[str]) -> str | None:
    text = piece.group()
    if piece.lastgroup == "unclosed":
        return "nested or unclosed comment" if text == "/*" else "unclosed quotes"
    prefix = text.partition("'" if piece.lastgroup == "string" else '"')[0].lower()
    if piece.lastgroup in ("string", "name") and (prefix == "e" or prefix.endswith("u&")):
        return f"escape string {prefix.upper()}'...'"
    return None


def plain_text(sql: str) -> str:
    """A text that `check_text` let pass, with a blank for each comment and without semicolons at its end."""
    pieces = []
    position = 0
    while piece := _PIECE.match(sql, position):
        pieces.append(" " if piece.lastgroup == "comment" else piece.group())
        position = piece.end()
    return "".join(pieces).rstrip(" \t\r\n\f\v;")


def check_tree(root: exp.Expr, row_functions: frozenset[str] = frozenset()) -> str | None:
    """What in a query is not on the lists, in a few words, or None.

    `row_functions` are functions that take a row of a table: PostgreSQL calls them for `table.function` too.
    """
    for node in root.walk():
        reason = _check_node(node, row_functions)
        if reason:
            return reason
    joined = list(root.find_all(exp.DPipe))
    columns = Counter(
        side.name.lower() for node in joined for side in node.iter_expressions() if isinstance(side, exp.Column)
    )
    repeated = max(columns.values(), default=0) > MAX_REPEATED
    if repeated or len(joined) > MAX_CONCATENATIONS or len(list(root.find_all(exp.Anonymous))) > MAX_CALLS:
        return "too many function calls"
    return "a query that grows too large when its subqueries are put in" if grows_too_large(root) else None


def _check_node(node: exp.Expr, row_functions: frozenset[str]) -> str | None:
    match node:
        case exp.Anonymous():
            return _check_call(node)
        case exp.Func() if type(node).__name__ not in _CONSTRUCTS:
            return f"function {node.sql_name().lower()}"
        case exp.Dot() if not (isinstance(node.expression, exp.Anonymous) and node.this.name == "pg_catalog"):
            return f"field or schema {node.expression.name or node.sql()}"
        case exp.DataType():
            return _check_type(node)
        case exp.ObjectIdentifier() | exp.PseudoType():
            return f"type {node.name.lower()}"
        case exp.Operator():
            return "OPERATOR(...)"
        case exp.Table() if _is_system(node):
            return f"system catalog {node.name}"
        case exp.Column() if node.table and node.name in row_functions:
            return f"function {node.name}"
    return None


def _check_call(call: exp.Anonymous) -> str | None:
    quoted = isinstance(call.this, exp.Identifier)
    name = call.name if quoted else call.name.lower()
    if name not in FUNCTIONS:
        return f"function {name}"
    if name in ("lpad", "rpad"):
        length = call.expressions[1] if len(call.expressions) > 1 else None
        if not isinstance(length, exp.Literal) or length.is_string or float(length.name) > MAX_PADDING:
            return f"{name} without a length of at most {MAX_PADDING}"
    return None


def _check_type(node: exp.DataType) -> str | None:
    kind = node.this
    name = kind.name if isinstance(kind, exp.DType) else type(kind).__name__
    if name not in _TYPES:
        return f"type {node.sql('postgres').lower()}"
    for parameter in node.find_all(exp.DataTypeParam):
        if not parameter.name.isdigit() or int(parameter.name) > MAX_TYPE_LENGTH:
            return f"type {node.sql('postgres').lower()}"
    return None


def _is_system(table: exp.Table) -> bool:
    schema, name = table.db.lower(), table.name.lower()
    if schema:
        return schema.startswith("pg_") or schema == "information_schema"
    return name.startswith("pg_")
