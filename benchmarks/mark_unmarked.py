"""How seldom the imperceptible mark is seen where none is.

    python benchmarks/mark_unmarked.py --data ../shared/data --result benchmarks/results/DATE-mark-unmarked.json

reads pictures that nobody marked, of products, and parts of photos, on which none of the reader's limits was set. With
`--only calibrating --count 1984` it reads those on which they were: two marks were seen there when the reader had no
limits but the check sum and a peak of 4.5. `--only theory` draws scores instead of pictures.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from mark import cropped, jpeg, listed

from packshot.images import open_picture
from packshot.provenance import mark, mark_layout

MOST = 4800
"""Pictures."""
PARTS = ("unmarked", "calibrating", "theory")


def unmarked(data: Path, count: int, calibrating: bool = False) -> Iterator[tuple[str, np.ndarray]]:
    """Pictures that nobody marked, no two of them the same part of the same picture, at most 4,800.

    A third are parts of sellers' photos, which have no white that the reader would pass over; the others come from
    three catalogues on white or nearly so. In turn as they are, as a shop lists them, at JPEG 75, and cropped.

    Args:
        data: folder of the sets.
        count: of the pictures.
        calibrating: those on which the reader's limits were set: other products of the catalogues, and the quarters of
            the photos; else those on which it is measured: of each photo four parts as large between the quarters.
    """
    rng = np.random.default_rng(4)
    photos = pq.read_table(data / "seller-photos.parquet", columns=["image"])["image"].to_pylist()
    each = -(-2 * MOST // 9)
    whole = []
    for name in ("abo-256", "fashion-hires-0", "fashion-hires-1"):
        rows = pq.read_table(data / f"{name}.parquet", columns=["image"])["image"].to_pylist()
        at = rng.permutation(len(rows))
        whole += [(name, rows[i], None) for i in (at[:each] if calibrating else at[each : 2 * each])]
    places = ((0, 0), (0, 2), (2, 0), (2, 2)) if calibrating else ((0, 1), (1, 0), (1, 2), (2, 1))
    parts = [("seller-photos", photo, place) for photo in photos for place in places]
    every = [*parts, *whole][:MOST]
    for number, at in enumerate(rng.permutation(len(every))[:count]):
        name, row, place = every[at]
        pixels = open_picture(row, where=name)
        if place is not None:
            height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
            top, left = height * place[0] // 2, width * place[1] // 2
            pixels = pixels[top : top + height, left : left + width]
        shown = number % 4
        if shown == 1:
            pixels = listed(pixels, int(rng.integers(800, 1601)))
        elif shown == 2:
            pixels = jpeg(pixels, 75)
        elif shown == 3:
            pixels = cropped(pixels, 0.2, rng)
        yield name, pixels


def seen(picture: tuple[str, np.ndarray]) -> tuple[str, list[mark.Look], float]:
    """Its set, what the reader looks at before it says that there is no mark, and the seconds that this takes."""
    began = time.process_time()
    looks = list(mark.looks(picture[1]))
    return picture[0], looks, time.process_time() - began


def false_positives(
    pictures: Iterator[tuple[str, np.ndarray]], pool: ProcessPoolExecutor
) -> Iterator[dict[str, object]]:
    """Counts by set, and bounds on the rate at 95 % (Clopper and Pearson 1934; 3 / n where none is seen).

    The first bound counts marks that were read. The others take one of the reader's three conditions to hold by chance
    alone, and count how often the others held: the check sum does once in 4,096 looks, and there are two looks at a
    picture. Also: how certain looks are, beside what normal scores would be.

    Yields what is known after each 64 pictures: at low priority on a busy machine this takes hours.
    """
    by: dict[str, list[bool]] = {}
    every: list[list[mark.Look]] = []
    seconds = []
    while batch := list(itertools.islice(pictures, 64)):  # a pool takes all that it is given at once
        for name, looks, took in pool.map(seen, batch, chunksize=8):
            by.setdefault(name, []).append(any(look.is_mark for look in looks))
            every.append(looks)
            seconds.append(took)
        total, hits = len(every), sum(map(sum, by.values()))
        flat = [look for looks in every for look in looks]
        located = sum(any(look.peak >= mark.SURE for look in looks) for looks in every)
        certain = sum(any(look.certainty >= mark.CERTAIN for look in looks) for looks in every)
        both = sum(any(look.peak >= mark.SURE and look.certainty >= mark.CERTAIN for look in looks) for looks in every)
        yield {
            "pictures": total,
            "seen": hits,
            "most_with_95_percent_confidence": rounded(upper(hits, total)),
            "located": located,
            "certain": certain,
            "located_and_certain": both,
            "check_sum_agrees_in_looks": sum(look.payload is not None for look in flat),
            "most_by_check_sum_and_both_limits": rounded(upper(both, total) / 2048),
            "most_by_check_sum_and_peak_alone": rounded(upper(located, total) / 2048),
            "peak_median_99_percent_most": quantiles([max(look.peak for look in looks) for looks in every]),
            "certainty_median_99_percent_most": quantiles([look.certainty for look in flat]),
            "by_set": {name: {"pictures": len(found), "seen": sum(found)} for name, found in sorted(by.items())},
            "read_seconds_median": round(float(np.median(seconds)), 3),
        }


def by_theory(looks: int = 1_000_000) -> dict[str, object]:
    """The certainty of looks at normal scores, and the share of those that reach the limit."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(looks // 1000):
        sizes = np.abs(rng.standard_normal((1000, mark_layout.LETTERS, mark_layout.CHIPS), np.float32))
        found += [mark.certainty(one) for one in sizes]
    share = float(np.mean(np.array(found) >= mark.CERTAIN))
    return {
        "looks": looks,
        "certainty_median_99_percent_most": quantiles(found),
        "certain": rounded(share),
        "most_false_positives_without_regard_to_the_peak": rounded(share / 2048),
    }


def quantiles(values: list[float]) -> list[float]:
    return [round(float(q), 2) for q in np.quantile(values, [0.5, 0.99, 1])]


def rounded(rate: float) -> float:
    return float(f"{rate:.3g}")


def upper(hits: int, total: int) -> float:
    """The rate at which as few hits as these would be seen in one of twenty runs."""
    low, high = hits / total, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        likely = sum(math.comb(total, k) * rate**k * (1 - rate) ** (total - k) for k in range(hits + 1))
        low, high = (rate, high) if likely > 0.05 else (low, rate)
    return high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=MOST, help=f"pictures, at most {MOST}")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--result", type=Path)
    parser.add_argument("--only", choices=PARTS, help="one part of the measurements")
    options = parser.parse_args()
    limits = {"peak": mark.SURE, "certainty": mark.CERTAIN}
    result: dict[str, object] = {"date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "limits": limits}
    with ProcessPoolExecutor(options.workers) as pool:
        for part in [options.only] if options.only else PARTS:
            found: Iterable[dict[str, object]]
            if part == "theory":
                found = [by_theory()]
            else:
                found = false_positives(unmarked(options.data, options.count, part == "calibrating"), pool)
            for result[part] in found:
                if options.result:
                    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
