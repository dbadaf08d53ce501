"""Light rims of drawn products in scenes: the halo of their outline before a dark table, cut narrowly and as now.

The halo is a certificate's: mean excess towards the old background over the outline, in CIELAB units; 0 is none.

    python benchmarks/scene_rims.py --out benchmarks/results/2026-11-26-scene-rims.json --sheet /tmp/rims.png
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
from pathlib import Path

import numpy as np
from PIL import Image

from packshot.editing.certificate import Source, certify
from packshot.editing.pipeline import Edited, Step, run
from packshot.editing.scene import Scene, flatten
from packshot.generation.backends import open_backend
from packshot.generation.interface import GenerationRequest
from packshot.images import encode_picture, open_layers
from packshot.listing.drawn import cut_drawing
from packshot.listing.measures import Look
from packshot.matte import cut_out

WORDS = (
    "brown leather handbag for women", "retro red running shoe", "women's gold watch", "blue backpack",
    "white sneakers", "silver ring", "black formal shoes", "yellow summer dress", "red lipstick",
    "sunglasses with brown lenses", "white t-shirt", "pink high heels",
    "perfume bottle", "grey wallet", "gold necklace", "beige sandals",
)  # fmt: skip
PLACE = "dark walnut table before a grey wall"
STEPS = (
    Step("fit", {"size": "800x800", "share": 0.62, "upscale": True}),
    Step("background", {"to": PLACE, "seed": 1}),
    Step("shadow", {"kind": "contact"}),
)


def placed(rgba: np.ndarray) -> tuple[np.ndarray, float]:
    """The scene, and its halo."""
    name = Path("drawn.png")
    data = encode_picture(rgba, name)
    layers = open_layers(data, where=str(name))
    edited: Edited = run(Scene(product=layers.rgb, alpha=layers.alpha), STEPS)
    pixels = flatten(edited.scene)
    codec = {"codec": "png", "quality": None, "lossless": True}
    made = encode_picture(pixels, name)
    document = certify(Source.read(data, layers, name), edited, pixels, made, name=str(name), codec=codec)
    return pixels, float(document["measured"]["halo"]["score"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--pack", default="base")
    arguments = parser.parse_args()
    seeds = [int.from_bytes(hashlib.sha256(f"{i}{w}".encode()).digest()[:6]) for i, w in enumerate(WORDS)]
    requests = [GenerationRequest(w, count=1, seed=s, size=800) for w, s in zip(WORDS, seeds, strict=True)]
    rows, tiles = [], []
    for result in open_backend("embedded", arguments.pack).generate(requests):
        look = Look(encode_picture(result.pixels, Path("drawn.png")), "drawn.png")
        (before, narrow), (after, wide) = placed(cut_out(result.pixels)), placed(cut_drawing(look))
        rows.append({"words": result.request.prompt, "narrow": round(narrow, 2), "as listings do": round(wide, 2)})
        tiles.append(np.hstack([before, after]))
        print(rows[-1])
    medians = {key: round(statistics.median(row[key] for row in rows), 2) for key in ("narrow", "as listings do")}
    print("median", medians)
    if arguments.out:
        document = {"place": PLACE, "pack": arguments.pack, "median": medians, "rows": rows}
        arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if arguments.sheet:
        sheet = Image.new("RGB", (4 * 410, 4 * 210), "white")
        for number, tile in enumerate(tiles):
            small = Image.fromarray(tile).resize((400, 200), Image.Resampling.LANCZOS)
            sheet.paste(small, (number % 4 * 410, number // 4 * 210))
        sheet.save(arguments.sheet)


if __name__ == "__main__":
    main()
