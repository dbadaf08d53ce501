"""What the gate costs a request, and what a server takes of memory: without keys, and with one.

    python benchmarks/serve_gate.py --result benchmarks/results/DATE-serve-gate.json [--database postgresql://…]

A server with two quick workers and a slow one on loopback answers `GET /v1/session`, one request after the other over
one connection: it does nothing else, so that the difference is the key's look-up and its bucket in the database.
`/healthz` passes the gate unasked and is the floor. Memory is that of the server and of each process below it after
the requests: quick workers have drawn once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def timed(http: httpx.Client, path: str, count: int) -> dict[str, float]:
    """Milliseconds of requests that follow each other."""
    taken = []
    for turn in range(count + 20):
        began = time.perf_counter()
        answer = http.get(path)
        if turn >= 20:  # the first ones build routes and connections
            taken.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
    return {"median_ms": round(statistics.median(taken), 2), "p95_ms": round(sorted(taken)[int(0.95 * count)], 2)}


def memory(pid: int) -> dict[str, Any]:
    """Resident megabytes of a server, and of each of the processes below it."""
    from packshot.server.guard import resident_bytes

    lists = Path(f"/proc/{pid}/task").glob("*/children")  # the supervisor's thread starts them
    children = [child for one in lists for child in one.read_text(encoding="ascii").split()]
    sizes = sorted(round(resident_bytes(child) / 1e6) for child in children)
    return {"server_mb": round(resident_bytes(pid) / 1e6), "processes_mb": sizes}


def measured(database: str, count: int, backend: str) -> dict[str, Any]:
    """Without a key, then with one, on servers with homes of their own."""
    from command_line import packshot
    from servers import serving

    found: dict[str, Any] = {}
    options = ("--backend", backend, "--workers", "2", *(("--database", database) if database else ()))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("without keys", "with a key"):
            home = Path(folder) / name.replace(" ", "-")
            headers = {}
            if name == "with a key":
                place = ("--database", database) if database else ("--home", home)
                made = packshot("keys", "create", f"bench {os.getpid()}", "--per-minute", "1000000", *place)
                headers["Authorization"] = f"Bearer {made.stdout.strip()}"
            with serving(home, *options) as server, httpx.Client(base_url=server.url, headers=headers) as http:
                found[name] = {
                    "/healthz": timed(http, "/healthz", count),
                    "/v1/session": timed(http, "/v1/session", count),
                }
                found[name]["memory"] = memory(server.process.pid)
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--database", default="", help="of PostgreSQL; SQLite if left out")
    parser.add_argument("--backend", default="embedded")
    parser.add_argument("--count", type=int, default=500)
    wish = parser.parse_args()
    found = measured(wish.database, wish.count, wish.backend)
    kind = wish.database.partition(":")[0] or "sqlite"
    text = json.dumps({"database": kind, "cores": os.cpu_count(), "load": os.getloadavg()[0], "found": found}, indent=1)
    print(text)
    wish.result.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
