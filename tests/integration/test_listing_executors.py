"""One contract for every executor, with real processes that are killed; Ray's is a cluster of several nodes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command_line import packshot
from listing_shop import lines

from packshot.errors import OutputError, RequestError
from packshot.listing.pool import TRIES, Executor, LocalPool, WorkerDiedError

pytestmark = pytest.mark.slow
WORKERS = 2
Make = Callable[[Callable[[Any], Any], Callable[[], None]], Executor[Any, Any]]


@dataclass(frozen=True)
class Item:
    """What a worker is to do: leave a mark that it was here, then something else."""

    number: int
    folder: Path
    act: str = ""

    def mark(self) -> Path:
        return self.folder / f"{self.number}-{os.getpid()}-{time.monotonic_ns()}"


def work(item: Item) -> int:
    first = not list(item.folder.glob(f"{item.number}-*"))
    item.mark().touch()
    if item.act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item.act == "wait" or (item.act == "wait once" and first):
        time.sleep(60)
    if item.act == "raise":
        raise LookupError("nothing there")
    time.sleep(0.05)
    return 2 * item.number


def start(folder: Path) -> None:
    Item(-1, folder).mark().touch()


def refuse() -> None:
    raise OutputError("/there", "nothing", "something")


def marks(folder: Path) -> list[tuple[int, int]]:
    """Number and process of each mark; number -1 is a worker's start."""
    names = (path.name.rsplit("-", 2) for path in folder.iterdir())
    return [(int(number), int(pid)) for number, pid, _ in names]


def gone(pids: set[int], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    from packshot.listing import ray_pool  # sets Ray's environment

    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))  # of the nodes' workers
        made = Cluster()
        store = ray_pool.STORE_BYTES
        made.add_node(num_cpus=1, include_dashboard=False, object_store_memory=store, temp_dir=folder)
        made.add_node(num_cpus=WORKERS - 1, object_store_memory=store)
        yield made
        made.shutdown()


