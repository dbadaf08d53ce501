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
from packshot.training import redraws  # noqa: E402
from packshot.training.fine_pictures import FinePictures, draw_crops, load_fine_pictures  # noqa: E402
from packshot.training.loop import TrainingReport, train  # noqa: E402
from packshot.training.networks.critic import PatchCritic  # noqa: E402
from packshot.training.networks.flow import FlowTransformer  # noqa: E402
from packshot.training.networks.upscaler import Upscaler, UpscalerSpec  # noqa: E402
from packshot.training.objectives.upscale import adversarial_weight, degrade, psnr, reduced  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.sections import FinePicturesRecipe  # noqa: E402
from packshot.training.upscaler_trainer import UpscalerTrainer, upscaler_spec  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-upscaler.toml"
TWICE = ("network.factor=2", "data.crop=12")
FACTORS = pytest.mark.parametrize(("factor", "settings"), [(4, ()), (2, TWICE)])
"""The tiny recipe as it is, and for a stage of factor 2."""
CPU = torch.device("cpu")


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


@FACTORS
def test_interrupted_and_resumed_equals_uninterrupted(
    factor: int, settings: tuple[str, ...], shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(shards, tmp_path / "whole", *settings)
    step, stopped = UpscalerTrainer.step, []

    def stopping(self: UpscalerTrainer, number: int, **moment: Any) -> dict[str, float]:
        if number == 2 and not stopped:
            stopped.append(number)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, **moment)

    monkeypatch.setattr(UpscalerTrainer, "step", stopping)
    first, second = run(shards, tmp_path / "parts", *settings), run(shards, tmp_path / "parts", *settings)
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
    held_out = loaded(shards).held_out
    assert (sheet[:32, 3 * 34 : 3 * 34 + 32] == held_out[0].permute(1, 2, 0).numpy()).all()


def recipe_data(*settings: str) -> FinePicturesRecipe:
    data = load_recipe(TINY, settings).data
    assert isinstance(data, FinePicturesRecipe)
    return data


def loaded(shards: Path, *settings: str) -> FinePictures:
    return load_fine_pictures(shards, load_recipe(TINY, settings), CPU)


@FACTORS
def test_crops_are_pieces_of_the_training_pictures(factor: int, settings: tuple[str, ...], shards: Path) -> None:
    pictures = loaded(shards, *settings)
    assert (len(pictures.pictures), len(pictures.held_out)) == (17, 6)  # one row has no fine picture
    numbered = torch.arange(32 * 32).remainder(251).byte().view(1, 1, 32, 32).expand(1, 3, 32, 32)
    data = dataclasses.replace(pictures, pictures=numbered)
    crops = draw_crops(data, 400, recipe_data(*settings), torch.Generator().manual_seed(0))
    assert crops.redrawn is None
    found = ((crops.fine + 1) * 127.5).round().byte()
    places = {
        bytes(piece.contiguous().numpy())
        for top in range(0, 9, factor)
        for left in range(0, 9, factor)
        for piece in (numbered[0, :, top : top + 24, left : left + 24],)
        for piece in (piece, piece.flip(2))
    }
    assert {bytes(crop.contiguous().numpy()) for crop in found} == places


@FACTORS
def test_redrawn_crops_show_the_same_place_of_the_same_picture(
    factor: int, settings: tuple[str, ...], shards: Path
) -> None:
    data = with_redrawn(shards, factor, settings)
    crops = draw_crops(data, 100, recipe_data(*settings), torch.Generator().manual_seed(0))
    assert crops.redrawn is not None
    error = (torch.nn.functional.avg_pool2d(crops.fine, factor) - crops.redrawn).abs().max().item()
    assert error < 1.01 / 255  # one byte is 2/255 in [-1, 1], and rounding loses at most half of one


def with_redrawn(shards: Path, factor: int, settings: tuple[str, ...]) -> FinePictures:
    plain = loaded(shards, *settings)
    small = torch.nn.functional.avg_pool2d(plain.pictures.float(), factor).round().byte()
    return dataclasses.replace(plain, redrawn=torch.stack([small, small], dim=1))


