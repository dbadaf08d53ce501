"""A catalogue with a tenth of its rows damaged, through `packshot listing`, killed at random until it is done.

    python benchmarks/listing_torture.py --rows 1000 --executor local --kills 8 --result benchmarks/results/…json
    python benchmarks/listing_torture.py --rows 1000 --executor ray --kills 8 --result …

Products are drawn: bags of a colour each, on exact white or on a wooden floor. At random moments -9 goes to a worker,
to the driver alone, or to all of them; then the same command runs again, until it ends by itself. At the end every good
row has its picture on every channel exactly once, intact and without complaints of `tests/listing_checker.py`, which
imports nothing of packshot; every damaged row has none, and a line in failures.jsonl; nothing else lies in the folder.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from listing_checker import complaints  # noqa: E402

CHANNELS = ("amazon-main", "taobao-white")
SIDE = 1000
Line = dict[str, object]


@dataclass
class Shop:
    """A catalogue, and what must come of it.

    Attributes:
        command: of packshot, but for `--out` and what a trial adds.
        good: SKUs of rows that must have their pictures.
        bad: SKU, or the row's number where it has none that can be read, and the fault.
    """

    command: list[str]
    good: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)


def bag(number: int, dice: random.Random, side: int = SIDE) -> Image.Image:
    """A bag in a colour of its own, on white or, every third, on a floor of boards."""
    big = 2 * side
    image = Image.new("RGB", (big, big), "white")
    draw = ImageDraw.Draw(image)
    if number % 3 == 0:
        for top in range(0, big, 160):
            shade = dice.randrange(-8, 9)
            draw.rectangle([0, top, big, top + 156], fill=(196 + shade, 178 + shade, 150 + shade))
    fill = tuple(dice.randrange(30, 130) for _ in range(3))
    half = dice.uniform(0.72, 0.8) * side
    handle = [side - 0.4 * half, side - half, side + 0.4 * half, side + 0.2 * half]
    draw.ellipse(handle, outline=tuple(c // 2 for c in fill), width=round(0.08 * half))
    draw.rectangle([side - 0.8 * half, side - 0.3 * half, side + 0.8 * half, side + half], fill=fill)
    for k in range(1, 5):
        y = side - 0.3 * half + k * 0.26 * half
        draw.line([side - 0.8 * half, y, side + 0.8 * half, y], fill=tuple(c // 2 for c in fill), width=side // 60)
    return image.resize((side, side), Image.Resampling.BOX)


def jpeg(image: Image.Image) -> bytes:
    """The file that a seller has."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


Fault = Callable[["Writer", str, int], bytes]


class Writer:
    """Writes photos and rows; faults are methods that return a row's bytes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.dice = folder, random.Random(seed)
        (folder / "photos").mkdir(parents=True)

    def photo(self, sku: str, number: int, data: bytes | None = None, side: int = SIDE) -> None:
        content = jpeg(bag(number, self.dice, side)) if data is None else data
        (self.folder / "photos" / f"{sku}.jpg").write_bytes(content)

    def row(self, sku: str, title: str = "brown bag", photo: str | None = None) -> bytes:
        return f"{sku},{title},{f'{sku}.jpg' if photo is None else photo}\n".encode()

    def no_photo(self, sku: str, number: int) -> bytes:
        return self.row(sku)

    def half_a_photo(self, sku: str, number: int) -> bytes:
        data = jpeg(bag(number, self.dice))
        self.photo(sku, number, data[: len(data) // 2])
        return self.row(sku)

    def no_picture(self, sku: str, number: int) -> bytes:
        self.photo(sku, number, b"<html>not found</html>")
        return self.row(sku)

    def empty_photo(self, sku: str, number: int) -> bytes:
        self.photo(sku, number, b"")
        return self.row(sku)

    def small_photo(self, sku: str, number: int) -> bytes:
        self.photo(sku, number, side=180)
        return self.row(sku)

    def no_title(self, sku: str, number: int) -> bytes:
        self.photo(sku, number)
        return self.row(sku, title=" ")

    def no_text(self, sku: str, number: int) -> bytes:
        self.photo(sku, number)
        return f"{sku},".encode() + b"\xff\xfe\x81 bag," + f"{sku}.jpg\n".encode()

    def few_values(self, sku: str, number: int) -> bytes:
        self.photo(sku, number)
        return f"{sku}\n".encode()

    def outside(self, sku: str, number: int) -> bytes:
        return self.row(sku, photo="../shop.csv")

    def two_items(self, sku: str, number: int) -> bytes:
        image = Image.new("RGB", (SIDE, SIDE), "white")
        for left, side in ((0, SIDE // 2), (SIDE // 2, SIDE // 3)):  # of one size and colour they might be a pair
            image.paste(bag(1, self.dice, side), (left, SIDE // 4))
        self.photo(sku, number, jpeg(image))
        return self.row(sku)


FAULTS: tuple[Fault, ...] = (
    Writer.no_photo, Writer.half_a_photo, Writer.no_picture, Writer.empty_photo, Writer.small_photo, Writer.no_title,
    Writer.no_text, Writer.few_values, Writer.outside, Writer.two_items,
)  # fmt: skip


def make_shop(folder: Path, rows: int, seed: int = 1) -> Shop:
    """A catalogue of so many rows, every tenth of them damaged in one of ten ways."""
    writer = Writer(folder, seed)
    (folder / "sets.toml").write_text("".join(f"[{name}]\nmain = 1\n" for name in CHANNELS), encoding="utf-8")
    shop = Shop(
        ["listing", str(folder / "shop.csv"), "--photos", str(folder / "photos"), "--channels", ",".join(CHANNELS),
         "--sets", str(folder / "sets.toml")]
    )  # fmt: skip
    table = [b"sku,title,photo\n"]
    for number in range(rows):
        sku = f"B{number:05}"
        if number % 10 == 7:
            fault = FAULTS[number // 10 % len(FAULTS)]
            shop.bad[sku] = fault.__name__
            table.append(fault(writer, sku, number))
        else:
            writer.photo(sku, number)
            shop.good.append(sku)
            table.append(writer.row(sku))
    (folder / "shop.csv").write_bytes(b"".join(table))
    return shop


def children(pid: int) -> list[int]:
    """Of a process, and theirs."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = [int(child) for child in path.read_text(encoding="ascii").split()]
        except OSError:
            continue
        found += [one for child in direct for one in (child, *children(child))]
    return found


