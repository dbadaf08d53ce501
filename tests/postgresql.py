"""A real PostgreSQL server on loopback, stopped by its process id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = [shutil.which("initdb") or "", *map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
USER = "shop"


@contextmanager
def running() -> Iterator[str]:
    """`host:port` of an empty server that trusts the user `shop`; the test is skipped where PostgreSQL is missing."""
    psycopg = pytest.importorskip("psycopg")
    initdb = next((Path(name) for name in PROGRAMS if name), None)
    if initdb is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="packshot-"))  # pytest's folder is closed to other users
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log"
    try:
        command = [initdb, "-D", folder / "data", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **_unprivileged())  # type: ignore[call-overload]
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off"]
        command = [initdb.with_name("postgres"), "-D", folder / "data", *options]
        with open(log, "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, **_unprivileged())  # type: ignore[call-overload]
        try:
            address = f"127.0.0.1:{port}"
            _await(psycopg, address, log)
            yield address
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root; Debian's package comes with a user for it."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _await(psycopg: object, address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"postgresql://{USER}@{address}/postgres").close()  # type: ignore[attr-defined]
            return
        except psycopg.OperationalError:  # type: ignore[attr-defined]
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