@FACTORS
def test_gathered_crops_are_those_that_would_be_cut_one_by_one(
    factor: int, settings: tuple[str, ...], shards: Path
) -> None:
    data, recipe = with_redrawn(shards, factor, settings), recipe_data(*settings)
    assert data.redrawn is not None
    data.redrawn[:, 1] = 255 - data.redrawn[:, 1]
    found = draw_crops(data, 30, recipe, torch.Generator().manual_seed(3))
    random, side = torch.Generator().manual_seed(3), recipe.crop
    rows = torch.randint(0, len(data.pictures), (30,), generator=random).tolist()
    offsets = torch.randint(0, 32 // factor - side + 1, (30, 2), generator=random).tolist()
    mirrored = (torch.rand(30, generator=random) < recipe.flip).tolist()
    variants = torch.randint(0, 2, (30,), generator=random).tolist()
    assert found.redrawn is not None and 0 < sum(mirrored) < 30
    for k, (row, (top, left), flipped, variant) in enumerate(zip(rows, offsets, mirrored, variants, strict=True)):
        for picture, crop, scale in (
            (data.pictures[row], found.fine[k], factor),
            (data.redrawn[row, variant], found.redrawn[k], 1),
        ):
            y, x, length = top * scale, left * scale, side * scale
            cut = picture[:, y : y + length, x : x + length].float() / 127.5 - 1
            assert torch.equal(crop, cut.flip(2) if flipped else cut)


def test_pictures_move_as_a_whole_and_stay_bytes(shards: Path) -> None:
    data = with_redrawn(shards, 4, ())
    moved = dataclasses.replace(data, held_out_redrawn=data.held_out).to(torch.device("meta"))
    for name in ("pictures", "redrawn", "held_out", "held_out_redrawn"):
        part = getattr(moved, name)
        assert (part.device.type, part.dtype) == ("meta", torch.uint8), name
    assert (moved.factor, moved.fingerprint) == (4, data.fingerprint)
    assert data.to(CPU).held_out_redrawn is None


def test_both_factors_draw_on_maps_of_the_same_side_and_begin_as_bilinear() -> None:
    sides = {}
    for factor in (2, 4):
        network, critic = Upscaler(UpscalerSpec((8, 12), (2, 1), 4, factor)), PatchCritic((4, 8))
        network.trunk.register_forward_hook(lambda _, x, y, factor=factor: sides.update({factor: y.shape}))
        small = torch.rand(1, 3, 32 // factor, 32 // factor) * 2 - 1
        large = network(small)
        plain = torch.nn.functional.interpolate(small, scale_factor=factor, mode="bilinear")
        torch.testing.assert_close(large, plain)
        assert [part.shape[-1] for part in critic(large)[1]] == [8, 4]
    assert sides[2] == sides[4] == (1, 8, 8, 8)


def test_a_critic_sees_every_pixel_and_is_never_too_sure() -> None:
    torch.manual_seed(0)
    critic = PatchCritic((8, 16))
    for _ in range(30):  # the power iterations of spectral normalisation
        critic(torch.rand(1, 3, 32, 32))
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(critic(picture)[0][0, 0, 1, 1], picture)
    assert 0 < gradient.norm() < 10  # 1 for matrices; kernels overlap
    (all_over,) = torch.autograd.grad(critic(picture)[0].sum(), picture)
    assert (all_over != 0).all()


@pytest.mark.parametrize("factor", [2, 4])
def test_inputs_are_the_reduced_picture_or_a_little_worse(factor: int) -> None:
    fine = torch.nn.functional.interpolate(torch.rand(16, 3, 4, 4) * 2 - 1, 32, mode="bilinear")
    small = degrade(fine, factor, torch.Generator().manual_seed(0))
    assert small.shape == reduced(fine, factor).shape == (16, 3, 32 // factor, 32 // factor)
    assert 20 < psnr(small, reduced(fine, factor)).mean() < 60


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
    wishes = ("data.resolution=64", f"data.redraw_with={flow_run}", "data.redraw_times=[0.5, 0.5]")
    data = loaded(fine_shards, *wishes)
    assert data.redrawn is not None and data.redrawn.shape == (17, 3, 3, 16, 16)
    assert (data.redrawn[:, 0] != data.redrawn[:, 1]).any()  # each variant has noise of its own
    cached = {path.name: path.stat().st_mtime_ns for path in fine_shards.glob("redrawn-*.npz")}
    assert len(cached) == 2
    report = run(fine_shards, tmp_path / "out", *wishes)
    assert report.step == 6
    assert {path.name: path.stat().st_mtime_ns for path in fine_shards.glob("redrawn-*.npz")} == cached


def test_a_flow_redraws_at_half_the_side_for_factor_2(
    shards: Path, flow_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in shards.glob("redrawn-*.npz"):
        file.unlink()
    settings = (*TWICE, f"data.redraw_with={flow_run}", "data.redraw_variants=1")
    first = loaded(shards, *settings)
    assert first.redrawn is not None and first.held_out_redrawn is not None
    assert (first.redrawn.shape, first.held_out_redrawn.shape) == ((17, 1, 3, 16, 16), (6, 3, 16, 16))
    assert run(shards, tmp_path / "out", *settings, "loop.steps=1").step == 1
    for file in shards.glob("redrawn-*.npz"):
        file.unlink()
    monkeypatch.setattr(redraws, "FEW", 5)
    again = loaded(shards, *settings)  # what is random must not depend on how many are drawn at a time
    assert again.redrawn is not None
    assert (again.redrawn.int() - first.redrawn.int()).abs().max() <= 1


def test_redrawing_asks_twice_only_for_guidance_and_only_early(
    shards: Path, flow_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    forward = FlowTransformer.forward
    monkeypatch.setattr(
        FlowTransformer, "forward", lambda self, x, *rest: asked.append(len(x)) or forward(self, x, *rest)
    )
    wishes = (*TWICE, f"data.redraw_with={flow_run}", "data.redraw_variants=1", "data.redraw_steps=2")

    def evaluations(guidance: float, low: float, high: float) -> int:
        asked.clear()
        loaded(shards, *wishes, f"data.redraw_guidance={guidance}", f"data.redraw_times=[{low}, {high}]")
        return sum(asked)

    plain = 2 * (17 + 6)
    assert evaluations(1, 0.3, 0.3) == plain
    assert evaluations(2, 0.3, 0.3) == plain + 17 + 6  # the second step begins at 0.65
    assert evaluations(2, 0.5, 0.5) == plain
    assert plain < evaluations(2, 0.3, 0.6) < plain + 17 + 6


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
    with pytest.raises(RecipeError, match="head"):
        run(shards, tmp_path / "other", *TWICE, f"loop.init_from={tmp_path / 'out'}")