def killed(process: subprocess.Popen[bytes], dice: random.Random, seconds: float) -> str:
    """Kill something of a run after a while; what, or nothing if it ended before."""
    try:
        process.wait(dice.uniform(0.4, 1.0) * seconds)
    except subprocess.TimeoutExpired:
        pass
    else:
        return ""
    what = dice.choice(("worker", "driver", "all"))
    workers = [pid for pid in children(process.pid) if is_worker(pid)]
    if what == "worker" and workers:
        os.kill(dice.choice(workers), signal.SIGKILL)
    elif what == "driver":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    return what


def is_worker(pid: int) -> bool:
    """Of a local pool or of Ray."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"spawn_main" in words or b"ray::" in words


def through(command: list[str], kills: int, seconds: float, seed: int) -> Counter[str]:
    """Run a command until it has ended by itself, after so many kills; what was killed."""
    dice, done = random.Random(seed), Counter[str]()
    while True:
        whole = [sys.executable, "-m", "packshot", *command]
        process = subprocess.Popen(whole, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while sum(done.values()) < kills and process.poll() is None:
            done[killed(process, dice, seconds)] += 1
            done.pop("", None)
        status = process.wait()
        if status >= 0:
            if status not in (0, 1):
                raise SystemExit(f"the run ended with {status}")
            return done


def faults_of(shop: Shop, out: Path) -> list[str]:
    """What is not as it must be at the end; nothing where all is well."""
    manifest, failures = lines(out / "manifest.jsonl"), lines(out / "failures.jsonl")
    wrong = [f"a line twice: {key}" for key, count in Counter(row["key"] for row in manifest).items() if count > 1]
    there = Counter((str(row["sku"]), str(row["channel"])) for row in manifest)
    wanted = Counter((sku, channel) for sku in shop.good for channel in CHANNELS)
    wrong += [f"{sku} has {there[sku, channel]} of {channel}" for sku, channel in wanted | there
              if there[sku, channel] != wanted[sku, channel]]  # fmt: skip
    for row in manifest:
        data = (out / str(row["name"])).read_bytes()
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            wrong.append(f"{row['name']} is not what its line says")
        wrong += [f"{row['name']}: {fault}" for fault in complaints(data, str(row["channel"]))]
    told = {str(row.get("sku")) for row in failures}
    unread = sum(not row.get("sku") for row in failures)
    silent = [sku for sku in shop.bad if sku not in told]
    if len(silent) > unread:  # a row whose bytes are no text has no SKU to be told by
        wrong.append(f"no reason given for {silent}")
    known = {str(row["name"]) for row in manifest} | {str(row["certificate"]) for row in manifest}
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    extra = {name for name in files - known if "/" in name or name.endswith(".tmp")}
    return wrong + [f"left over: {name}" for name in sorted(extra)]


def lines(path: Path) -> list[Line]:
    """Of a file of JSON lines; a torn one fails."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def main() -> None:
    """Draw, run, kill, look."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two kills, at the most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = make_shop(Path(folder) / "shop", options.rows, options.seed)
        out = Path(folder) / "out"
        began = time.monotonic()
        command = [*shop.command, "--out", str(out), "--executor", options.executor]
        done = through(command, options.kills, options.every, options.seed)
        seconds, wrong = time.monotonic() - began, faults_of(shop, out)
        took = [float(str(row["seconds"])) for row in lines(out / "manifest.jsonl")]
    document = {
        "date": datetime.date.today().isoformat(),
        "rows": options.rows,
        "damaged": Counter(shop.bad.values()),
        "executor": options.executor,
        "killed": done,
        "pictures": len(took),
        "minutes": round(seconds / 60, 1),
        "seconds of a picture": round(float(np.mean(took)), 3),
        "wrong": wrong,
    }
    print(json.dumps(document, indent=1))
    if options.result:
        options.result.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
