"""What every body of a request has in common, whether it came as JSON or as a form."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

_DEEPEST = 100
"""Of lists and objects in each other; the deepest that a request means has five."""


class Input(BaseModel):
    """A body: no unknown fields, and nothing in it that databases, programs or files could not hold.

    JSON can say NUL, which PostgreSQL and programs' arguments do not take, and halves of characters (lone
    surrogates), which are no text in UTF-8. Python's reader also takes NaN and Infinity, which are no JSON.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_odd(cls, values: Any) -> Any:
        if problem := _oddity(values):
            raise ValueError(problem)
        return values


def _oddity(value: Any, depth: int = 0) -> str:
    """What is wrong somewhere in plain values; empty for nothing."""
    if isinstance(value, str):
        return _odd_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN and Infinity are no numbers of JSON"
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list):
        inner = value
    else:
        return ""
    if depth == _DEEPEST:
        return f"more than {_DEEPEST} lists and objects in each other"
    return next(filter(None, (_oddity(one, depth + 1) for one in inner)), "")


def _odd_text(text: str) -> str:
    if "\0" in text:
        return "a text has a NUL character in it"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "a text has half a character in it, a lone surrogate"
    return ""
