from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training_data import write_drawn_shards  # noqa: E402

from packshot.errors import InputError, RecipeError  # noqa: E402
from packshot.prompt import slot_index  # noqa: E402
from packshot.shards import read_shards  # noqa: E402
from packshot.training import data  # noqa: E402
from packshot.training.recipe import Recipe, load_recipe  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-flow.toml"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("data") / "shards")


def load(shards: Path, *settings: str) -> tuple[data.Catalogue, Recipe]:
    recipe = load_recipe(TINY, settings)
    return data.load_catalogue(shards, recipe.data, recipe.network.vocabulary), recipe


def test_tensors_hold_what_the_shards_say(shards: Path) -> None:
    catalogue, _ = load(shards)
    assert catalogue.pictures.shape == (24, 3, 16, 16)
    assert catalogue.pictures[:, :, 0, 0].eq(255).all()
    assert set(catalogue.slots[:, 0].tolist()) == {slot_index("category", n) for n in ("watch", "wallet", "belt")}
    assert catalogue.slots[:, 1:].eq(0).all()
    assert catalogue.colours[:, 0].eq(1).all()
    assert catalogue.colours[:, 4:].eq(0).all()
    torch.testing.assert_close(catalogue.text.float().norm(dim=2), torch.ones(24, 2), atol=2e-3, rtol=0)


def test_sentences_are_embedded_once(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = load(shards)
    monkeypatch.setattr(data, "embed", lambda texts: pytest.fail("embedded again"))
    again, _ = load(shards)
    assert torch.equal(first.text, again.text)
    assert not list(shards.glob("*.partial"))


@pytest.mark.parametrize("damage", [lambda whole: b"not a cache", lambda whole: whole[:-40]])
def test_a_damaged_cache_is_made_again(shards: Path, damage: Callable[[bytes], bytes]) -> None:
    first, _ = load(shards)
    (shards / data.TEXT_CACHE).write_bytes(damage((shards / data.TEXT_CACHE).read_bytes()))
    again, _ = load(shards)
    assert torch.equal(first.text, again.text)


def test_balance_weighs_categories_by_their_counts(shards: Path) -> None:
    _, recipe = load(shards)
    category = torch.tensor([1, 1, 1, 1, 2])  # the second has one picture
    rules = dataclasses.replace(recipe.data, balance=0.5, balance_floor=1, category_weights={})
    fine = torch.tensor([True, False, False, False, False])
    weights = data.sampling_weights(category, fine, rules)
    assert weights.sum().item() == pytest.approx(1)
    assert (weights[4] / weights[0]).item() == pytest.approx(2)  # 1 ** -0.5 / 4 ** -0.5
    floored = data.sampling_weights(category, fine, dataclasses.replace(rules, balance_floor=40))
    torch.testing.assert_close(floored, torch.full((5,), 0.2, dtype=torch.float64))
    second = list(data.lexicon().slots["category"])[1]
    finer = data.sampling_weights(category, fine, dataclasses.replace(rules, fine_weight=3.0))
    assert (finer[0] / finer[1]).item() == pytest.approx(3)
    without = data.sampling_weights(category, fine, dataclasses.replace(rules, category_weights={second: 0.0}))
    assert without[4].item() == 0


def test_larger_pictures_come_from_fine_ones_and_the_rest_is_marked(tmp_path: Path) -> None:
    folder = write_drawn_shards(tmp_path / "shards", fine_side=64)
    small, _ = load(folder)
    large, recipe = load(folder, "data.resolution=32")
    assert large.pictures.shape[2:] == (32, 32)
    assert not small.coarse.any()
    assert large.coarse.sum() == 1  # the second row has no fine picture
    fine = {row.id: row.fine_pixels for row in read_shards(folder) if row.fine_picture}
    for name, picture in zip(large.ids, large.pictures, strict=True):
        if name in fine:
            reduced = torch.nn.functional.avg_pool2d(torch.tensor(fine[name]).permute(2, 0, 1).float(), 2)
            assert (reduced - picture).abs().max() <= 1
    batch = data.draw_batch(large, 500, recipe.data, torch.Generator().manual_seed(0))
    assert 0 < batch.coarse.mean() < 0.3
    with pytest.raises(RecipeError, match=r"data\.resolution: got 128; accepted: 16"):
        load(folder, "data.resolution=128")


def test_conditions_are_kept_back_as_often_as_the_recipe_says(shards: Path) -> None:
    catalogue, recipe = load(shards)
    rules = dataclasses.replace(
        recipe.data, drop_all=0.2, drop_colour=0.5, drop_text=0.5, drop_slots=(0.25, 0, 0, 0, 0)
    )
    batch = data.draw_batch(catalogue, 4000, rules, torch.Generator().manual_seed(0))
    untold = [(batch.slots[:, 0] == 0), (batch.colours[:, 0] == 0), (batch.text.abs().sum(1) == 0)]
    for told, share in zip(untold, (0.25, 0.5, 0.5), strict=True):
        assert told.float().mean().item() == pytest.approx(share + (1 - share) * 0.2, abs=0.03)
    nothing = (untold[0] & untold[1] & untold[2]).float().mean().item()
    assert nothing == pytest.approx(0.2 + 0.8 * 0.25 * 0.5 * 0.5, abs=0.03)
    assert batch.category.ne(0).all()
    assert catalogue.slots[:, 0].ne(0).all()  # dropping does not touch the catalogue


def test_the_same_generator_state_draws_the_same_batch(shards: Path) -> None:
    catalogue, recipe = load(shards)
    generator = torch.Generator().manual_seed(3)
    data.draw_batch(catalogue, 8, recipe.data, generator)
    state = generator.get_state()
    first = data.draw_batch(catalogue, 8, recipe.data, generator)
    second = data.draw_batch(catalogue, 8, recipe.data, torch.Generator().set_state(state))
    for name in first.__slots__:
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_mistakes_are_named(shards: Path, tmp_path: Path) -> None:
    assert load(shards, "data.resolution=32")[0].coarse.all()
    with pytest.raises(RecipeError, match=r"data\.resolution: got 64; accepted: 16, .*, to 32: there are no fine ones"):
        load(shards, "data.resolution=64")
    with pytest.raises(RecipeError, match="category_weights: got 'whatch'"):
        load(shards, "data.category_weights.whatch=2")
    with pytest.raises(RecipeError, match=r"network\.vocabulary: got 2 for category"):
        load(shards, "network.vocabulary=[2, 2, 2, 2, 2]")
    with pytest.raises(InputError, match="no pictures in the split 'train'"):
        load(write_drawn_shards(tmp_path / "other", rows=4, split="test"))
    with pytest.raises(InputError):
        load(tmp_path / "absent")
