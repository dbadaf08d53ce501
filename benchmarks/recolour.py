"""Recolour one photo into another colourway of the same product, and compare it with the true photo of that one.

    python benchmarks/recolour.py --data ../shared/data

Pairs are found by rule in the catalogue: titles that differ in colour words only, silhouettes and edges that agree. The
target is the median colour of the true photo where the two differ, as a hex code. Arms: the part is given (where the
photos truly differ), the part is given and the look of the true photo with it (as `photo:PATH` does: how its lightness
and shades are spread, not where), `recolour` finds the part alone, a plain shift of CIELAB by the difference of the
medians within the given part, and what no editor could have: maps fitted to the answer (`recolour_floor.py`).
Differences are ΔE2000, pixel by pixel, their median over each pair, then over the pairs. Pairs that share a photo lie
in the same half.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import io
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import recolour_floor
from numpy.typing import NDArray
from PIL import Image

from packshot.colour import cielab_from_srgb, delta_e2000, oklab_from_srgb, srgb_from_oklab
from packshot.editing.dye import Look
from packshot.editing.part import Part, median_colour
from packshot.editing.recolour import dyed, recolour
from packshot.editing.scene import Scene
from packshot.lexicon import lexicon
from packshot.lexicon.colours import hex_of

Array = NDArray[Any]

ROOT = Path(__file__).parent.parent
SAME_OUTLINE, SAME_EDGES = 0.96, 0.8
APART = 10.0
"""Pairs whose photos differ less than this, in ΔE2000 over the part, are no two colours."""
DIFFERS = 6.0
ALIKE = 0.8
"""Correlation of the two photos' lightness in the part from which on they show the same folds in the same light."""
ON_WHITE = 240
OPEN = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Pair:
    """Two photos of one product in two colours."""

    first: dict[str, Any]
    second: dict[str, Any]
    edges: float
    photo: Array
    truth: Array
    large: bool

    @property
    def on_both(self) -> Array:
        """Where both photos show the product."""
        both = ((self.photo.min(axis=2) < ON_WHITE) & (self.truth.min(axis=2) < ON_WHITE)).astype(np.uint8)
        return cv2.morphologyEx(both, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0

    @property
    def part(self) -> Array:
        """Where they truly differ, eroded."""
        apart = delta_e2000(cielab_from_srgb(self.photo), cielab_from_srgb(self.truth)) > DIFFERS
        part = cv2.morphologyEx((apart & self.on_both).astype(np.uint8), cv2.MORPH_OPEN, OPEN)
        return cv2.erode(part, OPEN) > 0


def groups(data: Path) -> Iterator[list[dict[str, Any]]]:
    """Rows whose titles are the same but for colour words."""
    colours = {word for entry in lexicon().colours.values() for name in entry.en for word in name.split()}
    found = defaultdict(list)
    for row in pq.read_table(data / "fashion-60x80.parquet").to_pylist():
        words = re.findall(r"[a-z0-9&']+", (row["title"] or "").lower())
        found[" ".join(w for w in words if w not in colours), row["article_type"]].append(row)
    return (rows for rows in found.values() if 2 <= len(rows) <= 40)


def decode(data: bytes) -> Array:
    """(H, W, 3) sRGB."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def edges_agree(first: Array, second: Array) -> float | None:
    """Correlation of the gradients inside the product, from -1 to 1; None where the outlines differ."""
    masks = [picture.min(axis=2) < 235 for picture in (first, second)]
    both = masks[0] & masks[1]
    if not 300 < both.sum() < 0.9 * both.size or both.sum() < SAME_OUTLINE * (masks[0] | masks[1]).sum():
        return None
    inside = cv2.erode(both.astype(np.uint8), OPEN) > 0
    changes = []
    for picture in (first, second):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
        changes.append(np.concatenate([cv2.Sobel(grey, cv2.CV_32F, *way)[inside] for way in ((1, 0), (0, 1))]))
    a, b = changes
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-9))


def pairs(data: Path) -> list[Pair]:
    """All pairs, in photos of 210 to 300 px where both exist, else 60×80; equal pictures count once."""
    found, seen = [], set()
    for rows in groups(data):
        pictures = [decode(row["image"]) for row in rows]
        for i, first in enumerate(pictures):
            for j in range(i + 1, len(pictures)):
                key = hashlib.sha256(first.tobytes() + pictures[j].tobytes()).digest()
                if first.shape != pictures[j].shape or key in seen:
                    continue
                edges = edges_agree(first, pictures[j])
                if edges is not None and edges > SAME_EDGES:
                    seen.add(key)
                    found.append((rows[i], rows[j], edges, first, pictures[j]))
    large = large_pictures(data, {row["id"] for pair in found for row in pair[:2]})
    return [with_large(*pair, large) for pair in found]


def large_pictures(data: Path, wanted: set[Any]) -> dict[Any, Array]:
    """The larger pictures of these products, by id."""
    found = {}
    for path in sorted(data.glob("fashion-hires-*.parquet")):
        for row in pq.read_table(path, columns=["id", "image"]).to_pylist():
            if row["id"] in wanted:
                found[row["id"]] = decode(row["image"])
    return found


def with_large(first: Any, second: Any, edges: float, photo: Array, truth: Array, large: dict[Any, Array]) -> Pair:
    """The pair in its larger pictures where both are there and of one size."""
    a, b = large.get(first["id"]), large.get(second["id"])
    if a is not None and b is not None and a.shape == b.shape:
        return Pair(first, second, edges, a, b, True)
    return Pair(first, second, edges, photo, truth, False)


def measured(pair: Pair) -> dict[str, Any] | None:
    """One row of the result; None where the photos hardly differ."""
    part, product = pair.part, cv2.erode(pair.on_both.astype(np.uint8), OPEN) > 0
    old, true = cielab_from_srgb(pair.photo), cielab_from_srgb(pair.truth)
    if part.sum() < 200 or np.median(delta_e2000(old[part], true[part])) < APART:
        return None
    lab = median_colour(pair.truth, part)
    target = cielab_from_srgb(srgb_from_oklab(lab))
    scene = Scene(pair.photo, np.where(pair.on_both, 255, 0).astype(np.uint8))
    weight = np.where(part, 255, 0).astype(np.uint8)
    found = Part(weight, median_colour(pair.photo, part))
    look = Look.of(oklab_from_srgb(pair.truth[part]))
    given = cielab_from_srgb(dyed(scene, found, lab, 1.0).product)
    lent = cielab_from_srgb(dyed(scene, found, lab, 1.0, look).product)
    alone = recolour(scene, hex_of((float(lab[0]), float(lab[1]), float(lab[2]))))
    shifted = old[part] + (target - np.median(old[part], axis=0))
    edited = cielab_from_srgb(alone.product)
    aligned = cielab_from_srgb(recolour_floor.registered(pair.photo, pair.truth))
    guess, answer = recolour_floor.by_colour(old[part], true[part])

    def apart(found: Array, where: Array) -> float:
        return round(
            float(np.median(delta_e2000(found if len(found) == where.sum() else found[where], true[where]))), 3
        )

    assert alone.touched is not None
    return {
        "ids": [pair.first["id"], pair.second["id"]],
        "kind": pair.first["article_type"],
        "garment": pair.first["master_category"] == "Apparel",
        "large": pair.large,
        "edges": round(pair.edges, 3),
        "light": round(float(np.corrcoef(old[part][:, 0], true[part][:, 0])[0, 1]), 3),
        "unedited": apart(old, part),
        "Lab shift": apart(shifted, part),
        "part given": apart(given, part),
        "part and look given": apart(lent, part),
        "part found": apart(edited, product),
        "part given, aligned": round(float(np.median(delta_e2000(given[part], aligned[part]))), 3),
        "best affine": apart(recolour_floor.affine(old[part], true[part]).astype(np.float32), part),
        "best by colour": round(float(np.median(delta_e2000(guess, answer))), 3),
        "found of the part": round(float(alone.touched[part].mean()), 3),
        "median from target": round(float(delta_e2000(np.median(given[part], axis=0), target)), 3),
        "texture": round(texture(old[..., 0], given[..., 0], part), 4),
        "texture, look given": round(texture(old[..., 0], lent[..., 0], part), 4),
    }


def halves(rows: list[dict[str, Any]]) -> list[int]:
    """0 or 1 for each row: rows that share a photo, or are joined by others that do, lie in the same half."""
    parent: dict[Any, Any] = {}

    def root(name: Any) -> Any:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for row in rows:
        parent[root(row["ids"][0])] = root(row["ids"][1])
    members: dict[Any, list[str]] = defaultdict(list)
    for name in list(parent):
        members[root(name)].append(str(name))
    return [zlib.crc32(min(members[root(row["ids"][0])]).encode()) % 2 for row in rows]


def texture(before: Array, after: Array, where: Array) -> float:
    """Correlation of what is finer than about 3 px in lightness."""
    fine = [(light - cv2.GaussianBlur(light, (0, 0), 3))[where] for light in (before, after)]
    return float(np.corrcoef(*fine)[0, 1])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over pairs, and the worst where the aim is a limit."""
    keys = ("unedited", "Lab shift", "part given", "part and look given", "part found", "part given, aligned")
    keys += ("best affine", "best by colour", "found of the part", "texture")
    found: dict[str, Any] = {"pairs": len(rows)}
    found |= {key: round(float(np.median([row[key] for row in rows])), 3) for key in keys}
    found["given beats shift"] = sum(row["part given"] <= row["Lab shift"] for row in rows)
    found["look beats given"] = sum(row["part and look given"] <= row["part given"] for row in rows)
    found["texture, worst"] = min(row["texture"] for row in rows)
    found["texture, look given, worst"] = min(row["texture, look given"] for row in rows)
    found["texture, look given"] = round(float(np.median([row["texture, look given"] for row in rows])), 4)
    found["median from target, worst"] = max(row["median from target"] for row in rows)
    return found


def main() -> None:
    """Measure, print a line a set, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    today = datetime.date.today().isoformat()
    parser.add_argument("--result", type=Path, default=ROOT / f"benchmarks/results/{today}-recolour.json")
    options = parser.parse_args()
    rows = [row for pair in pairs(options.data) if (row := measured(pair)) is not None]
    half = halves(rows)
    sets = {
        "all": rows,
        "half 0": [row for row, side in zip(rows, half, strict=True) if side == 0],
        "half 1": [row for row, side in zip(rows, half, strict=True) if side == 1],
        f"light above {ALIKE}": [row for row in rows if row["light"] > ALIKE],
        "210 to 300 px": [row for row in rows if row["large"]],
        "garments": [row for row in rows if row["garment"]],
        "edges above 0.9": [row for row in rows if row["edges"] > 0.9],
    }
    table = {name: summary(some) for name, some in sets.items() if some}
    for name, line in table.items():
        print(name, json.dumps(line))
    rule = f"outlines {SAME_OUTLINE}, edges {SAME_EDGES}, apart {APART}"
    result = {"date": today, "rule": rule, "summary": table, "pairs": rows}
    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
