"""The cut-out pack that ships, really run: small, right on products that it never saw, and proven from end to end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from packshot import cli  # noqa: E402
from packshot.editing.cutout import cutout  # noqa: E402
from packshot.editing.scene import SOLID, Scene  # noqa: E402
from packshot.generation import GenerationRequest, open_backend  # noqa: E402
from packshot.images import open_picture, save_picture  # noqa: E402
from packshot.matte import cut_out  # noqa: E402
from packshot.packs import find_pack  # noqa: E402

PROMPTS = ("brown leather handbag", "红色运动鞋", "black backpack", "blue T-shirt")


@pytest.fixture(scope="module")
def composites() -> list[tuple[np.ndarray, np.ndarray]]:
    """Generated products, whose coverage follows from the white they are made on, before a patterned floor."""
    floor = np.random.default_rng(0).normal(0, 1, (256, 256)).astype(np.float32)
    grain = cv2.GaussianBlur(floor, (0, 0), 6, sigmaY=1) * 60
    floor = np.clip(np.array((150, 120, 90)) + grain[..., None], 0, 255)
    found = []
    for result in open_backend().generate([GenerationRequest(prompt, 1, seed=3) for prompt in PROMPTS]):
        rgba = cut_out(result.pixels)
        alpha = rgba[..., 3:] / 255
        photo = np.rint(rgba[..., :3] * alpha + floor * (1 - alpha)).astype(np.uint8)
        found.append((photo, rgba[..., 3]))
    return found


def test_the_pack_is_small_and_whole() -> None:
    pack = find_pack("cutout", ("matting",))
    assert sum(len(pack.read(file)) for file in pack.manifest["files"]) <= 10e6
    assert {"inputs", "licence", "training_data", "quality"} <= pack.manifest.keys()


def test_products_before_a_floor_are_cut_out(composites: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for photo, wanted in composites:
        scene = cutout(Scene(photo))
        found, truth = scene.alpha > 127, wanted > 127
        assert (found & truth).sum() / (found | truth).sum() > 0.9
        solid = scene.alpha >= SOLID
        assert np.array_equal(scene.product[solid], photo[solid])


def test_a_listing_picture_and_its_proof(
    composites: list[tuple[np.ndarray, np.ndarray]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "listing.png"
    save_picture(composites[0][0], photo)
    command = ["packshot", "edit", str(photo), "--background", "#ffffff", "--shadow", "contact", "--out", str(out)]
    assert run(command, monkeypatch) == 0
    certificate = json.loads(Path(f"{out}.certificate.json").read_text(encoding="utf-8"))
    assert certificate["promise"]["promised"] is True
    kept = certificate["measured"]["kept"]
    assert kept["pixels"] > 3000 and kept["max_difference"] == 0 and kept["sha256_before"] == kept["sha256_after"]
    assert run(["packshot", "verify", str(out), "--original", str(photo)], monkeypatch) == 0
    pixels = open_picture(out, where="out").copy()
    y, x = np.argwhere(np.asarray(cutout(Scene(open_picture(photo, where="photo"))).alpha) == 255)[5000]
    pixels[y, x, 0] ^= 1  # one bit of one pixel of the product
    save_picture(pixels, out)
    assert run(["packshot", "verify", str(out), "--original", str(photo)], monkeypatch) == 1


def run(command: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)
