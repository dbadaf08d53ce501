"""What the guard costs `packshot generate`, from process start to the last of four pictures.

    python benchmarks/safety_startup.py --before /path/to/older/src

Every repeat runs, one after the other, the sources before, the guard with words alone (pictures = "off"), and with the
classifier. Ratios are taken within a repeat, so that a change of load meets all three; seconds of the processor are
steadier than those of the clock where others are at work. One unmeasured repeat comes first.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def spent(source: Path, options: list[str], prompt: str) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "packshot", "generate", prompt, "--count", "4", "--seed", "0", "--out", folder]
        environment = {**os.environ, "PYTHONPATH": str(source)}
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
        clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if run.returncode != 0 or len(list(Path(folder).iterdir())) != 4:
            sys.exit(f"{command} ended with {run.returncode}:\n{run.stderr}")
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="folder `src` of the sources before the guard")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--prompt", default="复古风格红色运动鞋")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    ours = HERE.parent / "src"
    with tempfile.TemporaryDirectory() as folder:
        off = Path(folder) / "off.toml"
        off.write_text('pictures = "off"\n', encoding="utf-8")
        kinds = {
            "before": (chosen.before, []),
            "words": (ours, ["--safety", str(off)]),
            "words and pictures": (ours, []),
        }
        rows: list[dict[str, tuple[float, float]]] = []
        for repeat in range(chosen.repeats + 1):
            row = {name: spent(source, options, chosen.prompt) for name, (source, options) in kinds.items()}
            rows += [row] if repeat else []
    document: dict[str, object] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_average": round(os.getloadavg()[0], 2),
        "repeats": chosen.repeats,
    }
    for at, what in enumerate(("clock", "processor")):
        document[f"median_seconds_of_the_{what}"] = {
            name: round(statistics.median(row[name][at] for row in rows), 3) for name in kinds
        }
        document[f"median_ratio_to_before_by_the_{what}"] = {
            name: round(statistics.median(row[name][at] / row["before"][at] for row in rows), 3) for name in kinds
        }
    path = chosen.results / f"{str(document['date'])[:10]}-safety-startup.json"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, ensure_ascii=False, indent=1))
    print(path)


if __name__ == "__main__":
    main()
