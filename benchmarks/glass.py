"""How near glass comes to what it would look like elsewhere, on vessels that are drawn with known transmission.

    python benchmarks/glass.py --result benchmarks/results/DATE-glass.json --sheet glass.png

Vessels are drawn in linear light: what passes follows Beer and Lambert (longer ways at the sides), what is reflected is
white, highlights, caps and print are added; kinds are clear, tinted and filled with a liquid of strong colour. Nothing
is refracted, so this is kinder than the world. The photo has a nearly white background. The error is the mean absolute
difference in sRGB bytes to the vessel drawn before the new place; `solid` is the cut-out without `glass`, `auto` and
`place` are with it, the latter told where the glass is. `outline` is whether the outline is the network's or the truth.
"""

from __future__ import annotations

import argparse
import datetime
import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from packshot.colour import linear_from_srgb, srgb_from_linear
from packshot.editing.background import background
from packshot.editing.cutout import cutout
from packshot.editing.glass import with_glass
from packshot.editing.scene import Scene, flatten
from packshot.images import contact_sheet, save_picture

SIDE = 480
KINDS = {"clear": (0.80, 0.96, 0.03), "tinted": (0.45, 0.80, 0.08), "liquid": (0.55, 0.90, 0.45)}
"""Least and most transmission straight through, and by how much its channels differ."""
PLACES = ("dark walnut table before a teal wall", "marble", "red brick wall, sand")


@dataclass(frozen=True)
class Vessel:
    """What is drawn: (SIDE, SIDE) or with 3 channels, linear light.

    Attributes:
        cover: of the whole vessel.
        glass: of the part that is glass and nothing else.
        passing: share of the light that passes.
        adds: light of its own.
    """

    cover: np.ndarray
    glass: np.ndarray
    passing: np.ndarray
    adds: np.ndarray

    def before(self, place: np.ndarray) -> np.ndarray:
        light = linear_from_srgb(place)
        seen = self.passing * light + self.adds
        return srgb_from_linear(np.clip(light * (1 - self.cover) + seen * self.cover, 0, 1))


def shape(x: float, y: float, w: float, h: float, radius: float) -> np.ndarray:
    """A rounded rectangle's coverage, its edge as wide as a pixel."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    dx, dy = np.abs(columns - x) - w / 2 + radius, np.abs(rows - y) - h / 2 + radius
    distance = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - radius
    return np.clip(0.5 - distance, 0, 1)[..., None]


def vessel(kind: str, rng: np.random.Generator) -> Vessel:
    low, high, spread = KINDS[kind]
    w, h, x, y = rng.uniform(120, 220), rng.uniform(200, 280), SIDE / 2, SIDE * 0.56
    body, cap = shape(x, y, w, h, rng.uniform(8, 50)), shape(x, y - h / 2 - 26, w * rng.uniform(0.3, 0.6), 60, 8)
    through = np.clip(rng.uniform(low, high) - spread * rng.permutation([0, 0.5, 1.0]), 0.03, 0.98)
    across = np.clip((np.arange(SIDE) - x) / (w / 2), -0.985, 0.985)
    passing = np.broadcast_to(through ** (1 / np.sqrt(1 - across**2))[:, None] ** 0.7, (SIDE, SIDE, 3)).copy()
    adds = np.full((SIDE, SIDE, 3), rng.uniform(0.02, 0.10), np.float32)
    passing *= 1 - adds
    for place in rng.uniform(-0.8, 0.8, 2):  # strips of a soft box
        strip = shape(x + place * w / 2, y, rng.uniform(4, 10), h * 0.75, 2) * rng.uniform(0.3, 0.9)
        passing, adds = passing * (1 - strip), adds * (1 - strip) + strip
    opaque = np.maximum(cap, print_on(x, y, w, rng) * body)
    paint = np.where(cap > 0.5, linear_from_srgb(rng.integers(20, 180, (1, 1, 3), dtype=np.uint8)), 0.03)
    return Vessel(
        np.maximum(body, cap), body * (1 - opaque), passing * (1 - opaque), adds * (1 - opaque) + paint * opaque
    )


def print_on(x: float, y: float, w: float, rng: np.random.Generator) -> np.ndarray:
    sheet = np.zeros((SIDE, SIDE), np.uint8)
    where = (round(x - w * 0.36), round(y + rng.uniform(-40, 60)))
    cv2.putText(sheet, "No 5", where, cv2.FONT_HERSHEY_SIMPLEX, w / 110, 255, 3, cv2.LINE_AA)
    return (sheet / np.float32(255))[..., None]


def studio(rng: np.random.Generator) -> np.ndarray:
    """A nearly white background that darkens a little downwards."""
    rows = np.linspace(0, 1, SIDE)[:, None, None] * rng.uniform(0, 12)
    grey = rng.uniform(238, 254) - rows + rng.uniform(-2, 2, 3)
    return np.rint(np.clip(np.broadcast_to(grey, (SIDE, SIDE, 3)), 0, 255)).astype(np.uint8)


def cuts(photo: np.ndarray, drawn: Vessel, mask: Path) -> dict[str, Scene]:
    """The cut-outs that are compared."""
    save_picture(np.repeat((drawn.glass > 0.5).astype(np.uint8) * 255, 3, 2), mask)
    known = Scene(photo, np.rint(drawn.cover[..., 0] * 255).astype(np.uint8))
    found = cutout(Scene(photo))
    ways = {"auto": "auto", "place": str(mask)}
    scenes = {"network, solid": found, "truth, solid": known}
    scenes |= {f"network, {name}": with_glass(found, photo, said) for name, said in ways.items()}
    return scenes | {f"truth, {name}": with_glass(known, photo, said) for name, said in ways.items()}


def errors(seen: np.ndarray, truth: np.ndarray, drawn: Vessel) -> dict[str, float]:
    apart = np.abs(seen.astype(np.float32) - truth).mean(-1)
    glass, whole = drawn.glass[..., 0] > 0.99, drawn.cover[..., 0] > 0.99
    return {"glass": float(apart[glass].mean()), "solid": float(apart[whole & ~(drawn.glass[..., 0] > 0.01)].mean())}


def photographed(kind: str, rng: np.random.Generator) -> tuple[Vessel, np.ndarray]:
    """A vessel, and its photo before a studio's background."""
    drawn, behind = vessel(kind, rng), studio(rng)
    noise = rng.normal(0, 0.8, (SIDE, SIDE, 3))
    return drawn, np.clip(np.rint(drawn.before(behind) + noise), 0, 255).astype(np.uint8)


