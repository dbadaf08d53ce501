from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from training_data import write_drawn_shards  # noqa: E402

from packshot.errors import InputError, RecipeError  # noqa: E402
from packshot.training import checkpoint as checkpoints  # noqa: E402
from packshot.training.fine_pictures import draw_crops, load_fine_pictures  # noqa: E402
from packshot.training.loop import TrainingReport, train  # noqa: E402
from packshot.training.networks.upscaler import Upscaler  # noqa: E402
from packshot.training.objectives.upscale import adversarial_weight, psnr  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.sections import FinePicturesRecipe  # noqa: E402
from packshot.training.upscaler_trainer import UpscalerTrainer, upscaler_spec  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-upscaler.toml"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("data") / "shards", fine_side=32)


def run(shards: Path, out: Path, *settings: str) -> TrainingReport:
    return train(TINY, shards, out, overrides=settings, progress=False)


def weights(out: Path, part: str) -> dict[str, torch.Tensor]:
    folder = checkpoints.latest_checkpoint(out)
    assert folder is not None
    return load_file(folder / f"{part}.safetensors")


def log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_interrupted_and_resumed_equals_uninterrupted(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(shards, tmp_path / "whole")
    step, stopped = UpscalerTrainer.step, []

    def stopping(self: UpscalerTrainer, number: int, **moment: Any) -> dict[str, float]:
        if number == 2 and not stopped:
            stopped.append(number)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, **moment)

    monkeypatch.setattr(UpscalerTrainer, "step", stopping)
    first, second = run(shards, tmp_path / "parts"), run(shards, tmp_path / "parts")
    assert (first.step, first.ended, second.step, second.ended) == (3, "interrupted", 6, "finished")
    for part in checkpoints.PARTS:
        whole, parts = weights(tmp_path / "whole", part), weights(tmp_path / "parts", part)
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole), part


def test_the_loss_falls_and_pictures_become_better_than_at_first(shards: Path, tmp_path: Path) -> None:
    first = run(shards, tmp_path / "young", "loop.steps=1")
    report = run(shards, tmp_path / "out", "loop.steps=120", "loop.log_every=30", "optimiser.learning_rate=0.004")
    lines = [line for line in log(tmp_path / "out") if "pixels" in line]
    assert lines[-1]["pixels"] < 0.9 * lines[0]["pixels"]
    assert report.losses["psnr"] > first.losses["psnr"] + 0.5
    assert report.losses["psnr_bicubic"] == pytest.approx(first.losses["psnr_bicubic"])


def test_the_critic_comes_after_its_share_of_the_run(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "out", "loop.log_every=1")
    lines = [line for line in log(tmp_path / "out") if "pixels" in line]
    assert ["critic" in line for line in lines] == [False, False, False, True, True, True]  # 3/6 >= 0.35
    run(shards, tmp_path / "plain", "objective.adversarial=0")
    assert not any("critic" in line for line in log(tmp_path / "plain"))
    assert [adversarial_weight(p, 0.004, 0.35, 0.1) for p in (0.2, 0.35, 0.5)] == [0, 0, 0.004]
    assert adversarial_weight(0.4, 0.004, 0.35, 0.1) == pytest.approx(0.002)


def test_a_sheet_shows_held_out_pictures_four_ways(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "out", "loop.steps=1")
    last = log(tmp_path / "out")[-1]
    assert last["step"] == 1
    assert last["psnr"] > 5
    sheet = np.asarray(Image.open(tmp_path / "out/sheets/step-00000001.png"))
    assert sheet.shape == (3 * 34, 8 * 34, 3)  # 6 held-out pictures, two in a line
    held_out = load_fine_pictures(shards, recipe_data()).held_out
    assert (sheet[:32, 3 * 34 : 3 * 34 + 32] == held_out[0].permute(1, 2, 0).numpy()).all()


def recipe_data() -> FinePicturesRecipe:
    data = load_recipe(TINY).data
    assert isinstance(data, FinePicturesRecipe)
    return data


