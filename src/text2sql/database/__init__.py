"""Databases that questions are asked of: connect, introspect, run a query read-only under limits.

A `Database` gives its `Schema` and runs one reading statement at a time. The engine itself refuses everything else
(read-only file, authorizer, limits); no keyword of the SQL text is ever looked at. Scoring results against each
other is `text2sql.evaluation`.
"""

from text2sql.database.base import Database, ExecutionResult
from text2sql.database.connect import connect
from text2sql.database.sqlite import SQLiteDatabase

__all__ = ["Database", "ExecutionResult", "SQLiteDatabase", "connect"]
