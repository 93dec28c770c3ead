"""SQL text -> the structure that Spider's exact set match compares.

Spider's metric is defined on a small dialect: plain JOINs, table aliases with AS, one set operation per query, no
column aliases. This module splits a query into that dialect's tokens and parses them by recursive descent. What the
dialect lacks is a `NotSpiderSQL` error, which the metric counts as a wrong prediction.

The reader is deliberately as forgiving as the reference one (taoyds/test-suite-sql-eval): aliases are global, every
text after a finished query is ignored, a comparison of two columns swallows what follows it up to the next stop word.
Exact match is only comparable between papers if these quirks are kept. The module doesn't check that a query is valid
SQL and never runs one.
"""

from __future__ import annotations

import re
from typing import NoReturn

from text2sql.evaluation.spider_structure import (
    ColumnUnit,
    Condition,
    Conditions,
    OrderBy,
    Query,
    SchemaNames,
    SelectItem,
    Value,
    ValueUnit,
    schema_names,
)
from text2sql.schema import Schema

AGGREGATES = ("none", "max", "min", "count", "sum", "avg")
UNIT_OPERATORS = ("none", "-", "+", "*", "/")
CONDITION_OPERATORS = ("not", "between", "=", ">", "<", ">=", "<=", "!=", "in", "like", "is", "exists")
CONNECTIVES = ("and", "or")
SET_OPERATIONS = ("intersect", "union", "except")
CLAUSE_WORDS = frozenset({"select", "from", "where", "group", "order", "limit", *SET_OPERATIONS})
CLOSING = CLAUSE_WORDS | {")", ";"}
CONDITION_END = CLOSING | {"join", "on", "as"}
COLUMN_VALUE_END = CONDITION_END - {";"} | {",", "and"}

DEEPEST_NESTING = 50
"""Queries inside queries beyond this depth are refused, so that no text exhausts the stack."""


class NotSpiderSQL(Exception):  # noqa: N818 - a verdict on a text, not a fault of the program
    """The text isn't a query of Spider's dialect over this schema; the message says where reading stopped."""


# A word runs on through ":" and "," before a digit ("1,2" is one word) and through single "-" and "."; a final "." is
# apart. These are the habits of the English word splitter that the reference uses, as far as SQL can meet them.
_SYMBOLS = r";@#$%&?!*\[\](){}<>«“‘„»”’\u2012-\u2015"
_TOKEN = re.compile(
    rf"""
    (?:"[^"]*" | [:,](?=\d) | (?!--|\.\.|(?<=[^.])\.[\])}}>»”’\ ]*+\s*+\Z) [^\s:,"`{_SYMBOLS}])+
    | --  | \.+ | ``? | [:,{_SYMBOLS}]
    """,
    re.VERBOSE,
)


def tokenize(sql: str) -> list[str]:
    """Lower-case tokens; a string literal keeps its case and is spelt with double quotes.

    A literal touching other text (`a='x'`) isn't a literal: the whole word becomes one that no schema holds.
    Raises NotSpiderSQL when a quote isn't closed.
    """
    text = sql.replace("'", '"')
    if text.count('"') % 2:
        raise NotSpiderSQL("a quote is not closed, or a string holds an apostrophe")
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if '"' not in token:
            token = token.lower()
            if token == "=" and tokens and tokens[-1] in ("!", ">", "<"):
                token = tokens.pop() + token
        elif token[0] != '"' or token.index('"', 1) != len(token) - 1:
            token = f"'{match.start()}"
        tokens.append(token)
    return tokens


def parse(sql: str, schema: Schema) -> Query:
    """Read a query of Spider's dialect. Raises NotSpiderSQL for anything else, whatever the text."""
    return _Parser(tokenize(sql), schema_names(schema)).query()


