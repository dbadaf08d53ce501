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
    pages = [(folder / "index.html").read_bytes() for folder in (torn, whole)]
    assert pages[0] == pages[1] and all(
        str(row["key"])[:20].encode() in pages[0] for row in lines(whole / "manifest.jsonl")
    )
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


def test_rejected_pictures_go_for_good_and_drawn_ones_can_be_made_anew(shop: list[object], tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("sku,title\nB0,brown bag\nW1,red shoe\n", encoding="utf-8")
    (tmp_path / "sets.toml").write_text("[taobao-main]\nmain = 1\nscene = 1\n", encoding="utf-8")
    out, file = tmp_path / "out", tmp_path / "rejected.txt"
    command = [*shop[:4], "--channels", "taobao-main", *shop[6:], "--out", out, "--workers", 1, "--json"]

    def told(*more: object, code: int = 0) -> dict[str, int]:
        done = packshot(*command, *more)
        assert done.returncode == code, done.stderr
        counts: dict[str, int] = json.loads(done.stdout)
        return counts

    assert told()["made"] == 4
    before = {str(row["name"]): row for row in lines(out / "manifest.jsonl")}
    assert {str(row["photo"]) != "None" for row in before.values()} == {True, False}
    photo, drawn, scene = "B0/taobao-main/main-1.jpg", "W1/taobao-main/main-1.jpg", "B0/taobao-main/scene-1.jpg"
    file.write_text(f"{str(before[photo]['key'])[:20]} cut badly\n{before[drawn]['key']}\n")
    assert told("--rejected", file, "--dry-run")["rejected"] == 2 and (out / photo).exists()
    for more in (["--rejected", file], ["--only-failures"], []):  # and never again
        counts = told(*more)
        assert (counts["made"], counts["there"], counts["rejected"], counts["known"]) == (0, 2, 2, 0)
    assert not (out / photo).exists() and not list(out.glob(f"{photo}*")) and len(made(out)) == 2
    gone = {row["name"]: row["reason"] for row in lines(out / "failures.jsonl") if row["kind"] == "rejected"}
    assert gone == {photo: "cut badly", drawn: "rejected by a person"}
    assert b"cut badly" in (out / "index.html").read_bytes()

    file.write_text(f"{before[drawn]['key']}\n{before[scene]['key']}\n")
    assert told("--remake", file)["made"] == 2
    after = {str(row["name"]): row for row in lines(out / "manifest.jsonl")}
    assert set(after) == {*before} - {photo} and len(made(out)) == 3
    for name in (drawn, scene):
        assert after[name]["take"] == 1 and after[name]["sha256"] != before[name]["sha256"]
        assert after[name]["key"] != before[name]["key"]
    counts = told("--remake", file)  # the same command again
    assert (counts["made"], counts["there"], counts["rejected"]) == (0, 3, 1)
    (out / drawn).write_bytes(b"damaged")
    assert told()["made"] == 1 and made(out)[after[drawn]["key"]] == after[drawn]["sha256"]  # not the first one

    file.write_text(str(before[photo]["key"]))
    assert told("--remake", file)["made"] == 1 and made(out)[before[photo]["key"]] == before[photo]["sha256"]
    done = packshot(*command, "--remake", file)
    assert done.returncode == 0 and "from a photo alone" in done.stderr and "Traceback" not in done.stderr
    file.write_text("B0/taobao-main/main-1.jpg")
    done = packshot(*command, "--rejected", file)
    assert done.returncode == 2 and "rejected.txt, line 1" in done.stderr
