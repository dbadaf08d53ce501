from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training_data import write_drawn_shards  # noqa: E402

from packshot.colour import oklab_from_srgb  # noqa: E402
from packshot.training import data, hues  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-flow.toml"


def turn(angle: float) -> torch.Tensor:
    return torch.tensor([[[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]])


def pictures(*colours: tuple[int, int, int]) -> torch.Tensor:
    return (torch.tensor(colours).float() / 127.5 - 1).view(-1, 3, 1, 1).expand(-1, 3, 2, 2)


def lab(pictures: torch.Tensor) -> torch.Tensor:
    pixels = ((pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return torch.from_numpy(oklab_from_srgb(pixels))[:, 0, 0]


def test_white_black_and_grey_stay_as_they_are() -> None:
    greys = pictures((255, 255, 255), (0, 0, 0), (120, 120, 120))
    turned = hues.turn_pictures(greys, turn(2.0).expand(3, 2, 2))
    assert (turned - greys).abs().max() < 2e-3


def test_no_turn_changes_nothing() -> None:
    colours = pictures((200, 30, 40), (20, 90, 180))
    assert (hues.turn_pictures(colours, turn(0.0).expand(2, 2, 2)) - colours).abs().max() < 2e-3


def test_pictures_and_what_is_said_of_them_turn_alike() -> None:
    red = pictures((170, 110, 110))
    said = torch.cat([torch.ones(1, 1), lab(red), torch.zeros(1, 4)], 1)
    turned, told = hues.turn_pictures(red, turn(1.9)), hues.turn_colours(said, turn(1.9))
    assert (lab(turned) - told[:, 1:4]).abs().max() < 5e-3
    assert (lab(turned) - lab(red)).abs().max() > 0.05
    assert told[0, 0] == 1
    assert told[0, 4:].eq(0).all()


def test_turns_keep_their_chroma_within_limits() -> None:
    turns = hues.draw_turns(500, torch.Generator().manual_seed(0))
    strength = torch.linalg.det(turns).sqrt()
    assert strength.min() >= hues.CHROMA[0]
    assert strength.max() <= hues.CHROMA[1]
    assert strength.std() > 0.1


def test_turned_rows_say_no_sentence_and_have_a_colour(tmp_path: Path) -> None:
    settings = ("data.hue_share=0.5", "data.drop_colour=0.3", "data.drop_text=0.0", "data.drop_all=0.0")
    recipe = load_recipe(TINY, settings)
    shards = write_drawn_shards(tmp_path / "shards")
    catalogue = data.load_catalogue(shards, recipe.data, recipe.network.vocabulary)
    batch = data.draw_batch(catalogue, 400, recipe.data, torch.Generator().manual_seed(1))
    silent = batch.text.abs().sum(1) == 0
    assert silent.float().mean().item() == pytest.approx(0.35, abs=0.08)  # of the 70 % with a colour, half
    assert batch.colours[silent, 0].eq(1).all()
    known = {tuple(round(v, 4) for v in row) for row in catalogue.colours[:, 1:4].tolist()}
    for colours, turned in zip(batch.colours, silent.tolist(), strict=True):
        if colours[0] and not turned:
            assert tuple(round(v, 4) for v in colours[1:4].tolist()) in known
