"""What a run tells while it goes: a bar on a terminal, JSON lines in a file, TensorBoard where wanted."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from packshot.errors import MissingExtraError, OutputError

LOG_FILE = "log.jsonl"


class Diary:
    """Collects a run's numbers and tells their means every `every` steps. Silent where `leads` is False."""

    def __init__(self, out: Path, *, every: int, tensorboard: bool, progress: bool, leads: bool) -> None:
        self.out, self.every, self.leads = out, every, leads
        self.pictures_per_second = 0.0
        self.means: dict[str, float] = {}
        self._values: defaultdict[str, list[float]] = defaultdict(list)
        self._since, self._pictures, self._last_step = time.monotonic(), 0, -1
        self._board = _tensorboard(out) if tensorboard and leads else None
        self._bar = _bar() if progress and leads and sys.stderr.isatty() else None
        self._task = self._bar.add_task("training", total=1.0, told="") if self._bar else None

    def __enter__(self) -> Diary:
        """Start the bar and the clock."""
        self._since = time.monotonic()
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the bar and close TensorBoard."""
        if self._bar:
            self._bar.stop()
        if self._board:
            self._board.close()

    def note(self, values: dict[str, float], pictures: int) -> None:
        """Take in the numbers of one step over so many pictures."""
        for name, value in values.items():
            self._values[name].append(value)
        self._pictures += pictures

    def tell(self, step: int, minutes: float, progress: float, rate: float, *, at_once: bool = False) -> None:
        """Write the means since the last time, when `step` is due or `at_once`.

        Raises:
            OutputError: the log cannot be written.
        """
        if self._bar and self._task is not None:
            told = f"step {step}  {self.pictures_per_second:.0f} pictures/s"
            self._bar.update(self._task, completed=progress, told=told)
        if not self._values or not (at_once or step % self.every == 0):
            return
        seconds = time.monotonic() - self._since
        self.pictures_per_second = self._pictures / max(seconds, 1e-9)
        self.means = {name: sum(values) / len(values) for name, values in self._values.items()}
        record = {
            "step": step,
            "minutes": round(minutes, 3),
            "learning_rate": rate,
            "pictures_per_second": round(self.pictures_per_second, 1),
            **{name: round(value, 6) for name, value in self.means.items()},
        }
        self._values.clear()
        self._since, self._pictures = time.monotonic(), 0
        if self.leads:
            self._write(record)

    def tell_sheet(self, step: int, minutes: float, values: Mapping[str, float]) -> None:
        """Write at once what was measured with a sample sheet, on a line of its own; nothing where nothing was.

        Raises:
            OutputError: the log cannot be written.
        """
        if values and self.leads:
            self.means = {**self.means, **values}
            shown = {name: round(value, 6) for name, value in values.items()}
            self._write({"step": step, "minutes": round(minutes, 3), **shown})

    def _write(self, record: dict[str, Any]) -> None:
        path = self.out / LOG_FILE
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise OutputError(path, error.strerror or "a failed write", "a writable file with enough room") from None
        if self._board:
            for name, value in record.items():
                if name != "step":
                    self._board.add_scalar(name, value, record["step"])


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _tensorboard(out: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        accepted = "loop.tensorboard=false, or: pip install 'packshot[train]'"
        raise MissingExtraError("loop.tensorboard", "no package tensorboard", accepted) from None
    return SummaryWriter(str(out / "tensorboard"))
