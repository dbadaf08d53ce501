r"""How well `base` learns a small shop's products, over the size of its catalogue, and what starting from it is worth.

    packshot data prepare fashion-60x80.parquet --kinds benchmarks/kinds/beauty.toml \
        --out all --fine-resolution 0
    OMP_NUM_THREADS=1 python benchmarks/small_catalogue.py --data all --kinds benchmarks/kinds/beauty.toml

The shop sells what `base` has never seen: the kinds of the TOML file. A fixed 92 of its products are held out. For each
size, `recipes/flow-small-catalogue.toml` trains for `--steps` from `flow` and, at the largest size, from scratch; each
pack is asked for the held-out products, two pictures of each. Measured in EfficientNet-Lite0's features, which never
saw any of this: KID to the held-out pictures, coverage, and the share that a ridge classifier, trained on 400 real
pictures, names right (real held-out pictures for comparison); in the judge's features KID again; and the share of
pictures nearer to a training picture than 95 % of the held-out ones are.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from packshot.evaluation.conditions import condition_of, network_inputs
from packshot.evaluation.features import open_features
from packshot.evaluation.judge import Judge, resized
from packshot.evaluation.report import compare
from packshot.generation.embedded import EmbeddedBackend
from packshot.images import contact_sheet, save_picture
from packshot.shards import MANIFEST, ShardRow, read_dataset, read_shards, write_shards

ROOT = Path(__file__).parents[1]
HELD_OUT, PROBE, EACH, RIDGE, SEED = 92, 400, 2, 1e-1, 1
ARMS: dict[str, tuple[str, ...]] = {
    "from flow": (),
    "from scratch": ("loop.init_from=", "loop.freeze=[]", "optimiser.learning_rate=5e-4"),
}
Array = np.ndarray


def write_catalogue(rows: list[ShardRow], source: Path, folder: Path) -> None:
    """Shards of these rows, all for training."""
    folder.mkdir(parents=True)
    ordered = sorted((replace(row, split="train") for row in rows), key=lambda row: row.id)
    manifest = read_dataset(source)
    manifest["shards"] = write_shards(ordered, folder, fine_resolution=manifest.get("fine_resolution"))
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def trained(arm: str, size: int, out: Path, steps: int) -> Path:
    """The pack of one arm."""
    name = f"{arm.replace(' ', '-')}-{size}"
    run, pack, card = out / f"run-{name}", out / f"pack-{name}", ROOT / "recipes/cards/own.toml"
    fixed = ("loop.compile=false", f"loop.steps={steps}", "loop.max_minutes=0")  # steps, as minutes vary with load
    settings = [part for setting in (*ARMS[arm], *fixed) for part in ("--set", setting)]
    recipe = str(ROOT / "recipes/flow-small-catalogue.toml")
    limits = ["--data", str(out / f"shards-{size}"), "--out", str(run)]
    command = [sys.executable, "-m", "packshot"]
    subprocess.run([*command, "train", recipe, *limits, *settings], check=True)
    more = ["--upscaler", "base", "--card", str(card), "--out", str(pack)]
    subprocess.run([*command, "export", str(run), *more], check=True)
    return pack


def classifier(features: Array, labels: Array) -> tuple[Array, Array]:
    """Ridge regression onto one-hot labels (weights (D + 1, C)), and the labels' names."""
    names = np.unique(labels)
    x = np.concatenate([features, np.ones((len(features), 1))], 1)
    wanted = (labels[:, None] == names) * 1.0
    # In the span of the samples: there are more features than pictures.
    gram = x @ x.T / x.shape[1] + RIDGE * np.eye(len(x))
    return x.T @ np.linalg.solve(gram, wanted) / x.shape[1], names


def named(weights: Array, names: Array, features: Array) -> Array:
    """The name of each row."""
    found: Array = names[np.argmax(features @ weights[:-1] + weights[-1], axis=1)]
    return found


