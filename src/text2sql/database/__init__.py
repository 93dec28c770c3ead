"""Databases that questions are asked of: connect, introspect, run a query read-only under limits.

A `Database` gives its `Schema` and runs one reading statement at a time. The engine itself refuses everything else
(read-only file or transaction, authorizer, limits); `check_statement` looks at the syntax tree before that, never at
keywords. Scoring results against each other is `text2sql.evaluation`.
"""

from text2sql.database.base import Database, ExecutionResult
from text2sql.database.connect import connect
from text2sql.database.sqlite import SQLiteDatabase
from text2sql.database.statements import check_statement

__all__ = ["Database", "ExecutionResult", "SQLiteDatabase", "check_statement", "connect"]
