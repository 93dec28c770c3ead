"""Data sets as lists of `Example`: reading, fetching, checking for leaks, counting, packing.

`read_set` is the door for everything that has a name or is a file. Nothing here knows prompts or models, save that
`packing` lays token sequences side by side.
"""

from text2sql.data.example import AGGREGATES, OPERATORS, Example, LogicalForm

__all__ = ["AGGREGATES", "OPERATORS", "Example", "LogicalForm"]