def test_crops_are_pieces_of_the_training_pictures(shards: Path) -> None:
    pictures = load_fine_pictures(shards, recipe_data())
    assert (len(pictures.pictures), len(pictures.held_out)) == (17, 6)  # one row has no fine picture
    numbered = torch.arange(32 * 32).remainder(251).byte().view(1, 1, 32, 32).expand(1, 3, 32, 32)
    data = dataclasses.replace(pictures, pictures=numbered)
    crops = draw_crops(data, 200, recipe_data(), torch.Generator().manual_seed(0))
    assert crops.redrawn is None
    found = ((crops.fine + 1) * 127.5).round().byte()
    places = {
        bytes(piece.contiguous().numpy())
        for top in (0, 4, 8)
        for left in (0, 4, 8)
        for piece in (numbered[0, :, top : top + 24, left : left + 24],)
        for piece in (piece, piece.flip(2))
    }
    assert {bytes(crop.contiguous().numpy()) for crop in found} == places


def test_redrawn_crops_show_the_same_place_of_the_same_picture(shards: Path) -> None:
    plain = load_fine_pictures(shards, recipe_data())
    small = torch.nn.functional.avg_pool2d(plain.pictures.float(), 4).round().byte()
    data = dataclasses.replace(plain, redrawn=torch.stack([small, small], dim=1))
    crops = draw_crops(data, 100, recipe_data(), torch.Generator().manual_seed(0))
    assert crops.redrawn is not None
    error = (torch.nn.functional.avg_pool2d(crops.fine, 4) - crops.redrawn).abs().max().item()
    assert error < 1.01 / 255  # one byte is 2/255 in [-1, 1], and rounding loses at most half of one


@pytest.fixture(scope="module")
def flow_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flow")
    coarse = write_drawn_shards(folder / "shards")
    train(TINY.with_name("tiny-flow.toml"), coarse, folder / "run", overrides=["loop.steps=1"], progress=False)
    return folder / "run"


@pytest.fixture(scope="module")
def fine_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("data") / "fine", fine_side=64)


def test_a_flow_redraws_what_the_upscaler_finishes(fine_shards: Path, flow_run: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(recipe_data(), resolution=64, redraw_with=str(flow_run), redraw_times=(0.5, 0.5))
    data = load_fine_pictures(fine_shards, recipe)
    assert data.redrawn is not None and data.redrawn.shape == (17, 3, 3, 16, 16)
    assert (data.redrawn[:, 0] != data.redrawn[:, 1]).any()  # each variant has noise of its own
    cached = {path.name: path.stat().st_mtime_ns for path in fine_shards.glob("redrawn-*.npz")}
    assert len(cached) == 2
    report = run(
        fine_shards,
        tmp_path / "out",
        "data.resolution=64",
        f"data.redraw_with={flow_run}",
        "data.redraw_times=[0.5, 0.5]",
    )
    assert report.step == 6
    assert {path.name: path.stat().st_mtime_ns for path in fine_shards.glob("redrawn-*.npz")} == cached


def test_what_cannot_redraw_is_refused(shards: Path, flow_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no ema\.safetensors"):
        run(shards, tmp_path / "out", f"data.redraw_with={tmp_path}")
    run(shards, tmp_path / "other", "loop.steps=1")
    with pytest.raises(RecipeError, match=r"redraw_with: got a run of the family 'upscaler'"):
        run(shards, tmp_path / "out", f"data.redraw_with={tmp_path / 'other'}")
    with pytest.raises(RecipeError, match=r"redraw_with: got a flow of 16 px; accepted: 8 px"):
        run(shards, tmp_path / "out", f"data.redraw_with={flow_run}")


def test_missing_fine_pictures_are_one_line(shards: Path, tmp_path: Path) -> None:
    coarse = write_drawn_shards(tmp_path / "coarse")
    with pytest.raises(InputError) as caught:
        run(coarse, tmp_path / "out")
    assert str(caught.value).startswith(f"{coarse}: got no fine pictures in the split 'train'; accepted: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match=r"data\.resolution: got 64; accepted: 32"):
        run(shards, tmp_path / "out", "data.resolution=64")


def test_psnr_is_in_decibels_of_the_full_range() -> None:
    black = torch.full((1, 3, 4, 4), -1.0)
    assert psnr(black, black + 2).item() == pytest.approx(0)
    assert psnr(black, black + 0.2).item() == pytest.approx(20, abs=1e-4)
    assert psnr(black, black).item() == pytest.approx(100)


def test_a_finished_run_loads_as_a_pack_would_load_it(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "out", "loop.steps=1")
    checkpoints.load_average(Upscaler(upscaler_spec(load_recipe(TINY))), tmp_path / "out")
