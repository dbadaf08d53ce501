"""Start `packshot serve` as users do, on a free port of this machine, and stop it again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

START_SECONDS = 150.0


@dataclass
class RunningServer:
    """A server process, and a client of it."""

    process: subprocess.Popen[bytes]
    url: str
    home: Path
    http: httpx.Client

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[int]:
        """Process ids."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        children = [int(pid) for task in tasks for pid in (task / "children").read_text("ascii").split()]
        return [pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text("utf-8")]

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Nothing is worked on until the block ends; only for seconds, and where nothing runs or waits before."""
        for _ in range(600):
            if not self.http.get("/v1/jobs", params={"status": ["queued", "running"]}).json()["jobs"]:
                break
            time.sleep(0.1)
        workers = self.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)


@contextmanager
def serving(home: Path, *options: str, port: int = 0, environment: dict[str, str] | None = None
            ) -> Iterator[RunningServer]:  # fmt: skip
    """A server that is ready, until the block ends."""
    port = port or free_port()
    command = [sys.executable, "-m", "packshot", "serve", "--home", str(home), "--port", str(port), *options]
    log = home.parent / f"{home.name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        )
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=60) as client:
        try:
            _await_ready(client, process, log)
            yield RunningServer(process, url, home, client)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text('utf-8')}")
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the server was not ready in {START_SECONDS:g} s: {log.read_text('utf-8')}")
