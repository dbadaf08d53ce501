"""Progressive growing: stages over a run, networks at every side, and no jump when a side is added."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from training_data import write_drawn_shards  # noqa: E402

from packshot.training import checkpoint as checkpoints  # noqa: E402
from packshot.training.gan_trainer import GanTrainer, gan_spec, growth_stage, shrunk  # noqa: E402
from packshot.training.loop import train  # noqa: E402
from packshot.training.networks.gan import Discriminator, Generator, Stage  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.sections import GrowthRecipe  # noqa: E402
from packshot.training.trainer import Average  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-gan.toml"
GROWING = ["objective.growth.sides=[8, 16]", "objective.growth.shares=[0.5, 0.5]", "objective.growth.fade=0.5"]
CPU = torch.device("cpu")


def networks() -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    spec = gan_spec(load_recipe(TINY, GROWING))
    return Generator(spec), Discriminator(spec)


def test_stages_follow_the_shares_of_the_run() -> None:
    growth = GrowthRecipe(sides=(16, 32, 64), shares=(0.2, 0.4, 0.4), fade=0.5)
    seen = [
        (0.0, 16, None),
        (0.19, 16, None),
        (0.2, 32, 0.0),
        (0.3, 32, 0.5),
        (0.45, 32, None),
        (0.7, 64, 0.5),
        (1.0, 64, None),
    ]
    for progress, side, fade in seen:
        stage = growth_stage(growth, progress, CPU)
        assert stage.side == side
        assert (None if stage.fade is None else stage.fade.item()) == (
            None if fade is None else pytest.approx(fade, abs=1e-6)
        )
    alone = GrowthRecipe(sides=(64,), shares=(1.0,), fade=0.5)
    assert all(growth_stage(alone, progress, CPU) == Stage(64, None) for progress in (0.0, 0.1, 1.0))


def test_a_new_side_begins_as_the_old_one_enlarged() -> None:
    generator, discriminator = networks()
    z, condition = torch.randn(4, generator.spec.latent), torch.randn(4, generator.spec.conditioner.width)
    small, whole = generator(z, condition, Stage(8, None)), generator(z, condition)
    assert small.shape == (4, 3, 8, 8) and whole.shape == (4, 3, 16, 16)
    doubled = torch.nn.functional.interpolate(small, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(generator(z, condition, Stage(16, torch.tensor(0.0))), doubled)
    torch.testing.assert_close(generator(z, condition, Stage(16, torch.tensor(1.0))), whole)
    torch.testing.assert_close(discriminator.features(doubled, torch.tensor(0.0)), discriminator.features(small))
    torch.testing.assert_close(discriminator.features(whole, torch.tensor(1.0)), discriminator.features(whole))


def test_real_pictures_are_as_coarse_as_made_ones() -> None:
    pictures = torch.rand(2, 3, 16, 16)
    assert torch.equal(shrunk(pictures, Stage(16, None)), pictures)
    half = shrunk(pictures, Stage(8, None))
    torch.testing.assert_close(half, torch.nn.functional.avg_pool2d(pictures, 2))
    fading = shrunk(pictures, Stage(16, torch.tensor(0.0)))
    torch.testing.assert_close(fading, torch.nn.functional.interpolate(half, scale_factor=2.0, mode="nearest"))


def test_a_growing_run_trains_every_layer_and_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = write_drawn_shards(tmp_path / "shards")
    train(TINY, shards, tmp_path / "whole", overrides=GROWING, progress=False)
    step, done = GanTrainer.step, []

    def interrupted(self: GanTrainer, number: int, **moment: float) -> dict[str, float]:
        if number == 2 and not done:  # the last of the small pictures
            done.append(number)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, **moment)

    monkeypatch.setattr(GanTrainer, "step", interrupted)
    for ended in ("interrupted", "finished"):
        assert train(TINY, shards, tmp_path / "parts", overrides=GROWING, progress=False).ended == ended
    for part in checkpoints.PARTS:
        whole, parts = (
            load_file(checkpoints.find_average(tmp_path / name).with_name(f"{part}.safetensors"))
            for name in ("whole", "parts")
        )
        assert whole.keys() == parts.keys() and all(torch.equal(whole[name], parts[name]) for name in whole)
    model = load_file(checkpoints.find_average(tmp_path / "whole").with_name("model.safetensors"))
    for network, prefix in zip(_fresh(), ("generator.", "discriminator."), strict=True):
        before = network.state_dict()
        still = [name for name in before if torch.equal(before[name], model[prefix + name])]
        assert not [name for name in still if name.endswith("weight") and "sentence" not in name], still


def test_the_average_forgets_when_layers_are_added(tmp_path: Path) -> None:
    """A long memory would keep the random layers of the new side until the end of a short run."""
    shards = write_drawn_shards(tmp_path / "shards")
    settings = [*GROWING, "optimiser.ema_decay=0.999", "optimiser.ema_early_decay=0.999", "loop.steps=8"]
    drawn: list[dict[str, torch.Tensor]] = []
    follow = Average.follow

    def noting(self: Average[Generator], network: torch.nn.Module, decay: float) -> None:
        follow(self, network, decay)
        if decay == 0:
            drawn.append({name: tensor.clone() for name, tensor in network.state_dict().items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Average, "follow", noting)
        train(TINY, shards, tmp_path / "run", overrides=settings, progress=False)
    assert len(drawn) == 2  # at the first step, and when 16 px began
    model = load_file(checkpoints.find_average(tmp_path / "run").with_name("model.safetensors"))
    average = load_file(checkpoints.find_average(tmp_path / "run"))
    ends = {name: model[f"generator.{name}"] for name in average}
    name = "last.weight"
    moved, behind = ((ends[name] - drawn[1][name]).norm(), (ends[name] - average[name]).norm())
    assert behind < 0.7 * moved


def _fresh() -> tuple[Generator, Discriminator]:
    """The networks as a run of the tiny recipe begins with them."""
    with torch.random.fork_rng():
        torch.manual_seed(load_recipe(TINY).loop.seed)
        spec = gan_spec(load_recipe(TINY, GROWING))
        return Generator(spec), Discriminator(spec)