class _Parser:
    """A cursor over the tokens; each method reads one construct. Past the end, `here` is the empty string."""

    def __init__(self, tokens: list[str], names: SchemaNames) -> None:
        self.tokens = tokens
        self.names = names
        self.position = 0
        self.depth = 0
        self.scope: list[str] = []  # tables of the innermost FROM, in which bare columns are looked up
        self.tables = self._aliases() | {name: name for name in names.columns}

    def _aliases(self) -> dict[str, str]:
        """Every `x AS y` anywhere in the text as y -> x: aliases have no scope, the last definition counts."""
        marks = [index for index, token in enumerate(self.tokens) if token == "as"]
        if marks and marks[-1] + 1 == len(self.tokens):
            raise NotSpiderSQL("AS at the end")
        aliases = {self.tokens[index + 1]: self.tokens[index - 1] for index in marks}
        for name in aliases:
            if name in self.names.columns:
                raise NotSpiderSQL(f"alias {name!r} is also a table's name")
        return aliases

    @property
    def here(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def accept(self, *tokens: str) -> str:
        """Step over the next token if it is one of these; the token stepped over, or an empty string."""
        token = self.here
        if token not in tokens:
            return ""
        self.position += 1
        return token

    def expect(self, *tokens: str) -> str:
        """Like `accept`, but anything else is an error."""
        return self.accept(*tokens) or self.fail(f"expected {' or '.join(tokens).upper()}")

    def fail(self, message: str) -> NoReturn:
        """Raise NotSpiderSQL with the place."""
        place = f"at {self.here!r} (token {self.position + 1})" if self.here else "at the end"
        raise NotSpiderSQL(f"{message} {place}")

    def query(self) -> Query:
        """A query with an optional pair of parentheses around it, and what a set operation adds to it."""
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            self.fail(f"more than {DEEPEST_NESTING} nested queries")
        outer_scope, self.scope = self.scope, []
        parenthesised = self.accept("(")
        select_position = self.position
        tables, join_conditions = self.from_clause()  # first, because it says which tables the columns belong to
        from_end, self.position = self.position, select_position
        distinct, select = self.select_clause()
        self.position = from_end
        where = self.conditions() if self.accept("where") else ()
        group_by = self.group_by()
        having = self.conditions() if self.accept("having") else ()
        order_by = self.order_by()
        limit = self.limit()
        self.skip_semicolons()
        if parenthesised:
            self.expect(")")
        self.skip_semicolons()
        set_operation = self.accept(*SET_OPERATIONS) or None
        set_query = self.query() if set_operation else None
        self.scope = outer_scope
        self.depth -= 1
        return Query(
            tables,
            join_conditions,
            distinct,
            select,
            where,
            group_by,
            having,
            order_by,
            limit,
            set_operation,
            set_query,
        )

    def from_clause(self) -> tuple[tuple[str | Query, ...], Conditions]:
        """The next FROM, wherever it is: tables or subqueries in a row, JOIN between them or not, each with its ON."""
        while self.here != "from":
            if not self.here:
                self.fail("no FROM")
            self.position += 1
        self.position += 1
        tables: list[str | Query] = []
        conditions: list[Condition | str] = []
        while self.here:
            parenthesised = self.accept("(")
            if self.here == "select":
                tables.append(self.query())
            else:
                self.accept("join")
                tables.append(self.table())
            if self.accept("on"):
                conditions += ["and"] if conditions else []
                conditions += self.conditions()
            if parenthesised:
                self.expect(")")
            if self.here in CLOSING:
                break
        return tuple(tables), tuple(conditions)

    def table(self) -> str:
        """A table or an alias, and the alias that it defines."""
        name = self.tables.get(self.here)
        if name is None or name not in self.names.identifiers:
            self.fail("no such table")
        self.position += 1
        self.scope.append(name)
        if self.here == "as":
            self.position += 2
        return name

    def select_clause(self) -> tuple[bool, tuple[SelectItem, ...]]:
        """DISTINCT and the output columns; the commas between them may be missing."""
        self.expect("select")
        distinct = bool(self.accept("distinct"))
        items = []
        while self.here and self.here not in CLAUSE_WORDS:
            aggregate = self.accept(*AGGREGATES) or "none"
            items.append(SelectItem(aggregate, self.value_unit()))
            self.accept(",")
        return distinct, tuple(items)

    def group_by(self) -> tuple[ColumnUnit, ...]:
        """GROUP BY, or nothing."""
        units: list[ColumnUnit] = []
        if not self.accept("group"):
            return ()
        self.expect("by")
        while self.here and self.here not in CLOSING:
            units.append(self.column_unit())
            if not self.accept(","):
                break
        return tuple(units)

    def order_by(self) -> OrderBy | None:
        """ORDER BY, or nothing."""
        units: list[ValueUnit] = []
        direction = "asc"
        if not self.accept("order"):
            return None
        self.expect("by")
        while self.here and self.here not in CLOSING:
            units.append(self.value_unit())
            direction = self.accept("asc", "desc") or direction
            if not self.accept(","):
                break
        return OrderBy(direction, tuple(units))

    def limit(self) -> bool:
        """LIMIT and the one token after it, whatever that is."""
        if not self.accept("limit"):
            return False
        if not self.here:
            self.fail("LIMIT without a number")
        self.position += 1
        return True

    def skip_semicolons(self) -> None:
        """Step over any number of `;`."""
        while self.accept(";"):
            pass

    def conditions(self) -> Conditions:
        """Conditions up to a word that ends them; a missing AND or OR between two is not noticed."""
        items: list[Condition | str] = []
        while self.here:
            items.append(self.condition())
            if self.here in CONDITION_END:
                break
            if connective := self.accept(*CONNECTIVES):
                items.append(connective)
        return tuple(items)

    def condition(self) -> Condition:
        """One comparison."""
        unit = self.value_unit()
        negated = bool(self.accept("not"))
        operator = self.expect(*CONDITION_OPERATORS)
        value = self.value()
        second_value = None
        if operator == "between":
            self.expect("and")
            second_value = self.value()
        return Condition(negated, operator, unit, value, second_value)

    def value(self) -> Value:
        """What a column is compared with: a query, a string, a number or another column."""
        parenthesised = self.accept("(")
        value: Value
        if self.here == "select":
            value = self.query()
        elif self.here.startswith('"'):
            value = self.here
            self.position += 1
        else:
            try:
                value = float(self.here)
                self.position += 1
            except ValueError:
                value = self.column_value()
        if parenthesised:
            if isinstance(value, ColumnUnit):
                self.fail("a column in parentheses as a value")
            self.expect(")")
        return value

    def column_value(self) -> ColumnUnit:
        """A column as a value: everything behind it, up to the next stop word, is skipped unread."""
        end = self.position
        while end < len(self.tokens) and self.tokens[end] not in COLUMN_VALUE_END:
            end += 1
        words = self.tokens[self.position : end]
        if not words or words[0] in AGGREGATES:
            self.fail("expected a value")
        distinct = words[0] == "distinct"
        if distinct and len(words) == 1:
            self.fail("DISTINCT without a column")
        column = self.resolve(words[distinct])
        self.position = end
        return ColumnUnit("none", column, distinct)

    def value_unit(self) -> ValueUnit:
        """A column unit, or two with an operator between them."""
        parenthesised = self.accept("(")
        left = self.column_unit()
        operator = self.accept(*UNIT_OPERATORS)
        right = self.column_unit() if operator else None
        if parenthesised:
            self.expect(")")
        return ValueUnit(operator or "none", left, right)

    def column_unit(self) -> ColumnUnit:
        """A column, perhaps DISTINCT, perhaps inside an aggregate."""
        parenthesised = self.accept("(")
        aggregate = self.accept(*AGGREGATES)
        if aggregate:
            self.expect("(")
        distinct = bool(self.accept("distinct"))
        column = self.resolve(self.here)
        self.position += 1
        if parenthesised or aggregate:  # "(max(c)" is complete: the aggregate's parenthesis closes both
            self.expect(")")
        return ColumnUnit(aggregate or "none", column, distinct)

    def resolve(self, token: str) -> str:
        """The column that a token names: "*", "alias.column", or a bare name looked up in FROM's tables in order."""
        if token == "*":
            return token
        if "." in token:
            alias, _, name = token.partition(".")
            column = f"{self.tables.get(alias)}.{name}"
            if "." not in name and column in self.names.identifiers:
                return column
        else:
            for table in self.scope:
                if token in self.names.columns.get(table, ()):
                    return f"{table}.{token}"
        return self.fail(f"no such column: {token!r}")
