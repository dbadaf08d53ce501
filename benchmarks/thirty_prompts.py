"""Thirty prompts, four pictures each: right product, right colour, no two pictures nearly equal.

    python benchmarks/thirty_prompts.py --pack base --out out/thirty

Category and colour are read by the judge (a classifier trained on real pictures only); colour also by ΔE2000 between
the requested colour and the measured main colour. Two pictures of a prompt are nearly equal where the mean absolute
difference of their pixels, inside the union of their product masks, is under 6 of 255. Writes a contact sheet to look
at and a JSON result.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
from pathlib import Path

import numpy as np

from packshot.colour import cielab_from_srgb, delta_e2000, main_colours, oklab_from_srgb, srgb_from_oklab
from packshot.evaluation.judge import Judge
from packshot.framing import find_product
from packshot.generation import GenerationRequest, open_backend
from packshot.images import contact_sheet, save_picture
from packshot.packs import find_pack
from packshot.prompt import parse

PROMPTS = [
    ("复古风格红色运动鞋", "sports_shoes"),
    ("retro red running shoe", "sports_shoes"),
    ("白色休闲鞋", "casual_shoes"),
    ("blue canvas sneakers", "casual_shoes"),
    ("黑色商务皮鞋", "formal_shoes"),
    ("brown leather formal shoes", "formal_shoes"),
    ("红色高跟鞋", "heels"),
    ("black high heels", "heels"),
    ("棕色凉鞋", "sandals"),
    ("black sandals for men", "sandals"),
    ("蓝色人字拖", "flip_flops"),
    ("green flip-flops", "flip_flops"),
    ("银色女士手表", "watch"),
    ("gold watch", "watch"),
    ("粉色手提包", "handbag"),
    ("brown leather handbag", "handbag"),
    ("蓝色双肩包", "backpack"),
    ("red backpack", "backpack"),
    ("黑色钱包", "wallet"),
    ("brown wallet", "wallet"),
    ("棕色皮带", "belt"),
    ("black sunglasses", "sunglasses"),
    ("白色棒球帽", "cap"),
    ("grey socks", "socks"),
    ("藏青色领带", "tie"),
    ("yellow perfume bottle", "perfume"),
    ("紫色指甲油", "nail_polish"),
    ("red lipstick", "lipstick"),
    ("金色耳环", "earrings"),
    ("green T-shirt", "tshirt"),
]
NEARLY_EQUAL = 6.0


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    union = (first < 250).any(-1) | (second < 250).any(-1)
    return float(np.abs(first.astype(int) - second.astype(int))[union].mean()) if union.any() else 0.0


def _delta_e(pixels: np.ndarray, wanted: tuple[float, float, float]) -> float:
    finding = find_product(pixels)
    if finding is None:
        return 100.0
    measured = main_colours(oklab_from_srgb(pixels)[finding.mask], 1)[0][0]
    pair = np.stack([srgb_from_oklab(measured), srgb_from_oklab(np.asarray(wanted, np.float32))])
    lab = cielab_from_srgb(pair)
    return float(delta_e2000(lab[0], lab[1]))


def main() -> None:
    """Run, print a line per prompt and the totals, write the sheet and the result."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pack", default="base")
    options.add_argument("--judge", default="judge-v2")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--steps", type=int)
    options.add_argument("--guidance", type=float)
    options.add_argument("--emphasis", type=float)
    options.add_argument("--colour-lock", type=float, default=1.0)
    options.add_argument("--out", type=Path, default=Path("out/thirty"))
    options.add_argument("--result", type=Path)
    chosen = options.parse_args()
    backend, judge = open_backend("embedded", chosen.pack), Judge(find_pack(chosen.judge, ("judge",)))
    rows, pictures = [], []
    for text, category in PROMPTS:
        request = GenerationRequest(
            text,
            4,
            chosen.seed,
            steps=chosen.steps,
            guidance=chosen.guidance,
            emphasis=chosen.emphasis,
            colour_lock=chosen.colour_lock,
        )
        made = [result.pixels for result in backend.generate([request])]
        read = judge.read(np.stack(made))
        colour = parse(text).colours[0]
        distances = [_delta_e(pixels, colour.oklab) for pixels in made]
        equal = sum(_difference(a, b) < NEARLY_EQUAL for a, b in itertools.combinations(made, 2))
        right = sum(found == category for found in read.categories)
        rows.append(
            {
                "prompt": text,
                "category": category,
                "right": right,
                "read": list(read.categories),
                "colour": colour.name,
                "colours_read": list(read.colours),
                "delta_e": [round(d, 1) for d in distances],
                "nearly_equal_pairs": equal,
            }
        )
        print(f"{text:30} {right}/4 {','.join(read.categories):60} dE {np.median(distances):5.1f}  equal pairs {equal}")
        pictures += made
    totals = {
        "category_accuracy": sum(r["right"] for r in rows) / (4 * len(rows)),
        "median_delta_e2000": float(np.median([d for r in rows for d in r["delta_e"]])),
        "share_delta_e_under_15": float(np.mean([d < 15 for r in rows for d in r["delta_e"]])),
        "prompts_with_nearly_equal_pictures": sum(r["nearly_equal_pairs"] > 0 for r in rows),
    }
    print(json.dumps(totals, indent=1))
    chosen.out.mkdir(parents=True, exist_ok=True)
    labels = [parse(text).in_english() if index == 0 else "" for text, _ in PROMPTS for index in range(4)]
    save_picture(contact_sheet(pictures, columns=12, labels=labels), chosen.out / "sheet.png")
    if chosen.result:
        settings = {k: str(v) for k, v in vars(chosen).items()} | {"date": datetime.date.today().isoformat()}
        document = {"settings": settings, "totals": totals, "rows": rows}
        chosen.result.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
