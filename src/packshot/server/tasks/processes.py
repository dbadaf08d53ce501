"""Commands of packshot's as processes of a job: followed, cancelled, kept within their memory, never left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packshot.errors import RequestError
from packshot.server.tasks.interface import CancelledJobError, Context, InterruptedJobError

LOOK_SECONDS = 0.25
MEMORY_SECONDS = 2.0
"""Between two looks at how much a command takes."""

LOG = "log.txt"
"""What a command says on its standard error, in the job's folder."""

_TAIL_BYTES = 8_000
_FIRST_WORDS = "packshot: "
_LINE = re.compile(r"(?P<where>.*?): got (?P<got>.*); accepted: (?P<accepted>.*)")

INTERRUPTED_SECONDS = 7.0
"""For a command to end by itself when the server stops, which waits ten."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        status: 0 for all went well; for some commands, 1 for not all did.
        out: what it printed.
    """

    status: int
    out: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run.

    Attributes:
        words: after `packshot`.
        folder: of the job's process, on this machine.
        patience_seconds: that it may take to end by itself when it is to stop; 0 to be killed at once.
        environment: further variables.
        places: what else is shortened, as `folder` is, in what is told.
    """

    words: Sequence[str]
    folder: Path
    patience_seconds: float = 0.0
    environment: tuple[tuple[str, str], ...] = ()
    places: tuple[str, ...] = ()

    def told(self, line: str) -> str:
        """What it says, without where its folders are."""
        for place in (str(self.folder), *self.places):
            line = line.replace(f"{place}/", "").replace(place, "the job's folder")
        return line


Look = Callable[[], tuple[float, float, str]]
"""How far a command is: done, total, in words."""


def run(command: Command, context: Context, look: Look) -> Ended:
    """Run a command to its end.

    Raises:
        CancelledJobError: the job was to stop; the command has ended.
        InterruptedJobError: likewise, to be gone on with.
        RequestError: it refused, took too much memory, or was killed.
    """
    log = command.folder / LOG
    with log.open("ab") as errors, (command.folder / "out.txt").open("w+b") as out:
        begin = errors.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "packshot.server.child", str(os.getpid()), *command.words],
            stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True,
            env={**os.environ, **dict(command.environment)},
        )  # fmt: skip
        try:
            _follow(process, context, look)
        except CancelledJobError:
            _stop(process, command.patience_seconds)
            raise
        except InterruptedJobError:
            _stop(process, min(command.patience_seconds, INTERRUPTED_SECONDS))
            raise
        finally:
            _kill(process)  # and what it has started
        out.seek(0)
        said = out.read().decode(errors="replace")
    if process.returncode not in (0, 1):
        raise _refusal(command, _last_line(log, begin, process.returncode))
    return Ended(process.returncode, said)


def _follow(process: subprocess.Popen[bytes], context: Context, look: Look) -> None:
    told: tuple[float, float, str] | None = None
    looked = time.monotonic()
    while process.poll() is None:
        now = look()
        if now != told:
            context.progress(*now)
            told = now
        context.look()
        if time.monotonic() - looked > MEMORY_SECONDS:
            looked = time.monotonic()
            _insist_on_memory(process.pid, context.settings.slow_bytes)
        with suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)


def _insist_on_memory(group: int, most: int) -> None:
    if (used := group_bytes(group)) > most:
        raise RequestError("memory", f"{used / 1e6:,.0f} MB", f"{most / 1e6:,.0f} MB for such jobs on this server")


def group_bytes(group: int) -> int:
    """Memory that the processes of a group hold for themselves; 0 where the system does not tell."""
    page, total = os.sysconf("SC_PAGE_SIZE"), 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):  # some end while one looks
            if int(folder.joinpath("stat").read_text("utf-8", "replace").rpartition(")")[2].split()[2]) == group:
                _, resident, shared = folder.joinpath("statm").read_text("ascii").split()[:3]
                total += (int(resident) - int(shared)) * page
    return total


def _stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    if seconds:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(log: Path, begin: int, status: int) -> str:
    """What the command said last, in one line."""
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - _TAIL_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    if status < 0:
        return f"it was killed by signal {-status}: out of memory, or from outside"
    return (lines[-1] if lines else f"it ended with status {status}").removeprefix(_FIRST_WORDS)[:500]


def _refusal(command: Command, line: str) -> RequestError:
    """The command's own line, without this machine's folders."""
    told = command.told(line)
    parts = _LINE.fullmatch(told)
    if parts is None:
        return RequestError(f"packshot {command.words[0]}", told, "a command that comes to its end")
    return RequestError(parts["where"], parts["got"], parts["accepted"])
