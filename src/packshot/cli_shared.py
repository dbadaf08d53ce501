"""What commands share: a bar of progress, a folder to write to, JSON as it is printed, the guard."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packshot.errors import OutputError, RequestError
from packshot.phrases import LANGUAGES, Language, in_language

if TYPE_CHECKING:
    from packshot.safety import Guard

FORMATS = ("png", "jpg", "webp")
"""Of the pictures that commands write."""

SafetyFile = Annotated[
    Path | None,
    typer.Option("--safety", envvar="PACKSHOT_SAFETY", help="TOML file: what you refuse or allow beyond our lists."),
]
SafetyLog = Annotated[
    Path | None,
    typer.Option("--safety-log", envvar="PACKSHOT_SAFETY_LOG", help="Add a line of JSON here for every refusal."),
]


Spoken = Annotated[str, typer.Option("--language", help="Of the lines for people: en or zh.")]


def language_of(word: str) -> Language:
    """The language that `--language` names.

    Raises:
        RequestError: another one.
    """
    for language in LANGUAGES:
        if word == language:
            return language
    raise RequestError("--language", f"'{word}'", " or ".join(LANGUAGES))


class Speech:
    """Prints lines for people in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def say(self, line: str, *, err: bool = True) -> None:
        """A line, on stderr unless it is the answer."""
        typer.echo(in_language(line, self.language), err=err)

    def aside(self, line: str) -> None:
        """A remark."""
        typer.echo(f"packshot: {in_language(line, self.language)}", err=True)


def guarded(file: Path | None, log: Path | None) -> Guard:
    """Put the guard in use that these options name; one line on stderr says where pictures will not be looked at.

    Raises:
        PackshotError: the file cannot be used, the log not be written, or the classifier is required and missing.
    """
    from packshot.safety import Choice, guard_of, use
    from packshot.safety.log import append

    guard = guard_of(Choice.read(file, log))
    if guard.choice.log:
        append(guard.choice.log, b"")
    use(guard)
    return guard


def tell_unchecked(guard: Guard) -> None:
    """Say so where pictures pass without having been looked at, since the classifier is not installed."""
    if guard.unchecked:
        line = (
            "packshot: pictures are not looked at for unsafe content: pip install 'packshot[safety]', or set pictures"
        )
        typer.echo(f'{line} = "off" in a --safety file', err=True)


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
