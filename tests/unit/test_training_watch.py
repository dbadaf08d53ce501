"""Mode collapse: the two numbers, the alarm, the way back, and a GAN that is made to collapse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training_data import write_drawn_shards  # noqa: E402

from packshot.training.data import load_catalogue  # noqa: E402
from packshot.training.loop import train  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.sections import DataRecipe, WatchRecipe  # noqa: E402
from packshot.training.watch import Guard, Watch  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-gan.toml"
RECIPE = WatchRecipe(
    every=10,
    pictures=100,
    least_diversity=0.2,
    least_coverage=0.5,
    penalty_factor=2.0,
    mode_seeking=0.1,
    most_alarms=2,
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("data") / "shards", rows=200, varied=True)


@pytest.fixture(scope="module")
def catalogue(shards: Path):  # type: ignore[no-untyped-def]
    recipe = load_recipe(TINY)
    assert isinstance(recipe.data, DataRecipe)
    return load_catalogue(shards, recipe.data, recipe.network.vocabulary)


class Painter:
    """Samples real pictures of the category (`varied`), or always the first one."""

    def __init__(self, catalogue, *, varied: bool) -> None:  # type: ignore[no-untyped-def]
        self.catalogue, self.varied = catalogue, varied

    def __call__(self, slots, colours, text, seed):  # type: ignore[no-untyped-def]
        random = torch.Generator().manual_seed(seed)
        pictures = []
        for category in slots[:, 0]:
            rows = torch.nonzero(self.catalogue.slots[:, 0] == category)[:, 0]
            place = int(torch.randint(0, len(rows), (1,), generator=random)) if self.varied else 0
            pictures.append(self.catalogue.pictures[rows[place]])
        return torch.stack(pictures).float() / 127.5 - 1


def test_real_pictures_are_varied_and_one_picture_is_not(catalogue) -> None:  # type: ignore[no-untyped-def]
    watch = Watch(catalogue, 150)
    real = watch.read(Painter(catalogue, varied=True), CPU)
    assert 0.8 < real.diversity < 1.2 and real.coverage > 0.6
    dull = watch.read(Painter(catalogue, varied=False), CPU)
    assert dull.diversity == 0 and dull.coverage < 0.2


def test_an_alarm_gives_back_the_best_state_and_asks_for_more(catalogue, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    guard = Guard(RECIPE, catalogue, CPU, leads=True)
    weight, restored = torch.zeros(1), []

    def look(number: int, *, varied: bool) -> dict[str, float]:
        painter = Painter(catalogue, varied=varied)
        return guard.look(number, painter, lambda: {"model": {"w": weight}}, lambda parts: restored.append(parts))

    assert look(0, varied=True) == look(7, varied=True) == {}
    assert look(10, varied=True)["alarm"] == 0
    weight += 1
    assert look(20, varied=False)["alarm"] == 1
    assert restored[0]["model"]["w"].item() == 0
    assert (guard.penalty_factor, guard.mode_seeking) == (2.0, 0.1)
    look(30, varied=False)
    look(40, varied=False)
    assert len(restored) == 2 and guard.alarms == 2  # the third is only told
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in told] == [f" mode collapse at step {n}" for n in (20, 30, 40)]
    assert "no more measures" in told[2]
    again = Guard(RECIPE, catalogue, CPU, leads=True)
    again.load_state(guard.state())
    assert (again.alarms, again.best_coverage) == (guard.alarms, guard.best_coverage)
    assert torch.equal(again.best["model/w"], guard.best["model/w"])


def readings(out: Path) -> dict[int, dict[str, float]]:
    lines = map(json.loads, (out / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["step"]: line for line in lines if "diversity" in line}


def test_a_gan_made_to_collapse_rings_and_recovers(shards: Path, tmp_path: Path) -> None:
    """A slow critic without penalty, mode seeking or auxiliary head lets G make one picture of each kind."""
    settings = [
        "loop.batch=16",
        "loop.log_every=20",
        "optimiser.learning_rate=0.002",
        "objective.loss=classic",
        "objective.penalty=0",
        "objective.category=0",
        "objective.mode_seeking=0",
        "objective.discriminator_rate=0.2",
        "objective.watch.every=20",
        "objective.watch.pictures=128",
        "objective.watch.least_diversity=0.2",
    ]
    for name, measure, steps in (("alone", 0.0, 60), ("cured", 0.05, 100)):
        cure = [f"objective.watch.mode_seeking={measure}", "objective.watch.penalty_factor=1", f"loop.steps={steps}"]
        train(TINY, shards, tmp_path / name, overrides=[*settings, *cure], progress=False)
    alone, cured = readings(tmp_path / "alone"), readings(tmp_path / "cured")
    assert alone[40]["alarm"] == cured[40]["alarm"] == 1  # collapsed: diversity under 0.2
    assert alone[60]["diversity"] < 0.4 < 0.7 < cured[60]["diversity"]
    assert cured[40]["coverage"] < 0.1 and cured[100]["coverage"] > 0.3
