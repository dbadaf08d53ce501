"""How near ways of enlarging come to the photo that was reduced, on products on white and on sellers' photos.

    python benchmarks/enlarge.py --data ../shared/data --result benchmarks/results/DATE-enlarge.json

Every picture is reduced two and four times, by area as a camera's sensor does, rounded, enlarged again and compared:
PSNR over all pixels and channels, means over the pictures. The pack's upscaler has learnt from other pictures of the
first set's shop; the other two are strange to it. Also seconds for a megapixel of input on one thread.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from packshot.editing.enlarge import PACK, back_projected, enlarged, network_enlarged
from packshot.images import open_picture
from packshot.packs import Pack, find_pack

SETS = {"fashion-hires": ("fashion-hires-1", 100), "abo": ("abo-256", 50), "sellers": ("seller-photos", 30)}
"""Name -> file, how many of its pictures, evenly spread."""
SHARES = (0.2, 0.3, 0.4, 0.5, 0.75)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def pictures(path: Path, count: int) -> list[NDArray[np.uint8]]:
    column = pq.read_table(path, columns=["image"])["image"]
    chosen = np.linspace(0, len(column) - 1, count).astype(int)
    read = [open_picture(io.BytesIO(column[int(i)].as_py()), where=f"{path} row {i}") for i in chosen]
    return [rgb[: rgb.shape[0] // 4 * 4, : rgb.shape[1] // 4 * 4] for rgb in read]


def candidates(small: NDArray[np.uint8], times: int, pack: Pack) -> dict[str, tuple[NDArray[np.float32], float]]:
    """Name -> (picture, seconds)."""
    found: dict[str, tuple[NDArray[np.float32], float]] = {}
    known = small.astype(np.float32)
    size = (small.shape[1] * times, small.shape[0] * times)

    def add(name: str, make) -> NDArray[np.float32]:
        began = time.perf_counter()
        made = np.asarray(make(), np.float32)
        found[name] = (made, time.perf_counter() - began)
        return made

    add("bicubic", lambda: cv2.resize(known, size, interpolation=cv2.INTER_CUBIC))
    lanczos = add("lanczos", lambda: cv2.resize(known, size, interpolation=cv2.INTER_LANCZOS4))
    fine = add("upscaler", lambda: network_enlarged(known, times, pack))
    add("bicubic + back-projection", lambda: back_projected(found["bicubic"][0], known, times))
    add("lanczos + back-projection", lambda: back_projected(lanczos, known, times))
    add("upscaler + back-projection", lambda: back_projected(fine, known, times))
    change = ((fine - lanczos) @ LUMA)[..., None]
    for share in SHARES:
        name = f"lanczos + {share:g} of the upscaler's lightness + back-projection"
        add(name, lambda share=share: back_projected(np.clip(lanczos + share * change, 0, 255), known, times))
    add("enlarge by=plain", lambda: enlarged(small, times))
    add("enlarge by=network", lambda: enlarged(small, times, pack))
    return found


def measure(path: Path, count: int, times: int, pack: Pack) -> dict[str, dict[str, float]]:
    psnr, seconds, inputs = defaultdict(list), defaultdict(float), 0
    for photo in pictures(path, count):
        size = (photo.shape[1] // times, photo.shape[0] // times)
        small = np.rint(cv2.resize(photo.astype(np.float32), size, interpolation=cv2.INTER_AREA)).astype(np.uint8)
        inputs += size[0] * size[1]
        for name, (made, took) in candidates(small, times, pack).items():
            error = np.clip(np.rint(made), 0, 255) - photo
            psnr[name].append(10 * np.log10(255**2 / max(float(np.mean(error**2)), 1e-3)))
            seconds[name] += took
    return {
        name: {"psnr": round(float(np.mean(some)), 2), "seconds_per_megapixel": round(seconds[name] * 1e6 / inputs, 2)}
        for name, some in psnr.items()
    }


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pack = find_pack(PACK, ("flow", "gan", "vae"))
    result: dict[str, object] = {"date": datetime.date.today().isoformat(), "pictures": dict(SETS.values())}
    for label, (name, count) in SETS.items():
        for times in (2, 4):
            rows = measure(options.data / f"{name}.parquet", count, times, pack)
            result[f"{label} ×{times}"] = rows
            print(f"{label} ×{times}")
            for way, row in rows.items():
                print(f"  {row['psnr']:6.2f} dB {row['seconds_per_megapixel']:7.2f} s/MP  {way}", flush=True)
    if options.result:
        options.result.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
