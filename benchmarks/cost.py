"""What training costs: pictures a second of each recipe, and the share of the processor's peak that they reach.

    OMP_NUM_THREADS=1 python benchmarks/cost.py --data shards --result benchmarks/results/DATE-cost.json

The peak is what a product of two 1024×1024 matrices reaches in float32 on as many threads, the better of before and
after each recipe. Operations are those of convolutions and matrix products that PyTorch's own counter sees in one step,
backward passes included; it cannot count LADD's gradients of gradients, which is why that is missing. Times are the
processor's, of `--steps` steps after three to warm up: their mean for pictures a second, penalties of every eighth step
included, and their median for the share of the peak, which leaves those out.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anybody loads PyTorch

import torch
from torch.utils.flop_counter import FlopCounterMode

from packshot.training.distributed import join_team
from packshot.training.families import build_trainer, load_data
from packshot.training.recipe import load_recipe

RECIPES = Path(__file__).parents[1] / "recipes"
NAMES = {
    "flow": ("flow", (), 0.0),
    "flow, folding guidance": ("flow", (), 0.9),
    "GAN at 16 px": ("gan-progressive", (), 0.05),
    "GAN at 32 px": ("gan-progressive", (), 0.4),
    "GAN at 64 px": ("gan-progressive", (), 0.9),
    "GAN at 64 px, projected": ("gan-projected", (), 0.9),
    "VAE": ("vae", (), 0.5),
}
WARM_UP = 3


def peak() -> float:
    """GFLOP/s of a matrix product."""
    a = torch.randn(1024, 1024)
    began, count = time.process_time(), 0
    while time.process_time() - began < 1:
        a @ a
        count += 1
    return count * 2 * 1024**3 / (time.process_time() - began) / 1e9


def measure(data: Path, recipe_name: str, settings: tuple[str, ...], progress: float, steps: int) -> dict[str, Any]:
    """One recipe at one moment of its run."""
    fixed = ("loop.compile=false", "loop.precision=fp32", "loop.device=cpu")
    recipe = load_recipe(RECIPES / f"{recipe_name}.toml", [*fixed, *settings])
    trainer = build_trainer(
        recipe, load_data(data, recipe, torch.device("cpu")), torch.Generator().manual_seed(0), join_team("cpu")
    )
    before, seconds = peak(), []
    for number in range(1, WARM_UP + steps + 1):
        began = time.process_time()
        trainer.step(number, rate=1.0, progress=progress)
        seconds.append(time.process_time() - began)
    with FlopCounterMode(display=False) as counter:
        trainer.step(number + 1, rate=1.0, progress=progress)
    mean = statistics.mean(seconds[WARM_UP:])
    highest = max(before, peak())
    gigaflops = counter.get_total_flops() / 1e9
    return {
        "pictures a second": round(recipe.loop.batch / mean, 1),
        "GFLOP a picture": round(gigaflops / recipe.loop.batch, 2),
        "GFLOP/s": round(gigaflops / statistics.median(seconds[WARM_UP:]), 1),
        "peak GFLOP/s": round(highest, 1),
        "share of peak": round(gigaflops / statistics.median(seconds[WARM_UP:]) / highest, 3),
    }


def main() -> None:
    """Measure, print a line each, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="shards of `packshot data prepare`")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--names", nargs="*", default=list(NAMES))
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    rows = {}
    for name in options.names:
        rows[name] = measure(options.data, *NAMES[name], options.steps)
        print(f"{name:32} {json.dumps(rows[name])}", flush=True)
    if options.result:
        result = {"date": datetime.date.today().isoformat(), "threads": torch.get_num_threads(), "rows": rows}
        options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
