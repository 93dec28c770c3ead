"""The one error that a user is meant to read.

Every mistake that a user can make or meet (a missing file, an unknown key, a corrupt line) is raised as
`UserError` with one line that says what was wrong, where, and what to do. The command line prints that line and
exits with code 2; anything else is a bug and keeps its traceback.
"""


class UserError(Exception):
    """A mistake outside the program: the message is one line and says what to do about it."""
