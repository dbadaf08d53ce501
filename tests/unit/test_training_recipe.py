from __future__ import annotations

from pathlib import Path

import pytest

from packshot.errors import RecipeError
from packshot.training.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_resolved_recipe_reads_back_equal(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(RECIPES / f"{name}.toml")
    (tmp_path / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.toml") == recipe


def test_overrides_reach_values_and_tables_of_names() -> None:
    recipe = load_recipe(
        RECIPES / "flow.toml",
        ["optimiser.learning_rate=1e-4", "data.category_weights.watch=2", "loop.init_from=runs/a"],
    )
    assert recipe.optimiser.learning_rate == 1e-4
    assert recipe.data.category_weights["watch"] == 2.0
    assert recipe.loop.init_from == "runs/a"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("optimiser.learnin_rate=1", "did you mean 'learning_rate'"),
        ("optimizer.learning_rate=1", "did you mean 'optimiser'"),
        ("optimiser.learning_rate=fast", "a number"),
        ("optimiser.learning_rate=nan", "1e-08 to 1"),
        ("loop.batch=1.5", "a whole number"),
        ("loop.compile=1", "true or false"),
        ("loop.batch=0", "1 to"),
        ("optimiser.betas=[0.9]", "a list of 2 numbers"),
        ("objective.loss='hinge'", "'relativistic' or 'classic'"),
        ("network.generator_channels=[64, 32]", "one number for each of the sides"),
        ("data.drop_slots=[0.1]", "as many as network.vocabulary"),
        ("family=unet", "'flow' or 'ladd' or 'gan' or 'vae' or 'upscaler'"),
        ("optimiser.matrix_optimiser=muon", "'adamw': the family 'gan' has no transformer blocks"),
        ("objective.growth.sides=[16, 64]", "sides from 8 on that double up to data.resolution (64)"),
        ("objective.growth.sides=[4, 8, 16, 32, 64]", "sides from 8 on"),
        ("objective.growth.shares=[0.5]", "one for each of the 1 sides, 1 in all"),
        ("objective.growth.fades=1", "did you mean 'fade'"),
        ("loop.freeze=blocks", "a list of texts"),
        ("loop.precision=fp16", "'auto' or 'bf16' or 'fp32'"),
        ("loop", "section.key=value"),
        ("family.x=1", "a table before the last dot"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_is_accepted(setting: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(RECIPES / "gan.toml", [setting])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "setting", "words"),
    [
        ("upscaler", "optimiser.matrix_optimiser=muon", "'adamw': the family 'upscaler' has no transformer blocks"),
        ("upscaler", "data.crop=65", "at most 64"),
        ("upscaler", "data.resolution=254", "a multiple of 4"),
        ("upscaler", "network.factor=3", "2 or 4"),
        ("upscaler", "network.factor=2.0", "2 or 4"),
        ("upscaler-128", "data.crop=136", "at most 128"),
        ("upscaler-128", "data.crop=76", "can be halved 3 times"),
        ("upscaler", "data.drop_text=0.1", "an unknown key 'drop_text'"),
        ("flow", "objective.guidance_start=0", "loop.init_from"),
        ("ladd", "loop.init_from=''", "the trained flow that is to be finished: a run or a pack"),
        ("ladd", "objective.watch.mode_seeking=0.1", "0: finishing a flow has no such loss"),
        ("ladd", "objective.critic_blocks=[2, 13]", "ascending numbers, at most 12"),
        ("ladd", "objective.critic_blocks=[4, 2]", "ascending numbers"),
        ("flow", "optimiser.matrix_optimiser=sgd", "'adamw' or 'muon'"),
    ],
)
def test_what_does_not_fit_a_family_is_refused(name: str, setting: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(RECIPES / f"{name}.toml", [setting])
    assert words in str(caught.value)


def test_an_incomplete_recipe_names_what_is_missing(tmp_path: Path) -> None:
    text = (RECIPES / "tiny-flow.toml").read_text(encoding="utf-8").replace("seed = 1\n", "")
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="no seed; accepted: a complete recipe"):
        load_recipe(tmp_path / "recipe.toml")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"absent\.toml: got No such file"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("family = ", encoding="utf-8")
    with pytest.raises(RecipeError, match="a TOML file"):
        load_recipe(tmp_path / "broken.toml")
