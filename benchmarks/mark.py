"""How well the imperceptible mark survives, and what it costs the picture.

    python benchmarks/mark.py --data ../shared/data --result benchmarks/results/DATE-mark.json

Pictures come in equal parts from three sets: goods on white (abo-256), a fashion catalogue (fashion-hires-0), sellers'
photos. They are enlarged to a longer side of 800 to 1,600 pixels as a shop would list them, their white kept exactly
white, and marked once more as small as they are. Beside it two published blind schemes carry the same 32 bits at the
same PSNR: quantised largest singular values of DCT blocks within a Haar wavelet's low band (as invisible-watermark's
dwtDctSvd), and the order of two mid-frequency coefficients of 8×8 blocks, repeated (Koch & Zhao 1995). Their readers
are told the strength; ours is told nothing.

False positives are measured by `benchmarks/mark_unmarked.py`.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from packshot.images import contact_sheet, open_picture, save_picture
from packshot.provenance import mark

SETS = ("abo-256", "fashion-hires-0", "seller-photos")
BITS = 32
PARTS = {
    "listed": "listed_800_to_1600_px",
    "small": "as_small_as_they_are",
    "published": "published_at_800_px",
    "sizes": "by_longer_side",
}
"""What can be measured, and what it is called in the result."""


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def webp(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality)
    return np.array(Image.open(buffer).convert("RGB"))


def resized(pixels: np.ndarray, factor: float) -> np.ndarray:
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def cropped(pixels: np.ndarray, most: float, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    top, bottom = (round(height * share) for share in rng.uniform(0, most, 2))
    left, right = (round(width * share) for share in rng.uniform(0, most, 2))
    return pixels[top : height - bottom, left : width - right]


def evenly(pixels: np.ndarray) -> np.ndarray:
    height, width = (round(0.05 * side) for side in pixels.shape[:2])
    return pixels[height:-height, width:-width]


ATTACKS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "none": lambda p, rng: p,
    "jpeg 75": lambda p, rng: jpeg(p, 75),
    "webp 75": lambda p, rng: webp(p, 75),
    "resized to 50 %": lambda p, rng: resized(p, 0.5),
    "cropped by 5 % at each side": lambda p, rng: evenly(p),
    "cropped by up to 5 % at each side": lambda p, rng: cropped(p, 0.05, rng),
    "cropped, resized to 50 %, jpeg 75": lambda p, rng: jpeg(resized(cropped(p, 0.05, rng), 0.5), 75),
    "jpeg 50": lambda p, rng: jpeg(p, 50),
}


def listed(pixels: np.ndarray, side: int) -> np.ndarray:
    """The picture at a longer side of `side`, what was white still exactly white."""
    white = ((pixels >= 253).all(axis=2) * 255).astype(np.uint8)
    out = resized(pixels, side / max(pixels.shape[:2]))
    mask = Image.fromarray(white).resize(out.shape[1::-1], Image.Resampling.BILINEAR)
    out[np.asarray(mask) > 127] = 255
    return out


def pictures(data: Path, count: int, rng: np.random.Generator) -> list[tuple[str, bytes]]:
    """`count` pictures to mark."""
    chosen: list[tuple[str, bytes]] = []
    for number, name in enumerate(SETS):
        rows = pq.read_table(data / f"{name}.parquet", columns=["image"])["image"].to_pylist()
        chosen += [(name, rows[i]) for i in rng.permutation(len(rows))[: (count + number) // len(SETS)]]
    return chosen


# ---- Published schemes -----------------------------------------------------------------------------------------------


def blocks(plane: np.ndarray, side: int) -> np.ndarray:
    """(rows, columns, side, side), a view of what fits."""
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    return plane[: rows * side, : columns * side].reshape(rows, side, columns, side).swapaxes(1, 2)


def haar(plane: np.ndarray) -> np.ndarray:
    plane = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 2


def svd_values(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    low = haar(luma)
    return low, *np.linalg.svd(np.array([[cv2.dct(np.ascontiguousarray(b)) for b in row] for row in blocks(low, 4)]))


def svd_embed(luma: np.ndarray, bits: np.ndarray, step: float) -> np.ndarray:
    low, u, s, v = svd_values(luma)
    carried = np.resize(bits, s.shape[:2])
    s[..., 0] = (np.floor(s[..., 0] / step) + 0.25 + 0.5 * carried) * step
    back = (u * s[..., None, :]) @ v
    new = low.copy()
    new_blocks = np.array([[cv2.idct(np.ascontiguousarray(b)) for b in row] for row in back])
    blocks(new, 4)[...] = new_blocks
    out = luma.copy()
    change = np.repeat(np.repeat((new - low) / 2, 2, axis=0), 2, axis=1)
    out[: change.shape[0], : change.shape[1]] += change
    return out


def svd_read(luma: np.ndarray, step: float) -> np.ndarray:
    s = svd_values(luma)[2][..., 0]
    votes = ((s % step) > 0.5 * step) * 2.0 - 1
    return np.bincount(np.resize(np.arange(BITS), votes.shape).ravel(), weights=votes.ravel(), minlength=BITS) > 0


PAIR = ((2, 3), (3, 2))  # Koch and Zhao compare two coefficients of the middle


def pair_embed(luma: np.ndarray, bits: np.ndarray, step: float) -> np.ndarray:
    out = luma.copy()
    view = blocks(out, 8)
    carried = np.resize(bits, view.shape[:2]) * 2.0 - 1
    for row in range(view.shape[0]):
        for column in range(view.shape[1]):
            dct = cv2.dct(np.ascontiguousarray(view[row, column]))
            lead = (dct[PAIR[0]] - dct[PAIR[1]]) * carried[row, column]
            if lead < step:
                dct[PAIR[0]] += carried[row, column] * (step - lead) / 2
                dct[PAIR[1]] -= carried[row, column] * (step - lead) / 2
                view[row, column] = cv2.idct(dct)
    return out


def pair_read(luma: np.ndarray, step: float) -> np.ndarray:
    view = blocks(luma, 8)
    dct = np.array([[cv2.dct(np.ascontiguousarray(b)) for b in row] for row in view])
    votes = np.sign(dct[..., PAIR[0][0], PAIR[0][1]] - dct[..., PAIR[1][0], PAIR[1][1]])
    return np.bincount(np.resize(np.arange(BITS), votes.shape).ravel(), weights=votes.ravel(), minlength=BITS) > 0


def luma_of(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def published(
    pixels: np.ndarray, bits: np.ndarray, psnr: float, embed: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
) -> tuple[np.ndarray, float]:
    """Marked as strongly as `psnr` allows, exact white untouched; and the step that this took."""
    free, luma = ~(pixels == 255).all(axis=2), luma_of(pixels)
    low, high, out = 1.0, 256.0, pixels
    for _ in range(6):
        step = (low * high) ** 0.5
        change = np.rint(embed(luma, bits, step) - luma) * free
        tried = np.clip(pixels + change[..., None], 0, 255).astype(np.uint8)
        error = np.square(tried.astype(np.float32) - pixels).mean()
        if error <= 65025 / 10 ** (psnr / 10):
            low, out = step, tried
        else:
            high = step
    return out, low


PUBLISHED = {"dwt-dct-svd": (svd_embed, svd_read), "dct-pairs": (pair_embed, pair_read)}


# ---- Measurements ----------------------------------------------------------------------------------------------------


def survival(chosen: list[tuple[str, bytes]], rng: np.random.Generator, small: bool) -> dict[str, object]:
    kept: dict[str, dict[str, list[bool]]] = {name: {s: [] for s in SETS} for name in ATTACKS}
    psnr, seconds, reads, wrong, white = [], [], [], 0, 0
    for name, data in chosen:
        pixels = open_picture(data, where=name)
        if not small:
            pixels = listed(pixels, int(rng.integers(800, 1601)))
        payload = mark.Payload(int(rng.integers(4)), int(rng.integers(mark.NUMBERS)))
        began = time.process_time()
        marked = mark.embed(pixels, payload)
        seconds.append((time.process_time() - began) / (pixels.shape[0] * pixels.shape[1] / 1e6))
        was, now = (pixels == 255).all(axis=2), (marked.pixels == 255).all(axis=2)
        white += int((was != now).sum())
        if marked.readable:
            psnr.append(marked.psnr)
        for attack, function in ATTACKS.items():
            found = mark.read(function(marked.pixels, rng)) if marked.readable else None
            kept[attack][name].append(found is not None and found.payload == payload)
            wrong += found is not None and found.payload != payload
            if found is not None:
                reads.append((found.peak, found.certainty))
    shares = {
        attack: {
            "all": round(float(np.mean([hit for values in by.values() for hit in values])), 4),
            **{name: round(float(np.mean(values)), 3) for name, values in by.items()},
        }
        for attack, by in kept.items()
    }
    return {
        "pictures": len(chosen),
        "carried": len(psnr),
        "psnr_least_median": [round(float(np.min(psnr)), 2), round(float(np.median(psnr)), 2)],
        "white_pixels_changed": white,
        "wrong_payloads": wrong,
        "least_peak_and_certainty_of_those_read": [round(float(least), 2) for least in np.min(reads, axis=0)],
        "embed_seconds_per_megapixel_median": round(float(np.median(seconds)), 3),
        "read": shares,
    }


HARSH = ("jpeg 75", "webp 75", "jpeg 50", "cropped, resized to 50 %, jpeg 75")
SIDES = (240, 320, 480, 640, 800, 1000)


def by_size(chosen: list[tuple[str, bytes]]) -> dict[str, object]:
    """What is read at each longer side, WebP being tried while marking (as it is) and not (as it was)."""
    found: dict[str, object] = {}
    limit = mark._FRAGILE_PX
    for side in SIDES:
        for how, most in (("as it is", limit), ("WebP never tried", 0)):
            mark._FRAGILE_PX = most
            found[f"{side} px, {how}"] = _read_at(chosen, side, np.random.default_rng(4))
    mark._FRAGILE_PX = limit
    return found


def _read_at(chosen: list[tuple[str, bytes]], side: int, rng: np.random.Generator) -> dict[str, object]:
    kept: dict[str, list[bool]] = {name: [] for name in HARSH}
    psnr, seconds, wrong = [], [], 0
    for name, data in chosen:
        pixels = listed(open_picture(data, where=name), side)
        payload = mark.Payload(int(rng.integers(4)), int(rng.integers(mark.NUMBERS)))
        began = time.process_time()
        marked = mark.embed(pixels, payload)
        seconds.append(time.process_time() - began)
        if marked.readable:
            psnr.append(marked.psnr)
        for attack in HARSH:
            function = ATTACKS[attack]
            read = mark.read(function(marked.pixels, rng)) if marked.readable else None
            kept[attack].append(read is not None and read.payload == payload)
            wrong += read is not None and read.payload != payload
    return {
        "pictures": len(chosen),
        "carried": len(psnr),
        "psnr_least_median": [round(float(np.min(psnr)), 2), round(float(np.median(psnr)), 2)],
        "wrong_payloads": wrong,
        "embed_seconds_median": round(float(np.median(seconds)), 3),
        "read": {attack: round(float(np.mean(values)), 3) for attack, values in kept.items()},
    }


def survival_of_published(chosen: list[tuple[str, bytes]], rng: np.random.Generator) -> dict[str, object]:
    kept: dict[str, dict[str, list[bool]]] = {name: {a: [] for a in ATTACKS} for name in PUBLISHED}
    for name, data in chosen:
        pixels = listed(open_picture(data, where=name), 800)
        bits = rng.integers(0, 2, BITS)
        for scheme, (embed, read) in PUBLISHED.items():
            out, step = published(pixels, bits, mark.LEAST_PSNR + 0.5, embed)
            for attack, function in ATTACKS.items():
                found = read(luma_of(function(out, rng)), step)
                kept[scheme][attack].append(bool((found == (bits > 0)).all()))
    return {
        "pictures": len(chosen),
        **{scheme: {a: round(float(np.mean(v)), 3) for a, v in by.items()} for scheme, by in kept.items()},
    }


def sheet(chosen: list[tuple[str, bytes]], path: Path) -> None:
    """Plain, marked, and the difference sixteenfold."""
    cells = []
    for name, data in chosen[:: max(1, len(chosen) // 8)]:
        pixels = listed(open_picture(data, where=name), 800)
        marked = mark.embed(pixels, mark.Payload(1, 4711))
        difference = np.clip(128 + 16 * (marked.pixels.astype(np.int16) - pixels), 0, 255).astype(np.uint8)
        cells += [pixels, marked.pixels, difference]
    save_picture(contact_sheet(cells, columns=3), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--published", type=int, default=30, help="pictures for the published schemes and for sizes")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--result", type=Path)
    parser.add_argument("--only", choices=PARTS, help="one part of the measurements")
    options = parser.parse_args()
    chosen = pictures(options.data, options.count, np.random.default_rng(20261126))
    if options.sheet:
        sheet(chosen, options.sheet)
    some = chosen[:: max(1, options.count // options.published)]
    result: dict[str, object] = {"date": datetime.date.today().isoformat(), "cores": os.cpu_count()}
    with ProcessPoolExecutor(options.workers) as pool:
        parts: dict[str, Callable[[], Iterable[dict[str, object]]]] = {
            "listed": lambda: [pool.submit(survival, chosen, np.random.default_rng(1), False).result()],
            "small": lambda: [pool.submit(survival, chosen, np.random.default_rng(2), True).result()],
            "sizes": lambda: [pool.submit(by_size, some).result()],
            "published": lambda: [pool.submit(survival_of_published, some, np.random.default_rng(3)).result()],
        }
        for part in [options.only] if options.only else PARTS:
            for found in parts[part]():
                result[PARTS[part]] = found
                if options.result:
                    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
