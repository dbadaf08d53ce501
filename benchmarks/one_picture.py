"""What one more 256×256 picture costs with each pack, side by side in one run.

    python benchmarks/one_picture.py --packs base flow gan --result benchmarks/results/DATE-one-picture.json

Packs take turns, so that a change of load meets all. Milliseconds of wall time for a picture among eight of one prompt,
as many at once as there are cores, after two that warm up; medians over the rounds. Compare ratios: absolute times vary
with the machine and its load.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import time
from pathlib import Path

from packshot.generation import GenerationRequest, open_backend

PROMPTS = ("复古风格红色运动鞋", "brown leather handbag for women", "black sunglasses")
EACH = 8


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packs", nargs="*", default=["base", "flow", "gan"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    backends = {pack: open_backend("embedded", pack) for pack in options.packs}
    for backend in backends.values():
        list(backend.generate([GenerationRequest(PROMPTS[0], 2, 0)]))
    taken: dict[str, list[float]] = {pack: [] for pack in backends}
    for number in range(options.rounds):
        prompt = PROMPTS[number % len(PROMPTS)]
        for pack, backend in backends.items():
            began = time.perf_counter()
            list(backend.generate([GenerationRequest(prompt, EACH, number)]))
            taken[pack].append((time.perf_counter() - began) * 1000 / EACH)
    rows = {pack: round(statistics.median(some), 1) for pack, some in taken.items()}
    print(json.dumps(rows))
    if options.result:
        result = {"date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "ms": rows, "all": taken}
        options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
