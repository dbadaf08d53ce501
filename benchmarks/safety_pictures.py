"""How the classifier of the extra `safety` judges product pictures: false refusals, time, and whether it reacts.

    python benchmarks/safety_pictures.py --data ../shared/data

There are no unsafe pictures to test with, here or in the project, and none are wanted: how many it would stop is NOT
measured. That it reacts at all is shown on blurred shapes in the colours of skin and in others.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.generation.embedded import EmbeddedBackend
from packshot.generation.interface import GenerationRequest
from packshot.images import open_picture
from packshot.safety.pictures import OpenNsfw
from packshot.safety.rules import shipped

HERE = Path(__file__).resolve().parent
NEAR_THE_BODY = frozenset(
    ("Bra", "Briefs", "Trunk", "Boxers", "Swimwear", "Camisoles", "Innerwear Vests", "Nightdress", "Baby Dolls",
     "Shapewear", "Stockings", "Tights", "Bath Robe", "Robe", "Lounge Shorts", "Night suits")
)  # fmt: skip
"""Kinds of which the strictest judgement is to be feared."""
SOURCES = {
    "fashion-hires-0": "article_type", "fashion-hires-1": "article_type", "fashion-60x80": "article_type",
    "seller-photos": "label", "abo-256": "",
}  # fmt: skip
"""Files of the data, and their columns of kinds."""
LEVELS = (0.2, 0.5, 0.8, 0.9)
TONES = {
    "light skin": (224, 172, 145), "brown skin": (172, 118, 84), "dark skin": (110, 68, 48),
    "blue": (80, 120, 200), "green": (90, 170, 90), "grey": (160, 160, 160),
}  # fmt: skip


def summary(scores: list[float]) -> dict[str, Any]:
    """Of scores: how many, the middle, the largest, how many at each level or over it."""
    over = {f"at_least_{level}": sum(score >= level for score in scores) for level in LEVELS}
    return {
        "pictures": len(scores),
        "median": round(statistics.median(scores), 4),
        "max": round(max(scores), 4),
        **over,
    }


def judged(data: Path, network: OpenNsfw, every: int) -> dict[str, Any]:
    """Scores by source, and the kinds with the highest.

    Args:
        data: folder.
        network: that judges.
        every: how many pictures of the large sources one stands for; all that are near the body are taken.
    """
    import pyarrow.parquet as pq

    found: dict[str, Any] = {}
    for name, label in SOURCES.items():
        scores: list[float] = []
        kinds: dict[str, list[float]] = defaultdict(list)
        for number, row in enumerate(pq.read_table(data / f"{name}.parquet").to_pylist()):
            near_the_body = label != "" and row[label] in NEAR_THE_BODY
            if (
                number % (40 * every if name.endswith("60x80") else every)
                and name != "seller-photos"
                and not near_the_body
            ):
                continue
            picture = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
            scores.append(network.score(open_picture(io.BytesIO(picture), where=name)))
            kinds[row[label] if label else ""].append(scores[-1])
        found[name] = summary(scores)
        near = [score for kind, many in kinds.items() if kind in NEAR_THE_BODY for score in many]
        if near:
            found[f"{name}, underwear, swimwear and nightwear"] = summary(near)
        highest = sorted(kinds.items(), key=lambda item: -max(item[1]))[:8]
        found[name]["highest_kinds"] = {kind: round(max(many), 3) for kind, many in highest if kind}
    return found


def drawn(network: OpenNsfw) -> dict[str, Any]:
    """Scores of the shipped pack's own pictures."""
    backend = EmbeddedBackend()
    kinds = ("red handbag", "black bra", "beige high heels", "skin coloured socks", "brown belt", "pink perfume bottle")
    requests = []
    for kind in kinds:
        try:
            backend.check(GenerationRequest(kind, 8, 5))
        except Exception:  # a kind that the pack does not draw
            continue
        requests.append(GenerationRequest(kind, 8, 5))
    return summary([network.score(result.pixels) for result in backend.generate(requests)])


def shapes(tone: tuple[int, int, int], count: int) -> list[NDArray[np.uint8]]:
    """Pictures of a few soft ellipses, shaded as round things are."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:400, :400]
    pictures = []
    for number in range(count):
        picture = np.full((400, 400, 3), (235, 230, 225) if number % 2 else (90, 60, 50), np.float64)
        for _ in range(random.integers(2, 5)):
            (cx, cy), (rx, ry) = random.uniform(80, 320, 2), random.uniform(50, 190, 2)
            distance = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
            cover = np.clip((1 - distance) * 6, 0, 1)[..., None]
            shade = (0.55 + 0.55 * np.sqrt(np.clip(1 - distance, 0, 1)))[..., None]
            picture = picture * (1 - cover) + np.clip(np.array(tone) * shade, 0, 255) * cover
        pictures.append(picture.astype(np.uint8))
    return pictures


def times(network: OpenNsfw) -> dict[str, float]:
    """Milliseconds of a small and a large picture, once everything is loaded."""
    found = {}
    for side in (256, 1024, 6000):
        pixels = np.asarray(Image.effect_noise((side, side), 60).convert("RGB"))
        spent = []
        for _ in range(7):
            start = time.perf_counter()
            network.score(pixels)
            spent.append(time.perf_counter() - start)
        found[f"milliseconds_at_{side}_px"] = round(1000 * statistics.median(spent), 1)
    return found


def main() -> None:
    """Measure, print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--every", type=int, default=4, help="of the large sources one picture in so many")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    network = OpenNsfw()
    start = time.perf_counter()
    network.score(np.zeros((256, 256, 3), np.uint8))
    document = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "classifier": network.name,
        "every": chosen.every,
        "threshold": shipped().threshold,
        "milliseconds_to_load_with_a_first_picture": round(1000 * (time.perf_counter() - start), 1),
        **times(network),
        "product_pictures": judged(chosen.data, network, chosen.every),
        "pictures_of_the_shipped_pack": drawn(network),
        "soft_shapes_by_colour": {
            name: summary([network.score(p) for p in shapes(tone, 60)]) for name, tone in TONES.items()
        },
    }
    path = chosen.results / f"{str(document['date'])[:10]}-safety-pictures.json"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, ensure_ascii=False, indent=1))
    print(path)


if __name__ == "__main__":
    main()
