from __future__ import annotations

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
    report = run(shards, tmp_path / "out", "loop.steps=80", "loop.log_every=20", "optimiser.learning_rate=0.004")
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
    crops = draw_crops(numbered, 200, recipe_data(), torch.Generator().manual_seed(0))
    found = ((crops + 1) * 127.5).round().byte()
    places = {
        bytes(piece.contiguous().numpy())
        for top in (0, 4, 8)
        for left in (0, 4, 8)
        for piece in (numbered[0, :, top : top + 24, left : left + 24],)
        for piece in (piece, piece.flip(2))
    }
    assert {bytes(crop.contiguous().numpy()) for crop in found} == places


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