def draw_photos(folder: Path, count: int) -> None:
    """Save photos of `count` vessels of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for kind in KINDS:
        for number in range(count):
            save_picture(photographed(kind, rng)[1], folder / f"{kind}-{number}.png")


def main() -> None:
    """Draw, cut, put elsewhere, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=8, help="vessels of each kind")
    parser.add_argument("--result", type=Path)
    parser.add_argument("--photos", type=Path, help="only draw: save the photos of the vessels in this folder")
    parser.add_argument("--sheet", type=Path, default=Path("glass.png"))
    options = parser.parse_args()
    if options.photos:
        return draw_photos(options.photos, options.count)
    rng, cells, rows = np.random.default_rng(0), [], {}
    for kind in KINDS:
        found: dict[str, list[dict[str, float]]] = {}
        for number in range(options.count):
            drawn, photo = photographed(kind, rng)
            scenes = cuts(photo, drawn, options.sheet.with_suffix(".mask.png"))
            for place in PLACES:
                backdrop = background(scenes["truth, solid"], place).backdrop
                assert backdrop is not None
                truth = drawn.before(backdrop)
                made = {name: flatten(replace(scene, backdrop=backdrop)) for name, scene in scenes.items()}
                for name, seen in made.items():
                    found.setdefault(name, []).append(errors(seen, truth, drawn))
                if number < 3 and place == PLACES[0]:
                    shown = (photo, truth, made["network, solid"], made["network, auto"], made["network, place"])
                    cells += [cv2.resize(p, (240, 240), interpolation=cv2.INTER_AREA) for p in shown]
        rows[kind] = {
            name: {part: round(float(np.mean([e[part] for e in some])), 2) for part in some[0]}
            for name, some in found.items()
        }
    options.sheet.with_suffix(".mask.png").unlink()
    print(json.dumps(rows, indent=1))
    save_picture(
        contact_sheet(cells, columns=5, labels=["photo", "truth", "solid", "auto", "place"] * 9), options.sheet
    )
    if options.result:
        result = {"date": datetime.date.today().isoformat(), "vessels": options.count, "mean_error_bytes": rows}
        options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
