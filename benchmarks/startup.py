"""From process start to saved pictures, as a ratio to importing PyTorch and diffusers in the same run.

    python benchmarks/startup.py --peer-python /path/to/venv/bin/python

Every repeat runs, one after the other, `packshot generate` with 4 pictures, `import torch, diffusers` in the peer's
interpreter, and `packshot generate` with 12, so that a change of load meets all three. Medians over the repeats are
reported; one unmeasured repeat comes first, so that all find their files in the system's cache. Absolute seconds vary
with the machine's load: compare ratios.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from PIL import Image

RESULTS = Path(__file__).resolve().parent / "results"
FEW, MANY, SIDE_PX = 4, 12, 256
PEER_IMPORT = "import torch, diffusers"
PEER_VERSIONS = """
import json
from importlib.metadata import version
print(json.dumps({name: version(name) for name in ("torch", "diffusers")}))
"""


@dataclass
class Times:
    """Wall seconds of every measured repeat, in order."""

    few: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float | None]:
        """Medians, the ratio to the peer and the cost of one more picture in milliseconds."""
        few, many = statistics.median(self.few), statistics.median(self.many)
        more = [(b - a) / (MANY - FEW) * 1000 for a, b in zip(self.few, self.many, strict=True)]
        peer = statistics.median(self.peer) if self.peer else None
        return {
            "seconds_of_4_pictures": round(few, 3),
            "seconds_of_12_pictures": round(many, 3),
            "seconds_of_peer_import": None if peer is None else round(peer, 3),
            "ratio_4_pictures_to_peer_import": None if peer is None else round(few / peer, 3),
            "milliseconds_of_one_more_picture": round(statistics.median(more), 1),
        }


def seconds_of(command: list[str]) -> float:
    """Wall time of a command from its start to its end; its failure ends the benchmark with its own words."""
    start = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = time.perf_counter() - start
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with {run.returncode}:\n{run.stdout}{run.stderr}")
    return spent


def seconds_of_pictures(program: Path, arguments: argparse.Namespace, count: int) -> float:
    """Time `packshot generate` and make sure that it left `count` whole pictures of 256x256."""
    with tempfile.TemporaryDirectory() as folder:
        wish = [arguments.prompt, "--count", str(count), "--seed", "0", "--size", str(SIDE_PX), "--out", folder]
        spent = seconds_of([str(program), "generate", *wish, "--pack", arguments.pack, "--backend", arguments.backend])
        pictures = sorted(Path(folder).iterdir())
        if len(pictures) != count:
            sys.exit(f"{len(pictures)} pictures were saved instead of {count}")
        for path in pictures:
            with Image.open(path) as picture:
                picture.load()
                if picture.size != (SIDE_PX, SIDE_PX):
                    sys.exit(f"{path.name} is {picture.size} instead of {SIDE_PX} square")
    return spent


def measure(program: Path, arguments: argparse.Namespace) -> Times:
    """Run the repeats, interleaved."""
    times = Times()
    for repeat in range(arguments.repeats + 1):
        few = seconds_of_pictures(program, arguments, FEW)
        peer = seconds_of([arguments.peer_python, "-c", PEER_IMPORT]) if arguments.peer_python else None
        many = seconds_of_pictures(program, arguments, MANY)
        if repeat == 0:
            continue
        times.few.append(few)
        times.many.append(many)
        if peer is not None:
            times.peer.append(peer)
    return times


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def circumstances(arguments: argparse.Namespace) -> dict[str, object]:
    """What the numbers depend on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    peer = None
    if arguments.peer_python:
        peer = json.loads(subprocess.check_output([arguments.peer_python, "-c", PEER_VERSIONS], text=True))
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": cores,
        "load_average_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("packshot", "numpy", "onnxruntime", "pillow")},
        "peer": peer,
        "prompt": arguments.prompt,
        "pack": arguments.pack,
        "backend": arguments.backend,
        "repeats": arguments.repeats,
    }


def parse_arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peer-python", help="an interpreter with torch and diffusers; without it no ratio is measured"
    )
    parser.add_argument("--repeats", type=int, default=7, help="measured repeats (default 7)")
    parser.add_argument("--prompt", default="复古风格红色运动鞋")
    parser.add_argument("--pack", default="base")
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the dated JSON")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats: got {arguments.repeats}; accepted: 1 or more")
    return arguments


def main() -> None:
    """Measure, print and keep the result."""
    arguments = parse_arguments()
    document = circumstances(arguments)
    times = measure(Path(sys.executable).with_name("packshot"), arguments)
    document |= {"summary": times.summary(), "seconds": asdict(times)}
    arguments.results.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
    path = arguments.results / f"startup-{stamp}.json"
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document["summary"], indent=1))
    print(path)


if __name__ == "__main__":
    main()
