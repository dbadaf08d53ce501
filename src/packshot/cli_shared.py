"""What commands share: a bar of progress, a folder to write to, JSON as it is printed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from packshot.errors import OutputError

FORMATS = ("png", "jpg", "webp")
"""Of the pictures that commands write."""


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A function of (done, total) that draws a bar on a terminal and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def writable_folder(folder: Path) -> None:
    """Make a folder, or say why it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, error.strerror or "an error", "a folder that can be made and written to") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(folder, "a folder without write permission", "a folder that can be written to")


def dump(document: object) -> str:
    """JSON for people and programs; what is no JSON of its own becomes text."""
    return json.dumps(document, ensure_ascii=False, indent=1, default=str)
