"""`packshot listing`: what a killed run leaves is finished by the next, nothing lost and nothing doubled."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import packshot

pytest.importorskip("cv2")

from listing_pictures import jpeg, product
from listing_shop import lines, shop_in

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path: Path) -> list[object]:
    return shop_in(tmp_path)


def made(out: Path) -> dict[object, object]:
    """sha256 by key; every line once, and its file as it says."""
    rows = lines(out / "manifest.jsonl")
    assert len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        assert hashlib.sha256((out / str(row["name"])).read_bytes()).hexdigest() == row["sha256"]
    return {row["key"]: row["sha256"] for row in rows}


def start(command: list[object], out: Path) -> subprocess.Popen[bytes]:
    whole = [sys.executable, "-m", "packshot", *map(str, command), "--out", str(out), "--workers", "2"]
    return subprocess.Popen(whole, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_after(command: list[object], out: Path, pictures: int, *, group: bool) -> None:
    """Kill -9 once the manifest has so many lines."""
    process, until = start(command, out), time.monotonic() + 60
    while (
        len((out / "manifest.jsonl").read_bytes().splitlines() if (out / "manifest.jsonl").exists() else []) < pictures
    ):
        assert process.poll() is None and time.monotonic() < until, "the run ended before it could be killed"
        time.sleep(0.01)
    (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_and_resumed_is_as_never_interrupted(shop: list[object], tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert start(shop, whole).wait(timeout=90) == 1  # a row is damaged, and amazon-main takes no drawn product
    kill_after(shop, torn, 2, group=True)
    with (torn / "manifest.jsonl").open("a") as file:
        file.write('{"key": "torn')
    (torn / "B0" / ".packshot-1-2.tmp").parent.mkdir(exist_ok=True)
    (torn / "B0" / ".packshot-1-2.tmp").write_bytes(b"half")
    kill_after(shop, torn, 5, group=False)  # the driver alone: its workers end by themselves
    before = {row["name"]: (torn / str(row["name"])).stat().st_mtime_ns for row in lines(torn / "manifest.jsonl")}
    assert packshot(*shop, "--out", torn, "--workers", 1).returncode == 1
    assert made(torn) == made(whole) and len(made(whole)) == 10
    assert all((torn / str(name)).stat().st_mtime_ns == at for name, at in before.items())
    assert lines(torn / "failures.jsonl") == lines(whole / "failures.jsonl")
    assert not list(torn.rglob("*.tmp"))
    assert {row["kind"] for row in lines(whole / "failures.jsonl")} == {"row", "set"}

    (whole / "B0" / "taobao-main" / "main-1.jpg").write_bytes(b"damaged")
    done = packshot(*shop, "--out", whole, "--workers", 1, "--json")
    assert json.loads(done.stdout)["made"] == 1 and made(whole) == made(torn)


def test_what_failed_is_tried_again_only_when_asked(shop: list[object], tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "B0.jpg"
    photo.write_bytes(jpeg(product(200)))  # too small for amazon-main: a repair would enlarge it more than twice
    one = [*shop[:4], "--channels", "amazon-main", *shop[6:], "--out", tmp_path / "out", "--workers", 1, "--json"]
    first, again = (json.loads(packshot(*one).stdout) for _ in range(2))
    assert (first["made"], first["failed"]) == (3, 1)
    assert (again["made"], again["failed"], again["known"]) == (0, 0, 1)
    failed = [row for row in lines(tmp_path / "out" / "failures.jsonl") if row["kind"] == "refused"]
    assert len(failed) == 1 and "too small" in str(failed[0]["reason"])
    third = json.loads(packshot(*one, "--only-failures").stdout)
    assert (third["todo"], third["failed"]) == (1, 1)


def test_a_dry_run_writes_nothing_and_mistakes_are_said(shop: list[object], tmp_path: Path) -> None:
    done = packshot(*shop, "--out", tmp_path / "out", "--dry-run", "--json")
    assert json.loads(done.stdout)["to_make"] == 10 and not (tmp_path / "out").exists()
    for wrong in (
        ["--executor", "spark"],
        ["--ray-address", "127.0.0.1:6379"],
        ["--channels", "amazon"],
        ["--out", tmp_path / "photos" / "out"],
    ):
        assert packshot(*shop, "--out", tmp_path / "out", *wrong).returncode == 2
