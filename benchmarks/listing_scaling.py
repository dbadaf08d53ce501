"""Rows a second of `packshot listing` with 1 and 2 workers, on local processes and on Ray, and what 100 nodes would do.

    OMP_NUM_THREADS=1 python benchmarks/listing_scaling.py --data ../shared/data --simulate-nodes 100 --result FILE.json

**Measured**: one small catalogue of sellers' photos, once as it is and once with a third of its rows drawn from words,
by the command as people type it, start and end included. Ray's two nodes are real ones on loopback, of one core each.
Every run must leave the same pictures. Of `--repeat` runs of each case, in turn, the fastest counts, since a machine
that is busy with other work gives other seconds: the result says how busy it was.

**Simulated**, not measured: `--simulate-nodes` machines of one core in virtual time (`simulated_machines.py`). What
hands out items is packshot's own code (`crew.py`); how long a row, a worker's start and the driver's share of an
answer take is measured here, and how often machines die is an assumption, given by the options. So many real Ray nodes
do not fit into this machine: three processes of each take 200 MB, its worker 130 MB more. Items that only sleep compare
the simulation with up to `--check-nodes` real ones, and tell what the executors lose also on a busy machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from ray.cluster_utils import Cluster
from simulated_machines import Conditions, SimulatedMachines

from packshot.listing.crew import Crew
from packshot.listing.pool import Executor, LocalPool, WorkerDiedError
from packshot.listing.ray_pool import STORE_BYTES, RayPool

CHANNELS = "taobao-main,shopify"
WORDS = ("red running shoe", "brown leather handbag", "blue backpack", "gold watch for women", "black leather boots",
         "white sneakers", "green sandals", "silver ring")  # fmt: skip
NIGHT_ROWS = 20_000


def write_shop(data: Path, folder: Path, rows: int, drawn: int) -> list[str]:
    """A table and its photos; the last rows have none. Returns the command but for --out."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    table = pq.read_table(data / "seller-photos.parquet", columns=["label", "image"]).slice(0, rows - drawn).to_pylist()
    lines = ["sku,title"]
    for number, row in enumerate(table):
        (photos / f"S{number:03d}.jpg").write_bytes(row["image"])
        lines.append(f"S{number:03d},{row['label']} {number}")
    lines += [f"W{number:03d},{WORDS[number % len(WORDS)]}" for number in range(drawn)]
    (folder / "shop.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sets = "".join(f"[{channel}]\nmain = 1\n" for channel in CHANNELS.split(","))
    (folder / "sets.toml").write_text(sets, encoding="utf-8")
    options = ["--photos", str(photos), "--channels", CHANNELS, "--sets", str(folder / "sets.toml")]
    return [sys.executable, "-m", "packshot", "listing", str(folder / "shop.csv"), *options]


@contextmanager
def ray_nodes(count: int) -> Iterator[str]:
    """A cluster of nodes with one core each, the head among them; its address."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        cluster = Cluster()
        try:
            cluster.add_node(num_cpus=1, include_dashboard=False, object_store_memory=STORE_BYTES, temp_dir=folder)
            for _ in range(count - 1):
                cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
            yield cluster.address
        finally:
            cluster.shutdown()


@dataclass(frozen=True)
class Run:
    """One command: seconds in all, pictures' digests by key, rows' seconds by SKU, how busy the machine was before."""

    seconds: float
    digests: dict[str, str]
    rows: dict[str, float]
    load: float
    failures: Counter[str]


def timed(command: list[str], out: Path) -> Run:
    """Run the command to its end."""
    load, began = os.getloadavg()[0], time.monotonic()
    done = subprocess.run([*command, "--out", str(out), "--json"], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode > 1 or not done.stdout:
        sys.exit(done.stderr)
    made, failed = ([json.loads(line) for line in (out / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
                    for name in ("manifest", "failures"))  # fmt: skip
    each: dict[str, float] = {}
    for line in made:
        each[line["sku"]] = each.get(line["sku"], 0.0) + line["seconds"]
    return Run(
        seconds, {line["key"]: line["sha256"] for line in made}, each, load, Counter(line["kind"] for line in failed)
    )


def measured(data: Path, rows: int, drawn: int, address: str, repeat: int) -> tuple[dict[str, Any], list[float]]:
    """One catalogue with every executor and number of workers, in turn; seconds of its rows with one worker."""
    executors = {"local": [], "ray": ["--executor", "ray", "--ray-address", address]}
    runs: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as folder:
        command = write_shop(data, Path(folder), rows, drawn)
        for turn, name, workers in itertools.product(range(repeat), executors, (1, 2)):
            case = [*command, *executors[name], "--workers", str(workers)]
            run = timed(case, Path(folder) / f"{turn}-{name}-{workers}")
            runs.setdefault(f"{name} {workers}", []).append(run)
            print(f"{rows} rows, {drawn} drawn, {name} {workers}: {run.seconds:.1f} s, {run.load}", file=sys.stderr)
    every = [run for several in runs.values() for run in several]
    if any(run.digests != every[0].digests for run in every):
        sys.exit("executors or numbers of workers made other pictures")
    rate = {name: rows / min(run.seconds for run in several) for name, several in runs.items()}
    return {
        "rows": rows, "drawn": drawn, "made": len(every[0].digests), "failures": every[0].failures,
        "rows_per_second": {name: round(value, 3) for name, value in rate.items()},
        "seconds": {name: [round(run.seconds, 1) for run in several] for name, several in runs.items()},
        "load_before": {name: [round(run.load, 1) for run in several] for name, several in runs.items()},
        "ratios": {
            "local, 2 workers to 1": round(rate["local 2"] / rate["local 1"], 2),
            "ray, 2 workers to 1": round(rate["ray 2"] / rate["ray 1"], 2),
            "ray to local, 1 worker": round(rate["ray 1"] / rate["local 1"], 2),
            "ray to local, 2 workers": round(rate["ray 2"] / rate["local 2"], 2),
        },
    }, [min(run.rows[sku] for run in runs["local 1"] + runs["ray 1"]) for sku in every[0].rows]  # fmt: skip


def nothing() -> None: ...


def same(item: int) -> int:
    return item


def slept(seconds: float, item: int) -> int:
    time.sleep(seconds * (0.5 + item % 7 / 6))  # 0.5 to 1.5 of the mean
    return item


def costs(address: str, items: int = 2000) -> dict[str, float]:
    """Seconds until a worker is ready, and of the driver's processor for each answer."""
    began = time.monotonic()
    (_,) = RayPool(same, nothing, 1, address).results(range(1))
    start = time.monotonic() - began
    before, began = time.process_time(), time.monotonic()
    count = sum(1 for _ in RayPool(same, nothing, 2, address).results(range(items)))
    driver, wall = time.process_time() - before, time.monotonic() - began - start
    assert count == items
    return {"worker_start": round(start, 2), "driver_per_answer": round(driver / items, 5),
            "answers_per_second": round(items / wall, 1)}  # fmt: skip


def simulated(conditions: Conditions, seconds: list[float], items: int, deadly_share: float) -> dict[str, Any]:
    """A run of so many rows in virtual time."""
    rng = random.Random(conditions.nodes)
    times = rng.choices(seconds, k=items)
    deadly = {item for item in range(items) if rng.random() < deadly_share}
    machines = SimulatedMachines(conditions, times.__getitem__, deadly.__contains__, rng)
    began = time.monotonic()
    lost = [item for item, made in Crew(machines).results(range(items)) if isinstance(made, WorkerDiedError)]
    return {
        "hours": round(machines.now / 3600, 3),
        "efficiency": round(machines.busy_seconds / (machines.now * conditions.nodes), 3),
        "machines_died": machines.node_deaths,
        "rows_run_again": sum(count > 1 for count in Counter(machines.runs).values()),
        "deadly_rows": len(deadly),
        "lost": len(lost),
        "lost_innocent": len(set(lost) - deadly),
        "simulated_in_seconds": round(time.monotonic() - began, 1),
    }


def night(given: argparse.Namespace, seconds: list[float], cost: dict[str, float]) -> dict[str, Any]:
    """20,000 rows on 1 to `--simulate-nodes` machines, with failures and without."""
    found: dict[str, Any] = {}
    steps = sorted({1, 2, 10, 25, 50, given.simulate_nodes})
    for nodes in (step for step in steps if step <= given.simulate_nodes):
        for name, between in (("without failures", float("inf")), ("with failures", given.hours_between_deaths * 3600)):
            world = Conditions(nodes, 1, cost["worker_start"], cost["driver_per_answer"], between,
                               given.seconds_away, given.seconds_noticed)  # fmt: skip
            share = given.deadly_share if name == "with failures" else 0.0
            row = simulated(world, seconds, NIGHT_ROWS, share)
            row["rows_per_second"] = round(NIGHT_ROWS / row["hours"] / 3600, 2)
            found[f"{nodes} nodes, {name}"] = row
            print(f"simulated {nodes} nodes, {name}: {row}", file=sys.stderr)
    return {
        "what": "discrete-event simulation, no real machines",
        "rows": NIGHT_ROWS,
        "seconds_of_a_row": {"mean": round(statistics.fmean(seconds), 3), "samples": len(seconds)},
        "assumed": {"hours_between_deaths_of_a_machine": given.hours_between_deaths, "seconds_away": given.seconds_away,
                    "seconds_noticed": given.seconds_noticed, "deadly_share": given.deadly_share},
        "cases": found,
    }  # fmt: skip


def asleep(nodes: int, cost: dict[str, float], seconds: float = 0.5) -> dict[str, Any]:
    """The same items, which only sleep, by local processes, on real Ray nodes and on simulated ones.

    Sleeping costs no processor: this tells what executors lose, also on a machine that is busy with other work.
    """
    items = 60 * nodes
    best = sum(seconds * (0.5 + item % 7 / 6) for item in range(items)) / nodes
    work = partial(slept, seconds)
    local = _seconds(LocalPool(work, nothing, nodes), items)
    with ray_nodes(nodes) as address:
        real = _seconds(RayPool(work, nothing, 0, address), items)
    machines = SimulatedMachines(
        Conditions(nodes, 1, cost["worker_start"], cost["driver_per_answer"]),
        lambda item: seconds * (0.5 + item % 7 / 6),
    )
    assert sum(1 for _ in Crew(machines).results(range(items))) == items
    return {"items": items, "seconds_without_any_loss": round(best, 1), "local": round(local, 1),
            "ray": round(real, 1), "simulated": round(machines.now, 1)}  # fmt: skip


def _seconds(executor: Executor[int, int], items: int) -> float:
    began = time.monotonic()
    assert sorted(item for item, _ in executor.results(range(items))) == list(range(items))
    return time.monotonic() - began


def main() -> None:
    """Measure, simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each case, of which the fastest counts")
    parser.add_argument("--simulate-nodes", type=int, default=100)
    parser.add_argument("--hours-between-deaths", type=float, default=2.0, help="of one machine, on average")
    parser.add_argument("--seconds-away", type=float, default=180.0)
    parser.add_argument("--seconds-noticed", type=float, default=15.0)
    parser.add_argument("--deadly-share", type=float, default=1e-4, help="of rows whose worker always dies")
    parser.add_argument("--check-nodes", type=int, default=6)
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    document: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }
    with ray_nodes(2) as address:
        photos, seconds = measured(given.data, given.rows, 0, address, given.repeat)
        mixed, more = measured(given.data, given.rows, given.rows // 3, address, given.repeat)
        cost = costs(address)
    document |= {"photos alone": photos, "a third drawn from words": mixed, "costs": cost}
    sizes = sorted({1, 2, given.check_nodes})
    document["sleeping items, seconds by workers"] = {str(nodes): asleep(nodes, cost) for nodes in sizes}
    document["simulation"] = night(given, [*seconds, *more], cost)
    text = json.dumps(document, indent=1)
    print(text)
    if given.result is not None:
        given.result.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