def nearest(features: Array, known: Array) -> Array:
    """Distance of each row to the nearest known one."""
    squares = (features**2).sum(1)[:, None] + (known**2).sum(1) - 2 * features @ known.T
    return np.sqrt(np.maximum(squares, 0).min(1))


def main() -> None:
    """Train, measure, print a line each, write the result and a sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kinds", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 200, 400])
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--steps", type=int, default=150, help="of 32 pictures")
    parser.add_argument("--out", type=Path, default=Path("out/small"))
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    kinds = set(tomllib.loads(options.kinds.read_text(encoding="utf-8")))
    rows = sorted(
        (row for row in read_shards(options.data) if row.slots["category"] in kinds),
        key=lambda row: hashlib.sha256(row.id.encode()).hexdigest(),
    )
    held, rest = rows[:HELD_OUT], rows[HELD_OUT:]
    judge = Judge.open()
    extractors = {name: open_features(name, judge) for name in ("efficientnet-lite0", "judge")}
    probe = rest[:PROBE]
    seen = {name: (some(_pixels(held)), some(_pixels(rest))) for name, some in extractors.items()}
    real, known = seen["efficientnet-lite0"]
    weights, names = classifier(known[:PROBE], _labels(probe))
    right = float((named(weights, names, real) == _labels(held)).mean())
    table: list[dict[str, Any]] = [{"arm": "real, held out", "named right": round(right, 3)}]
    print(json.dumps(table[0]), flush=True)
    asked = [replace(condition_of(row), seed=SEED + EACH * k + n) for n in range(EACH) for k, row in enumerate(held)]
    wished = np.tile(_labels(held), EACH)
    shown = list(_pixels(held[:24]))
    for size in options.sizes:
        write_catalogue(rest[:size], options.data, options.out / f"shards-{size}")
        for arm in options.arms if size == max(options.sizes) else ["from flow"]:
            backend = EmbeddedBackend(str(trained(arm, size, options.out, options.steps)))
            made = np.stack(list(backend.small_pictures(network_inputs(asked))))
            made = resized(made, int(read_dataset(options.data)["resolution"]))
            features = {name: some(made) for name, some in extractors.items()}
            scores = {name: compare(name, features[name], seen[name][0]) for name in features}
            lite = features["efficientnet-lite0"]
            bar = np.quantile(nearest(real, known[:size]), 0.05)
            row = {
                "arm": arm,
                "products": size,
                "minutes": _minutes(options.out / f"run-{arm.replace(' ', '-')}-{size}"),
                "KID (efficientnet-lite0)": round(scores["efficientnet-lite0"].kid, 4),
                "KID (judge)": round(scores["judge"].kid, 4),
                "coverage (efficientnet-lite0)": round(scores["efficientnet-lite0"].coverage, 3),
                "named right": round(float((named(weights, names, lite) == wished).mean()), 3),
                "nearer than 5 % of held-out": round(float((nearest(lite, known[:size]) < bar).mean()), 3),
            }
            table.append(row)
            shown += list(made[:24])
            print(json.dumps(row), flush=True)
    save_picture(contact_sheet(shown, columns=24), options.out / "sheet.png")
    if options.result:
        facts = {"date": datetime.date.today().isoformat(), "steps": options.steps, "kinds": sorted(kinds)}
        options.result.write_text(json.dumps({**facts, "rows": table}, indent=1) + "\n", encoding="utf-8")


def _pixels(rows: list[ShardRow]) -> Array:
    return np.stack([row.pixels for row in rows])


def _labels(rows: list[ShardRow]) -> Array:
    return np.array([str(row.slots["category"]) for row in rows])


def _minutes(run: Path) -> float:
    state = next(run.glob("checkpoints/*/state.json"))
    return round(float(json.loads(state.read_text(encoding="utf-8"))["minutes"]), 1)


if __name__ == "__main__":
    main()
