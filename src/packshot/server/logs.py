"""Log lines of the server and its workers: JSON or text, with the request and job they belong to, without secrets."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from packshot.server.settings import LogFormat

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered, or that asked for the job that is being done."""

job_id: ContextVar[str] = ContextVar("job_id", default="")
"""Of the job that is being done."""

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_SECRETS = (
    (re.compile(r"packshot_[A-Za-z0-9_-]{43}"), "packshot_***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}"), r"\1 ***"),
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s@]+@"), r"\1:***@"),
    (re.compile(r"(?i)(packshot_session=)[^\s;\"']+"), r"\1***"),
    (
        re.compile(
            r"(?i)([\"']?[a-z_-]*(?:password|passwd|secret|api[_-]?key|access[_-]?key|token)[a-z_-]*[\"']?\s*[=:]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s,;&\"'})]+)"
        ),
        r"\1***",
    ),
)


def clean(text: str) -> str:
    """A text without what looks like a key, a password or a token in it."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def accepted_request_id(text: str) -> str:
    """A client's request id where it is well-formed (8 to 64 letters, digits, dots, dashes), else a new one."""
    return text if _WELL_FORMED.fullmatch(text) else secrets.token_hex(16)


@contextmanager
def belonging_to(request: str, job: str = "") -> Iterator[None]:
    """Log lines of this block name a request and a job."""
    tokens = request_id.set(request), job_id.set(job)
    try:
        yield
    finally:
        request_id.reset(tokens[0])
        job_id.reset(tokens[1])


class _Json(JsonFormatter):
    """One object a line."""

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: clean(value) if isinstance(value, str) else value for name, value in log_data.items()}


class _Text(logging.Formatter):
    """For a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        names = [value for name in ("request_id", "job_id") if (value := getattr(record, name, ""))]
        line = super().format(record)
        return clean(f"{line} [{' '.join(names)}]" if names and not record.exc_info else line)


def _add_context(record: logging.LogRecord) -> bool:
    for name, variable in (("request_id", request_id), ("job_id", job_id)):
        if not hasattr(record, name) and variable.get():
            setattr(record, name, variable.get())
    return True


def configure(form: LogFormat) -> None:
    """Send the log lines of this process, of packshot and of the libraries it uses, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Json("{asctime}{levelname}{name}{process}{message}", style="{", rename_fields={
            "asctime": "time", "levelname": "level", "name": "logger"}, datefmt="%Y-%m-%dT%H:%M:%S%z",
            json_ensure_ascii=False)
        if form == "json"
        else _Text("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    )  # fmt: skip
    handler.addFilter(_add_context)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("packshot").setLevel(logging.INFO)
    logging.captureWarnings(True)
