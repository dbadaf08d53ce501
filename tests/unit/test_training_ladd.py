"""Finishing a flow adversarially: times, penalty, distillation, the heads, and what it does to one evaluation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training_data import write_drawn_shards  # noqa: E402

from packshot.training.checkpoint import load_average  # noqa: E402
from packshot.training.data import load_catalogue  # noqa: E402
from packshot.training.flow_trainer import flow_spec  # noqa: E402
from packshot.training.loop import train  # noqa: E402
from packshot.training.networks.critic import TokenCritic, TokenCriticSpec  # noqa: E402
from packshot.training.networks.flow import FlowTransformer  # noqa: E402
from packshot.training.objectives import ladd  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.sampling import renoised_sample  # noqa: E402

RECIPES = Path(__file__).parents[2] / "recipes"


def test_students_start_from_noise_as_often_as_they_shall() -> None:
    times = ladd.student_times(10_000, 0.3, 0.8, torch.Generator().manual_seed(0))
    assert (times == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    later = times[times > 0]
    assert later.max() < 0.8 and later.mean().item() == pytest.approx(0.4, abs=0.02)
    assert not ladd.student_times(100, 1.0, 0.8, torch.Generator()).any()


def test_the_penalty_is_the_squared_slope_of_the_score() -> None:
    tokens = [torch.randn(6, 4, 3), torch.randn(6, 4, 3)]

    def score(given: list[torch.Tensor]) -> torch.Tensor:  # mean over 8 places: slope 2 / 8 and 3 / 8 in one channel
        return torch.cat([2 * given[0][..., 0], 3 * given[1][..., 1]], dim=1)

    assert ladd.feature_penalty(score, tokens).item() == pytest.approx(4 * (2 / 8) ** 2 + 4 * (3 / 8) ** 2)


def test_distillation_pulls_to_what_the_guided_teacher_sees() -> None:
    fake = torch.full((1, 3, 2, 2), 0.25, requires_grad=True)
    told, untold = torch.full_like(fake, 0.5), torch.zeros_like(fake)
    loss = ladd.distillation(fake, told, untold, guidance=1.5)  # target 0.75
    assert loss.item() == pytest.approx(0.25)
    (gradient,) = torch.autograd.grad(loss, fake)
    assert (gradient < 0).all()
    assert ladd.distillation(fake, told, untold, guidance=9.0).item() == pytest.approx(0.75**2)  # white is the limit


def test_heads_score_every_place_under_its_condition() -> None:
    torch.manual_seed(0)
    critic = TokenCritic(TokenCriticSpec(blocks=(1, 3), tokens=8, grid=4, width=6))
    tokens = [torch.randn(2, 16, 8) for _ in range(2)]
    logits = critic(tokens, torch.randn(2, 8))
    assert logits.shape == (2, 2 * 16)
    assert not torch.allclose(logits, critic(tokens, torch.randn(2, 8)))


def test_looking_changes_no_prediction() -> None:
    network = FlowTransformer(flow_spec(load_recipe(RECIPES / "tiny-flow.toml")))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, time, condition = torch.randn(2, 3, 16, 16), torch.tensor([0.0, 0.7]), torch.randn(2, 32)
    predicted, tokens = network.look(x, time, condition, (1, 2))
    torch.testing.assert_close(predicted, network(x, time, condition))
    assert [some.shape for some in tokens] == [(2, 16, 32)] * 2 and not torch.equal(*tokens)


def test_patches_are_compared_in_pairs_and_not_where_there_is_no_detail() -> None:
    above, below = torch.zeros(2, 1, 2, 2, requires_grad=True), torch.zeros(2, 1, 2, 2)
    below[1] = 5.0
    gap = ladd.patch_gap(above, below, torch.tensor([0.0, 1.0]))
    assert gap.item() == pytest.approx(math.log(2))  # of the first alone
    (gradient,) = torch.autograd.grad(gap, above)
    assert (gradient[0] < 0).all() and not gradient[1].any()
    assert ladd.patch_gap(above, below, torch.ones(2)).item() == 0.0


@pytest.mark.slow
def test_one_evaluation_becomes_sharp(tmp_path: Path) -> None:
    """At once from noise a flow gives the mean of what could be there; finished, it gives edges."""
    shards = write_drawn_shards(tmp_path / "shards", rows=48, varied=True)
    settings = ["loop.batch=16", "optimiser.learning_rate=0.003", "loop.steps=160"]
    train(RECIPES / "tiny-flow.toml", shards, tmp_path / "flow", overrides=settings, progress=False)
    settings = ["loop.batch=16", "optimiser.learning_rate=0.001", "optimiser.betas=[0.0, 0.99]", "loop.steps=60"]
    settings += ["objective.distillation=0", "objective.watch.every=0", f"loop.init_from={tmp_path / 'flow'}"]
    train(RECIPES / "tiny-ladd.toml", shards, tmp_path / "finished", overrides=settings, progress=False)
    recipe = load_recipe(RECIPES / "tiny-flow.toml")
    catalogue = load_catalogue(shards, recipe.data, recipe.network.vocabulary)
    network, text = FlowTransformer(flow_spec(recipe)).eval(), torch.zeros(len(catalogue.ids), 512)

    def edges(pictures: torch.Tensor) -> float:
        return pictures.diff(dim=3).square().mean().item()

    real, found = edges(catalogue.pictures.float() / 127.5 - 1), []
    for run in ("flow", "finished"):
        load_average(network, tmp_path / run)
        pictures = renoised_sample(network, catalogue.slots, catalogue.colours, text, 3, steps=1)
        found.append(edges(pictures) / real)
    assert found[0] < 0.75 * found[1] and found[1] < 1.3, found
