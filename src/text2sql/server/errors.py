"""Errors with an HTTP status, and texts made fit to be shown: one line, without passwords."""

from __future__ import annotations

import logging
import re

from text2sql.errors import UserError

LONGEST_LINE = 2_000
"""Characters of an error that are sent."""
_URL_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s:/@]*):\S*@")
_NAMED_PASSWORD = re.compile(r"(?i)\b(password|passwd|pwd|token)=[^\s&;]+")
_BEARER = re.compile(r"(?i)\b(bearer) +\S+")


class ApiError(UserError):
    """A request that is refused with an HTTP status; `retry_after` seconds is when to try again."""

    def __init__(self, status: int, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after = retry_after


def without_secrets(text: str) -> str:
    """The text with the passwords of URLs and `password=...` replaced by ***."""
    text = _URL_PASSWORD.sub(r"\1:***@", text)
    return _BEARER.sub(r"\1 ***", _NAMED_PASSWORD.sub(r"\1=***", text))


def one_line(error: object) -> str:
    """What an error says, on one line and without secrets."""
    text = without_secrets(" ".join(str(error).split()))
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + "…"


class SecretFreeFormatter(logging.Formatter):
    """Formats log records, tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return without_secrets(super().format(record))
