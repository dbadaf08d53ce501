"""Many clients at once on a server of this machine: latency, refusals, lost jobs, memory.

    python benchmarks/serve_load.py --clients 50 --seconds 120 --result benchmarks/results/DATE-serve-load.json

Every client asks for one 256×256 picture after the other with `Prefer: wait`, as a shop's page does; when it is refused
with 429 it waits as long as Retry-After says. At the end every accepted job must have ended, once. The load comes from
this process, on the same cores as the server.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

PROMPTS = ("red running shoe", "黑色真皮商务皮鞋", "女士金色手表", "blue backpack", "green T-shirt", "brown handbag")


async def client(url: str, number: int, until: float, seen: dict[str, Any]) -> None:
    """One shop's page."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        for turn in range(1_000_000):
            if time.monotonic() >= until:
                return
            body = {"prompt": PROMPTS[turn % len(PROMPTS)], "count": 1, "seed": number * 1000 + turn}
            began = time.monotonic()
            answer = await http.post("/v1/generations", json=body, headers={"Prefer": "wait=30"})
            seen["statuses"][answer.status_code] += 1
            if answer.status_code == 200:
                seen["latencies"].append(time.monotonic() - began)
                seen["jobs"].append(answer.json()["id"])
            elif answer.status_code == 202:
                seen["jobs"].append(answer.json()["id"])
            elif answer.status_code == 429:
                await asyncio.sleep(float(answer.headers["Retry-After"]))


def resident_mb(pid: int) -> float:
    """Of a process and its children."""
    pids, total = [pid], 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        pids += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    for one in pids:
        try:
            total += int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1])
        except FileNotFoundError:
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measured(url: str, pid: int, clients: int, seconds: float) -> dict[str, Any]:
    """All clients at once, and the server's memory meanwhile."""
    seen: dict[str, Any] = {"statuses": Counter(), "latencies": [], "jobs": []}
    memory: list[float] = []
    until = time.monotonic() + seconds
    tasks = [asyncio.create_task(client(url, number, until, seen)) for number in range(clients)]
    while not all(task.done() for task in tasks):
        memory.append(resident_mb(pid))
        await asyncio.sleep(1)
    for task in tasks:
        task.result()
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        ends = Counter([(await http.get(f"/v1/jobs/{job}")).json()["status"] for job in seen["jobs"]])
    latencies = np.array(seen["latencies"])
    fifth = max(1, len(memory) // 5)
    return {
        "answers": {str(status): count for status, count in sorted(seen["statuses"].items())},
        "pictures a second": round(len(latencies) / seconds, 2),
        "latency of a picture, s": {f"p{q}": round(float(np.percentile(latencies, q)), 3) for q in (50, 90, 95, 99)},
        "slowest, s": round(float(latencies.max()), 3),
        "jobs that were accepted, by end": dict(ends),
        "memory, MB": {"first fifth": round(np.mean(memory[:fifth])), "last fifth": round(np.mean(memory[-fifth:]))},
    }


def main() -> None:
    """Serve, load, print."""
    from servers import serving

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--database", default="")
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home", "--database", options.database) as on:
        found = asyncio.run(measured(on.url, on.process.pid, options.clients, options.seconds))
    facts = {"date": datetime.date.today().isoformat(), "clients": options.clients, "seconds": options.seconds}
    document = {**facts, "cores": len(os.sched_getaffinity(0)), "load before": round(os.getloadavg()[1], 1), **found}
    print(json.dumps(document, indent=1))
    if options.result:
        options.result.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
