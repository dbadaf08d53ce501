"""The log of refusals: a record of Python's logging always, a line of JSON where a file was named."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from packshot.errors import OutputError

LOGGER = logging.getLogger("packshot.safety")
LOGGER.addHandler(logging.NullHandler())  # whoever wants records adds a handler; without this one Python prints them


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal.

    Attributes:
        kind: words or picture.
        where: the option, file or row.
        category: of the entry; pictures for pictures.
        entry: its key; the classifier for pictures.
        sha256: of the text in UTF-8, of the file, or of the pixels of a picture that was never written.
        score: of the classifier; None for words.
        text: the words themselves; None unless the operator wants them logged.
    """

    kind: str
    where: str
    category: str
    entry: str
    sha256: str
    score: float | None = None
    text: str | None = None

    def line(self) -> str:
        """As JSON, with the time."""
        values = {name: getattr(self, name) for name in self.__slots__}
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": time, **{k: v for k, v in values.items() if v is not None}}, ensure_ascii=False)


def tell(refusal: Refusal, path: str) -> None:
    """Log a refusal.

    Args:
        refusal: what was refused.
        path: of the file; empty for none.

    Raises:
        OutputError: the file cannot be written.
    """
    line = refusal.line()
    LOGGER.warning("refused: %s", line)
    if path:
        append(path, line.encode("utf-8", "backslashreplace") + b"\n")


def append(path: str, data: bytes) -> None:
    """Add to a file in one call, so that lines of several processes do not mix; with no data, see whether one could.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with Path(path).open("ab", buffering=0) as file:
            file.write(data)
    except OSError as error:
        raise OutputError(path, error.strerror or "an error", "a file that the safety log can be written to") from None
