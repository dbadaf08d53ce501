"""A disk that fills up while a run writes to it: a real one of few kilobytes, and a limit on the size of files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cv2")

from listing_shop import lines, shop_in

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
"""Whoever is root in there may mount, and nothing stays mounted once the command has ended."""

SCRIPT = """
mount -t tmpfs -o size={size} none "$1" || exit 99
shift; disk="$1"; kept="$2"; shift 2
"$@"; echo "exit $?"
find "$disk" -name '*.tmp' -print
cp -a "$disk/run" "$kept/full"
mount -o remount,size=64m "$disk"
"$@"; echo "exit $?"
cp -a "$disk/run" "$kept/finished"
"""

LIMITED = """
import resource, sys
from pathlib import Path
from packshot.errors import OutputError
from packshot.listing.store import LocalStore
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
store = LocalStore(Path(sys.argv[1]))
store.write("a.jpg", b"a" * 900)
for data in (b"b" * 1100, b"c" * 100_000):
    try:
        store.write("a.jpg", data)
    except OutputError as error:
        print(error)
with store.alone() as journal:
    journal.append("m.jsonl", b"1" * 599 + b"\\n")
    try:
        journal.append("m.jsonl", b"2" * 599 + b"\\n")
    except OutputError as error:
        print(error)
    journal.append("m.jsonl", b"3" * 199 + b"\\n")
"""


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_room_finishes_it(tmp_path: Path) -> None:
    disk, command = tmp_path / "disk", shop_in(tmp_path)
    disk.mkdir()
    tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", disk], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"needs a disk of its own, which this machine does not let users mount: {tried.stderr.strip()}")
    run = [sys.executable, "-m", "packshot", *map(str, command), "--out", str(disk / "run"), "--workers", "1"]
    script = ["sh", "-c", SCRIPT.format(size="160k"), "sh", str(disk), str(disk), str(tmp_path), *run]
    done = subprocess.run([*NAMESPACE, *script], capture_output=True, text=True, timeout=170)
    assert done.stdout.splitlines()[0] == "exit 2" and ".tmp" not in done.stdout, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("packshot: ") and "got" in line]
    assert len(said) == 1 and "Traceback" not in done.stderr
    assert "got No space left on device" in said[0] or "got a full disk" in said[0]  # for a picture, or for a line

    full = intact(tmp_path / "full")
    finished = intact(tmp_path / "finished")
    assert 0 < len(full) < len(finished) == 10 and full.items() <= finished.items()
    assert done.stdout.splitlines()[-1] == "exit 1"  # a row is damaged, and amazon-main takes no drawn product
    pictures = {path.relative_to(tmp_path / "finished").as_posix() for path in (tmp_path / "finished").rglob("*.jpg")}
    assert pictures == set(finished)


def intact(out: Path) -> dict[str, object]:
    """Digests by name, as the manifest says and the files confirm; each line once."""
    rows = lines(out / "manifest.jsonl")
    assert len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        assert hashlib.sha256((out / str(row["name"])).read_bytes()).hexdigest() == row["sha256"]
        assert row["certificate"] is None or json.loads((out / str(row["certificate"])).read_bytes())
    return {str(row["name"]): row["sha256"] for row in rows}


def test_nothing_half_written_where_files_may_not_grow(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [line.partition(": got ")[2].partition(";")[0] for line in done.stdout.splitlines()] == [
        "File too large",
        "File too large",
        "a full disk",
    ]
    assert (tmp_path / "a.jpg").read_bytes() == b"a" * 900
    assert (tmp_path / "m.jsonl").read_bytes() == b"1" * 599 + b"\n" + b"3" * 199 + b"\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a.jpg", "m.jsonl", ".packshot-listing.lock"}
