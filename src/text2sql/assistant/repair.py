"""Values of the SQL spelt as the database spells them.

The model often points at the question's words ("japan") where the database says `Japan`. The linked cells know: a
text that equals none of a column's linked cells but one of them after folding case, accents and plurals is
replaced by that cell. Nothing else is touched.
"""

from __future__ import annotations

from sqlglot import exp

from text2sql.assistant.editing import NotEditableError, Query
from text2sql.prompting.expressions import to_sql
from text2sql.prompting.linking import Links
from text2sql.prompting.words import normalise, stem
from text2sql.schema import Schema


def with_cell_spelling(sql: str, links: Links, schema: Schema) -> str:
    """The model's SQL with its values in the spelling of the linked cells; unchanged where nothing is to be done."""
    try:
        query = Query(sql, schema, "sqlite")
    except NotEditableError:
        return sql
    changed = False
    for comparison in query.tree.find_all(exp.EQ, exp.NEQ):
        value, number = comparison.expression, query.number(comparison.this)
        cells = [cell.text for cell in links.cells if cell.column == number]
        if not isinstance(value, exp.Literal) or not value.is_string or value.this in cells:
            continue
        alike = [cell for cell in cells if _fold(cell) == _fold(value.this)]
        if alike:
            value.replace(exp.Literal.string(alike[0]))
            changed = True
    return to_sql(query.tree) if changed else sql


def _fold(text: str) -> str:
    return " ".join(map(stem, normalise(text).split()))
