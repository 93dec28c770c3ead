"""How large a query becomes when the planner puts subqueries into the queries around them.

PostgreSQL replaces a column of a simple subquery by its expression, wherever it is used, before it looks at any
clock: `SELECT a||a FROM (SELECT a||a AS a FROM ...)`, nested thirty times, is a gigabyte of plan. The size is bounded
here by counting: no column of a source is used more often than the most used one.
"""

from __future__ import annotations

from collections import Counter

from sqlglot import exp

from text2sql.sql_tree import own_nodes

MAX_NODES = 500_000
"""Largest query after substitution, in nodes of its tree (some 100 bytes of the server's memory each)."""


def grows_too_large(root: exp.Expr) -> bool:
    """Whether a query could exceed `MAX_NODES`."""
    return _size(root, {}) > MAX_NODES


def _size(query: exp.Expr, tables: dict[str, int]) -> int:
    """Nodes of a query with its subqueries and common tables put in; `tables`: sizes of common tables around it."""
    tables = dict(tables)
    clause = query.args.get("with_")
    for common in clause.expressions if clause else ():
        tables[common.alias.lower()] = _pulled_up(common.this, tables)
    own = [node for node in own_nodes(query, exp.Expr, (exp.Query, exp.With)) if node is not clause]
    columns = Counter(node.name.lower() for node in own if isinstance(node, exp.Column | exp.Star))
    stars = columns.pop("*", 0)
    uses = max(1, max(columns.values(), default=0) + stars)
    inner = 0
    for node in own:
        if isinstance(node, exp.Table) and not node.db:
            inner += tables.get(node.name.lower(), 0)
        elif isinstance(node, exp.Query) and node is not query:
            inner += _pulled_up(node, tables)
    return len(own) + uses * inner


def _pulled_up(query: exp.Expr, tables: dict[str, int]) -> int:
    """Size of a subquery, cut off so that the numbers stay small."""
    return min(_size(query, tables), 10 * MAX_NODES)
