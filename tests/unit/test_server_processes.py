"""Commands as processes of a job: they end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from server_tasks import FakeContext, context

from packshot.errors import RequestError
from packshot.server.queue import NewJob, Queue, Room
from packshot.server.tasks import processes
from packshot.server.tasks.interface import CancelledJobError, InterruptedJobError
from packshot.server.tasks.processes import Command, group_bytes, run

SLEEPER = """
import os, signal, sys, time
if {deaf}: signal.signal(signal.SIGTERM, signal.SIG_IGN)
else: signal.signal(signal.SIGTERM, lambda *_: (open("saved", "w").close(), sys.exit(0)))
child = os.fork()
open("pids", "a").write(f"{{os.getpid()}}\\n")
data = bytearray({megabytes} * 1_000_000)
for number in range(600):
    time.sleep(0.1)
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeContext:
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(processes, "MEMORY_SECONDS", 0.1)
    return context(tmp_path / "home", slow_job_bytes=150_000_000)


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs that stands for packshot's: it sleeps, and so does its child."""
    folder = tmp_path / "sleeper"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, deaf: bool = False, megabytes: int = 0) -> None:
    (folder / "sleep.py").write_text(SLEEPER.format(deaf=deaf, megabytes=megabytes), "utf-8")


def start(command: list[str], **more: object) -> subprocess.Popen[bytes]:
    """In place of the command: the sleeper, in its folder."""
    return _Popen([sys.executable, "sleep.py"], **more)  # type: ignore[call-overload, no-any-return]


_Popen = subprocess.Popen


def pids(folder: Path, count: int = 2) -> list[int]:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if (folder / "pids").exists() and len(found := (folder / "pids").read_text().split()) >= count:
            return [*map(int, found)]
        time.sleep(0.01)
    raise AssertionError("it did not start")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_gone(folder: Path) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until and not all(map(gone, pids(folder))):
        time.sleep(0.01)
    return all(map(gone, pids(folder)))


@pytest.mark.parametrize("reason", [CancelledJobError("x"), InterruptedJobError("x")])
@pytest.mark.parametrize("patience", [0.0, 5.0])
def test_a_stopped_job_leaves_nothing_behind(
    job: FakeContext, sleeper: Path, monkeypatch: pytest.MonkeyPatch, patience: float, reason: Exception
) -> None:
    write(sleeper)
    monkeypatch.setattr(subprocess, "Popen", start)
    job.stop_after = (3, reason)
    looks = iter(range(1000))

    def look() -> tuple[float, float, str]:
        pids(sleeper)
        return next(looks), 1000, ""

    with pytest.raises(type(reason)):
        run(Command(["sleep"], sleeper, patience), job, look)
    assert all_gone(sleeper) and (sleeper / "saved").exists() is bool(patience)


def test_one_that_does_not_listen_is_killed(job: FakeContext, sleeper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(sleeper, deaf=True)
    monkeypatch.setattr(subprocess, "Popen", start)
    job.stop_after = (1, CancelledJobError("x"))
    with pytest.raises(CancelledJobError):
        run(Command(["sleep"], sleeper, 0.3), job, lambda: (len(pids(sleeper)), 2, ""))
    assert all_gone(sleeper)


def test_one_that_takes_too_much_memory_is_ended_with_a_reason(
    job: FakeContext, sleeper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(sleeper, megabytes=200)
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(RequestError, match="memory: got"):
        run(Command(["sleep"], sleeper), job, lambda: (0, 0, ""))
    assert all_gone(sleeper)


def test_a_killed_worker_takes_its_command_with_it(tmp_path: Path) -> None:
    """The real command, below a process that stands for the worker."""
    worker = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "packshot.server.child", str(os.getpid()), "generate", "red shoe",
                          "--backend", "fake", "--count", "1000", "--out", {str(tmp_path / "out")!r}])
print(child.pid, flush=True)
child.wait()
"""
    process = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    until = time.monotonic() + 60
    while not [*tmp_path.glob("out/*.png")] and time.monotonic() < until:
        time.sleep(0.02)
    assert not gone(pid)
    process.kill()
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert gone(pid)


def test_one_whose_parent_was_never_there_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "packshot.server.child", "1", "models"], capture_output=True, timeout=60
    )
    assert done.returncode == 1 and not done.stdout


def test_a_refusal_is_the_commands_own_line_without_our_folders(job: FakeContext, tmp_path: Path) -> None:
    folder = tmp_path / "listing"
    folder.mkdir()
    with pytest.raises(RequestError) as refused:
        run(Command(["check", str(folder / "none.jpg"), "--channel=shopify"], folder), job, lambda: (0, 0, ""))
    assert refused.value.where == "none.jpg" and refused.value.got == "no such file"
    assert str(tmp_path) not in str(refused.value)
    ended = run(Command(["models", "--json"], folder), job, lambda: (0, 0, ""))
    assert ended.status == 0 and ended.out.startswith("[")


def test_memory_is_that_of_the_whole_group() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import os,time; os.fork(); x=bytearray(50_000_000); time.sleep(30)"],
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 10
        while group_bytes(process.pid) < 100_000_000 and time.monotonic() < until:
            time.sleep(0.05)
        assert group_bytes(process.pid) > 100_000_000
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_job_that_is_put_back_is_as_if_it_had_not_been_begun(job: FakeContext) -> None:
    queue = Queue(job.assets.database)
    queue.submit(NewJob("listing", "slow", {}, 1.0), Room(1))
    taken = queue.claim("slow", "one")
    assert taken is not None and taken.attempt == 1
    queue.put_back(taken)
    again = queue.claim("slow", "two")
    assert again is not None and (again.id, again.attempt) == (taken.id, 1)
    queue.put_back(taken)  # by the worker that has it no more
    now = queue.get(taken.id)
    assert now is not None and (now.status, now.worker) == ("running", "two")
