"""Several processes train as one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tiny_runs import FAMILIES, RECIPES, TELLING, beginning, families, run, weights  # noqa: E402
from training_data import write_drawn_shards  # noqa: E402

MEMBER = """
import hashlib, json, os, sys
from pathlib import Path
from packshot.training import loop

go, runs = loop._Run.go, []
loop._Run.go = lambda self, progress: runs.append(self) or go(self, progress)
for port, recipe, shards, out, settings in json.loads(sys.argv[1]):
    os.environ["MASTER_PORT"] = port
    loop.train(Path(recipe), Path(shards), Path(out), overrides=settings, progress=False)
    digest = hashlib.sha256()
    for name, tensor in sorted(runs[-1].trainer.state()["model"].items()):
        digest.update(tensor.contiguous().numpy())
    (Path(out) / f"digest-{os.environ['RANK']}").write_text(digest.hexdigest())
"""
"""One process of a team, which trains several runs; tells a hash of its weights at the end of each."""
TEAM_SETTINGS = ["loop.steps=40", "loop.log_every=20"]


def free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [str(probe.getsockname()[1]) for probe in probes]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def together(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of each family by one team of two processes, whose start takes longer than the training."""
    out = tmp_path_factory.mktemp("together")
    runs = [
        (port, str(RECIPES / f"tiny-{family}.toml"), str(shards), str(out / family), settings)
        for port, family in zip(free_ports(len(FAMILIES)), FAMILIES, strict=True)
        for settings in [[*beginning(family, shards), *TEAM_SETTINGS]]
    ]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    team = {"PYTHONPATH": path, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    members = [
        subprocess.Popen(
            [sys.executable, "-c", MEMBER, json.dumps(runs)],
            env={**os.environ, **team, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [member.wait(timeout=240) for member in members] == [0, 0]
    return out


@pytest.mark.slow
@families
def test_two_processes_train_as_one(family: str, shards: Path, together: Path, tmp_path: Path) -> None:
    run(family, shards, tmp_path, *TEAM_SETTINGS)
    out = together / family
    assert (out / "digest-0").read_text() == (out / "digest-1").read_text()
    one, two = (
        [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        for folder in (tmp_path, out)
    )
    name = TELLING.get(family, "g_distillation")
    assert [line["step"] for line in two] == [20, 40]
    assert family not in TELLING or two[1][name] < two[0][name]
    assert two[1][name] == pytest.approx(one[1][name], rel=0.5)
    assert all(tensor.isfinite().all() for tensor in weights(out, "model").values())
    assert weights(out, "generators")["states"].shape[0] == 2
