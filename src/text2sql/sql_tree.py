"""Walks over a query's syntax tree that stop at the queries nested in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from sqlglot import exp

Node = TypeVar("Node", bound=exp.Expr)


def own_nodes(part: exp.Expr, kind: type[Node], borders: tuple[type[exp.Expr], ...] = (exp.Query,)) -> Iterator[Node]:
    """Nodes of a kind in a SELECT or a part of one; of the `borders` in it, the nested queries, only the outermost."""
    for node in part.walk(bfs=False, prune=lambda n: n is not part and isinstance(n, borders)):
        if isinstance(node, kind):
            yield node


def nested_queries(select: exp.Select) -> Iterator[exp.Query]:
    """The queries nested directly in a SELECT outside of FROM."""
    sources = list(from_items(select))
    for node in own_nodes(select, exp.Query):
        if node is not select and not any(node is source for source in sources):
            yield node


def from_items(select: exp.Select) -> Iterator[exp.Expr]:
    """The tables and queries in FROM: what it begins with, then those that are joined."""
    clause = select.args.get("from_")
    if clause is not None:
        yield clause.this
    for join in select.args.get("joins") or []:
        yield join.this