@pytest.fixture(params=["local", "ray"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "local":
        return partial(LocalPool, workers=WORKERS)
    address = request.getfixturevalue("cluster").address
    from packshot.listing.ray_pool import RayPool

    return partial(RayPool, workers=WORKERS, address=address)


def test_items_are_answered_once_and_only_the_guilty_one_is_lost(make: Make, tmp_path: Path) -> None:
    def kill() -> None:
        while not (pids := [pid for number, pid in marks(tmp_path) if number == 5]):
            time.sleep(0.02)
        os.kill(pids[0], signal.SIGKILL)

    acts = {3: "die", 5: "wait once"}
    items = [Item(number, tmp_path, acts.get(number, "")) for number in range(12)]
    killer = threading.Thread(target=kill)
    killer.start()
    answers = list(make(work, partial(start, tmp_path)).results(items))
    killer.join()
    assert sorted(item.number for item, _ in answers) == list(range(12))
    found = {item.number: made for item, made in answers}
    assert isinstance(found.pop(3), WorkerDiedError)
    assert found == {number: 2 * number for number in range(12) if number != 3}
    seen = marks(tmp_path)
    runs = Counter(number for number, _ in seen)
    assert runs[3] == 1 + TRIES and all(runs[number] <= 2 for number in range(12) if number != 3)
    starts = Counter(pid for number, pid in seen if number == -1)
    assert set(starts.values()) == {1} and {pid for _, pid in seen} == set(starts)
    assert gone(set(starts))


def test_what_is_raised_is_raised_again_and_ends_the_workers(make: Make, tmp_path: Path) -> None:
    items = [Item(number, tmp_path, "raise" if number == 2 else "") for number in range(40)]
    with pytest.raises(LookupError, match="nothing there"):
        list(make(work, partial(start, tmp_path)).results(items))
    assert len(list(tmp_path.iterdir())) < 40 and gone({pid for _, pid in marks(tmp_path)})
    with pytest.raises(OutputError, match="/there: got nothing; accepted: something"):
        list(make(work, refuse).results(items))


def test_work_under_way_is_bounded_and_closing_ends_it(make: Make, tmp_path: Path) -> None:
    answers = iter(make(work, partial(start, tmp_path)).results([Item(number, tmp_path) for number in range(40)]))
    next(answers)
    time.sleep(0.6)
    begun = marks(tmp_path)
    assert len(begun) - WORKERS <= 1 + 2 * WORKERS
    answers.close()  # type: ignore[attr-defined]
    assert gone({pid for _, pid in begun}) and len(marks(tmp_path)) <= len(begun) + WORKERS


DRIVER = """
import sys
from functools import partial
from pathlib import Path
from test_listing_executors import Item, start, work
from packshot.listing.pool import LocalPool
folder, address = Path(sys.argv[1]), sys.argv[2]
make = partial(LocalPool, workers=2)
if address:
    from packshot.listing.ray_pool import RayPool
    make = partial(RayPool, workers=2, address=address)
if __name__ == "__main__":
    list(make(work, partial(start, folder)).results([Item(number, folder, "wait") for number in range(4)]))
"""


def test_workers_end_with_the_process_that_asked(make: Make, tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "marks").mkdir()
    address = str(getattr(make(work, refuse), "address", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    driver = subprocess.Popen([sys.executable, tmp_path / "driver.py", tmp_path / "marks", address], env=environment)
    until = time.monotonic() + 30
    while len({number for number, _ in marks(tmp_path / "marks")} - {-1}) < WORKERS:
        assert driver.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert gone({pid for _, pid in marks(tmp_path / "marks")})


def pictures(out: Path) -> dict[str, bytes]:
    """Every file that a user sees of a run, but for the lines' order and what they say of the time it took."""
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("[!.]*") if path.is_file()}
    found = {name: path.read_bytes() for name, path in files.items()}
    for name in ("manifest.jsonl", "failures.jsonl"):
        rows = sorted(lines(out / name), key=str)
        assert len({row.get("key", str(row)) for row in rows}) == len(rows)
        found[name] = json.dumps([{**row, "seconds": None} for row in rows], sort_keys=True).encode()
    return found


def test_a_listing_run_killed_on_ray_and_resumed_is_as_never_interrupted(cluster: Any, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    from listing_shop import shop_in

    shop = shop_in(tmp_path)
    assert packshot(*shop, "--out", tmp_path / "whole", "--workers", 1).returncode == 1  # a row is damaged
    out = tmp_path / "torn"
    elsewhere = ["--executor", "ray", "--ray-address", cluster.address, "--json", "--out", "torn"]
    command = [sys.executable, "-m", "packshot", *map(str, shop), *elsewhere]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path) as driver:
        until = time.monotonic() + 90
        while len(lines(out / "manifest.jsonl")) < 2:
            assert driver.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        driver.kill()
    there = len(lines(out / "manifest.jsonl"))
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert again.returncode == 1, again.stderr
    done = json.loads(again.stdout)
    assert 2 <= done["there"] <= there and done["made"] + done["there"] == 10
    assert pictures(out) == pictures(tmp_path / "whole")


def processes_of(node: Any) -> set[int]:
    """The raylet of a node, its agents, and its workers."""
    found = {process.process.pid for kind in node.all_processes.values() for process in kind}
    for _ in range(2):
        parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_a_node_vanishes_and_another_joins_while_items_run(cluster: Any, tmp_path: Path) -> None:
    from packshot.listing.ray_pool import RayPool

    (lost,) = cluster.worker_nodes
    items = [Item(number, tmp_path) for number in range(200)]
    answers = RayPool(work, partial(start, tmp_path), 0, cluster.address).results(items)
    found = [next(answers)]
    while not processes_of(lost) & {pid for number, pid in marks(tmp_path) if number >= 0}:
        found.append(next(answers))
    for pid in processes_of(lost):
        os.kill(pid, signal.SIGKILL)
    joined = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20, wait=False)
    used = False
    for answer in answers:
        found.append(answer)
        used = used or bool(processes_of(joined) & {pid for number, pid in marks(tmp_path) if number >= 0})
    assert used and dict(found) == {item: 2 * item.number for item in items} and len(found) == len(items)
    runs = Counter(number for number, _ in marks(tmp_path))
    assert sum(runs[number] > 1 for number in range(200)) <= 1


def test_a_cluster_that_is_not_there_is_said_at_once() -> None:
    ray_pool = pytest.importorskip("packshot.listing.ray_pool")

    def greet() -> None:
        with other.accept()[0] as peer:
            peer.sendall(b"SSH-2.0-OpenSSH")

    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=greet).start()
        mistakes = {
            "127.0.0.1:1": "nobody answers",
            "no.such.host.invalid:6379": "nobody answers",
            f"127.0.0.1:{other.getsockname()[1]}": "something else answers",
            "ray://127.0.0.1:10001": "accepted: HOST:PORT",
            "head": "accepted: HOST:PORT",
        }
        for address, said in mistakes.items():
            with pytest.raises(RequestError, match=said):
                ray_pool.cores(address)
