"""The server as replicas on Ray Serve, under load: a replica is killed, one is added, and no accepted job is lost.

    python benchmarks/serve_replicas.py --seconds 60 --result benchmarks/results/DATE-serve-replicas.json

PostgreSQL and a Ray cluster of this machine are started on loopback. Clients ask for one picture after the other with
`Prefer: wait`; after a third of the time one replica's process gets -9, after two thirds there is one replica more.
Answers in between are counted by status and by third. At the end every accepted job must be done, once.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


async def client(url: str, number: int, began: float, seconds: float, seen: dict[str, Any]) -> None:
    """Ask until the time is over."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        turn = 0
        while (passed := time.monotonic() - began) < seconds:
            third, turn = min(2, int(3 * passed / seconds)), turn + 1
            body = {"prompt": "red shoe", "count": 1, "seed": 1000 * number + turn}
            try:
                answer = await http.post("/v1/generations", json=body, headers={"Prefer": "wait=20"})
            except httpx.TransportError as error:
                seen["answers"][third][type(error).__name__] += 1
                await asyncio.sleep(0.2)
                continue
            seen["answers"][third][str(answer.status_code)] += 1
            if answer.status_code in (200, 202):
                seen["jobs"].append(answer.json()["id"])
            elif answer.status_code == 429:
                await asyncio.sleep(float(answer.headers["Retry-After"]))


def replica_pids() -> list[int]:
    """Processes of replicas, by the name that Ray gives them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::ServeReplica" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


async def measured(url: str, options: argparse.Namespace, settings: Any, cluster: Any) -> dict[str, Any]:
    """Load, kill, add, count."""
    from packshot.server.replicas import deploy

    seen: dict[str, Any] = {"answers": [Counter(), Counter(), Counter()], "jobs": []}
    began = time.monotonic()
    tasks = [
        asyncio.create_task(client(url, number, began, options.seconds, seen)) for number in range(options.clients)
    ]
    await asyncio.sleep(options.seconds / 3)
    before = replica_pids()
    os.kill(before[0], signal.SIGKILL)
    await asyncio.sleep(options.seconds / 3)
    await asyncio.to_thread(deploy, settings, replace(cluster, replicas=cluster.replicas + 1))
    after = replica_pids()
    await asyncio.gather(*tasks)
    ends: Counter[str] = Counter()
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        for job in seen["jobs"]:
            status = "queued"
            for _ in range(200):
                status = (await http.get(f"/v1/jobs/{job}")).json()["status"]
                if status not in ("queued", "running"):
                    break
                await asyncio.sleep(0.2)
            ends[status] += 1
    thirds = dict(zip(("two replicas", "one killed", "one added"), map(dict, seen["answers"]), strict=True))
    return {"answers": thirds, "accepted jobs, by end": dict(ends), "replicas": [len(before), len(after)]}


def main() -> None:
    """Start everything, measure, stop everything."""
    import postgresql
    from servers import free_port

    from packshot.server import replicas
    from packshot.server.settings import Settings

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--backend", default="fake", help="its pictures cost next to nothing: this is about loss")
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as folder, postgresql.running() as address:
        settings = Settings(
            Path(folder) / "home", f"postgresql://shop@{address}/postgres", port=free_port(), quick_workers=1,
            slow_workers=0, backend=options.backend,
        )  # fmt: skip
        cluster = replicas.Cluster(replicas=2, cpus=0.5)
        replicas.deploy(settings, cluster)
        try:
            found = asyncio.run(measured(f"http://127.0.0.1:{settings.port}", options, settings, cluster))
        finally:
            replicas.stop()
    facts = {"date": datetime.date.today().isoformat(), "clients": options.clients, "seconds": options.seconds}
    document = {**facts, "backend": options.backend, **found}
    print(json.dumps(document, indent=1))
    if options.result:
        options.result.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
