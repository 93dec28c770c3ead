"""Does a query with ORDER BY leave open which rows come first on a database?

"The city with most airports" has no one answer where two cities have equally many, and a prediction that picks the
other one is not wrong. Variants of a database on which a gold query ties are therefore not used to judge it.
"""

from __future__ import annotations

from itertools import pairwise

import sqlglot
from sqlglot import exp

from text2sql.database import Database

ROWS_LOOKED_AT = 10_000


def has_ties(sql: str, database: Database) -> bool:
    """Whether two rows next to each other, the first one cut off by LIMIT among them, have equal sort keys.

    Only the outermost ORDER BY of a plain SELECT is looked at; for anything else the answer is no.
    """
    try:
        query = sqlglot.parse_one(sql, read="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return False
    order = query.args.get("order")
    if not isinstance(query, exp.Select) or order is None:
        return False
    limit = query.args.get("limit")
    rows = ROWS_LOOKED_AT
    if limit is not None and isinstance(limit.expression, exp.Literal) and limit.expression.name.isdigit():
        rows = int(limit.expression.name) + 1
    keys = [item.this.copy() for item in order.expressions]
    outputs = query.selects
    named = {item.alias.lower(): item.this for item in outputs if isinstance(item, exp.Alias)}
    for place, key in enumerate(keys):  # an ORDER BY may also mean an output column by number or alias
        if isinstance(key, exp.Literal) and key.name.isdigit() and 0 < int(key.name) <= len(outputs):
            keys[place] = outputs[int(key.name) - 1].unalias().copy()
        elif isinstance(key, exp.Column) and not key.table and key.name.lower() in named:
            keys[place] = named[key.name.lower()].copy()
    shown = query.copy().select(*keys).limit(rows)  # beside the other columns, which GROUP BY 1 may mean
    found = database.run(shown.sql("sqlite"), time_limit=1.0, row_limit=ROWS_LOOKED_AT).rows
    return any(first == second for first, second in pairwise(row[-len(keys) :] for row in found))
