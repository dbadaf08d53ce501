"""How well holes in real photos are filled: packshot's filler against OpenCV's, on holes whose content is known.

    python benchmarks/erase.py --photos ../shared/data/seller-photos.parquet --result benchmarks/results/DATE-erase.json

Holes are rectangles and discs of 4 to 14 % of the photo's width at places by chance: in the garment, at its edge, on
the floor. PSNR in the hole over sRGB bytes rewards blur where a texture cannot be known; `texture` is the standard
deviation of the detail (the picture less its Gaussian blur of 2 pixels) in the hole against the truth's, 1 being
right; `seam` is the step across the hole's edge against the truth's. Also look at the sheet that --sheet writes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from packshot.editing.erase import erase
from packshot.editing.scene import Scene
from packshot.images import contact_sheet, open_picture, save_picture


def ours(photo: np.ndarray, hole: np.ndarray, where: str) -> np.ndarray:
    return erase(Scene(photo), where).product


def telea(photo: np.ndarray, hole: np.ndarray, where: str) -> np.ndarray:
    return cv2.inpaint(photo, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)


def navier(photo: np.ndarray, hole: np.ndarray, where: str) -> np.ndarray:
    return cv2.inpaint(photo, hole.astype(np.uint8), 5, cv2.INPAINT_NS)


FILLERS: dict[str, Callable[[np.ndarray, np.ndarray, str], np.ndarray]] = {
    "packshot": ours,
    "opencv-telea": telea,
    "opencv-navier-stokes": navier,
}


def hole_in(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A hole and how `erase` is told of it."""
    height, width = shape[:2]
    hole = np.zeros((height, width), bool)
    if rng.random() < 0.5:
        w, h = (round(width * rng.uniform(0.04, 0.14)) for _ in range(2))
        x, y = int(rng.integers(w, width - 2 * w)), int(rng.integers(h, height - 2 * h))
        hole[y : y + h, x : x + w] = True
        return hole, f"{x},{y},{w},{h}"
    r = round(width * rng.uniform(0.02, 0.07))
    x, y = int(rng.integers(3 * r, width - 3 * r)), int(rng.integers(3 * r, height - 3 * r))
    rows, columns = np.ogrid[:height, :width]
    hole |= (rows - y) ** 2 + (columns - x) ** 2 <= r * r
    return hole, f"circle:{x},{y},{r}"


def scores(truth: np.ndarray, found: np.ndarray, hole: np.ndarray) -> dict[str, float]:
    a, b = truth.astype(np.float32), found.astype(np.float32)
    error = float(((a - b)[hole] ** 2).mean())
    detail = [(p - cv2.GaussianBlur(p, (0, 0), 2))[hole].std() for p in (a, b)]
    rim = hole & ~cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    steps = [np.abs(np.diff(p, axis=1, append=p[:, -1:]))[rim].mean() for p in (a, b)]
    return {
        "psnr": 10 * float(np.log10(255**2 / max(error, 1e-3))),
        "texture": float(detail[1] / max(detail[0], 1e-3)),
        "seam": float(steps[1] / max(steps[0], 1e-3)),
    }


def crops(photo: np.ndarray, hole: np.ndarray, found: list[np.ndarray]) -> list[np.ndarray]:
    """The surroundings of a hole: with the hole, as it was, as each filler makes it."""
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    pad = max(len(rows), len(columns))
    box = (slice(max(0, rows[0] - pad), rows[-1] + pad), slice(max(0, columns[0] - pad), columns[-1] + pad))
    punched = np.where(hole[..., None], np.uint8(255), photo)
    return [cv2.resize(p[box], (200, 200), interpolation=cv2.INTER_CUBIC) for p in (punched, photo, *found)]


def main() -> None:
    """Punch, fill, score, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    table = pq.read_table(options.photos, columns=["image"]).column("image")
    rng = np.random.default_rng(0)
    all_: dict[str, list[dict[str, float]]] = {name: [] for name in FILLERS}
    taken: dict[str, list[float]] = {name: [] for name in FILLERS}
    cells: list[np.ndarray] = []
    for index in rng.choice(len(table), options.count, replace=False):
        photo = open_picture(table[int(index)].as_py(), where=f"row {index}")
        hole, where = hole_in(photo.shape, rng)
        punched = np.where(hole[..., None], np.uint8(255), photo)
        found = []
        for name, filler in FILLERS.items():
            began = time.perf_counter()
            found.append(filler(punched, hole, where))
            taken[name].append(time.perf_counter() - began)
            all_[name].append(scores(photo, found[-1], hole))
        if len(cells) < 90:
            cells += crops(photo, hole, found)
    rows = {
        name: {key: round(float(np.median([s[key] for s in some])), 3) for key in some[0]}
        | {"seconds": round(float(np.median(taken[name])), 3)}
        for name, some in all_.items()
    }
    theirs = [s["psnr"] for s in all_["opencv-telea"]]
    rows["packshot"]["share_above_telea_psnr"] = round(
        float(np.mean([a["psnr"] > b for a, b in zip(all_["packshot"], theirs, strict=True)])), 3
    )
    print(json.dumps(rows, indent=1))
    if options.sheet:
        save_picture(
            contact_sheet(cells, columns=5, labels=["hole", "truth", *FILLERS] * (len(cells) // 5)), options.sheet
        )
    if options.result:
        result = {
            "date": datetime.date.today().isoformat(),
            "cores": os.cpu_count(),
            "holes": options.count,
            "median": rows,
        }
        options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
