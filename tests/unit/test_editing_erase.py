"""Erasing: only the mask changes, textures go on, and masks that say nothing are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from packshot.editing.erase import erase, mask_of
from packshot.editing.scene import Scene
from packshot.errors import InputError, RequestError
from packshot.images import save_picture


def stripes(side: int = 96) -> np.ndarray:
    """Slanted stripes with a little grain."""
    y, x = np.mgrid[:side, :side]
    wave = 128 + 70 * np.sin((x + y) * 2 * np.pi / 12)
    grain = np.random.default_rng(0).normal(0, 3, (side, side))
    return np.repeat(np.clip(wave + grain, 0, 255).astype(np.uint8)[..., None], 3, 2)


def error(a: np.ndarray, b: np.ndarray, hole: np.ndarray) -> float:
    return float(np.sqrt(((a[hole].astype(np.float32) - b[hole]) ** 2).mean()))


def test_a_texture_goes_on_where_opencv_smears_it() -> None:
    truth = stripes()
    punched = truth.copy()
    punched[36:60, 38:62] = 255
    after = erase(Scene(punched), "38,36,24,24")
    hole = after.touched
    assert hole is not None and int(hole.sum()) == 24 * 24
    assert np.array_equal(after.product[~hole], punched[~hole])
    smeared = cv2.inpaint(punched, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)
    assert error(after.product, truth, hole) < 0.5 * error(smeared, truth, hole)


def test_the_same_input_gives_the_same_bytes() -> None:
    photo = stripes()
    assert np.array_equal(erase(Scene(photo), "circle:40,40,9").product, erase(Scene(photo), "circle:40,40,9").product)


def test_a_large_hole_is_copied_with_its_detail() -> None:
    truth = np.random.default_rng(1).integers(90, 160, (230, 230, 3), dtype=np.uint8)
    punched = truth.copy()
    punched[50:176, 50:176] = 0
    after = erase(Scene(punched), "50,50,126,126")
    inside = after.product[60:166, 60:166].astype(np.float32)
    assert abs(float(inside.mean()) - 125) < 4
    assert inside.std() > 0.6 * truth.std()


def test_the_product_is_filled_from_the_product_alone() -> None:
    photo = np.full((80, 80, 3), 20, np.uint8)
    alpha = np.zeros((80, 80), np.uint8)
    alpha[:, 20:60], photo[:, 20:60] = 255, 200
    photo[30:44, 44:60] = 90
    after = erase(Scene(photo, alpha), "44,30,16,14")
    assert after.product[30:44, 44:60].min() > 190
    assert after.alpha is alpha


def test_several_holes_and_the_borders() -> None:
    photo = np.full((90, 120, 3), 150, np.uint8)
    photo[:10, :10] = photo[80:, 100:] = photo[40:50, 50:60] = 0
    after = erase(Scene(photo), "-5,-5,15,15; 100,80,50,50; circle:55,45,9")
    assert after.product.min() > 145


def test_feathering_stays_inside_of_the_mask() -> None:
    photo = stripes()
    photo[40:52, 40:52] = 250
    sharp, soft = erase(Scene(photo), "40,40,12,12"), erase(Scene(photo), "40,40,12,12", feather=4)
    assert soft.touched is not None and np.array_equal(soft.product[~soft.touched], photo[~soft.touched])
    old = 250.0
    assert abs(soft.product[40, 40:52] - old).mean() < abs(sharp.product[40, 40:52] - old).mean()


def test_away_takes_coverage_and_no_colour() -> None:
    scene = Scene(stripes(), np.full((96, 96), 255, np.uint8))
    after = erase(scene, "10,0,20,15", away=True)
    assert after.alpha is not None and after.product is scene.product
    assert (after.alpha[:15, 10:30] == 0).all() and int((after.alpha == 0).sum()) == 300
    assert after.touched is not None and int(after.touched.sum()) == 300
    with pytest.raises(RequestError, match=r"erase\.away: .*not cut out"):
        erase(Scene(stripes()), "10,0,20,15", away=True)


def test_touched_adds_up() -> None:
    twice = erase(erase(Scene(stripes()), "4,4,8,8"), "60,60,8,8")
    assert twice.touched is not None and int(twice.touched.sum()) == 128


def test_a_mask_from_a_picture(tmp_path: Path) -> None:
    grey = np.zeros((96, 96, 3), np.uint8)
    grey[20:30, 40:50] = 255
    save_picture(grey, tmp_path / "mask.png")
    assert np.array_equal(mask_of(str(tmp_path / "mask.png"), (96, 96)), grey[..., 0] > 0)
    with pytest.raises(RequestError, match=r"erase\.mask: got 96×96 pixels; accepted: the photo's 80×96"):
        mask_of(str(tmp_path / "mask.png"), (96, 80))
    with pytest.raises(InputError, match=r"erase\.mask"):
        mask_of(str(tmp_path / "missing.png"), (96, 96))


@pytest.mark.parametrize(
    "mask",
    [
        "",
        "1,2,3",
        "1,2,0,5",
        "circle:1,2",
        "circle:5,5,-1",
        "a,b,c,d",
        "nan,1,1,1",
        "tag",
        "1,1,2,2;mask.png",
        "1e99,0,1,1",
    ],
)
def test_masks_that_are_none(mask: str) -> None:
    with pytest.raises(RequestError, match=r"^erase\.mask: .*circle:x,y,r"):
        mask_of(mask, (40, 40))


def test_masks_that_mark_nothing_or_everything() -> None:
    with pytest.raises(RequestError, match="marks nothing"):
        mask_of("50,50,5,5", (40, 40))
    with pytest.raises(RequestError, match="nothing to fill it from"):
        erase(Scene(np.zeros((40, 40, 3), np.uint8)), "0,0,40,40")
    with pytest.raises(RequestError, match=r"erase\.feather"):
        erase(Scene(np.zeros((40, 40, 3), np.uint8)), "0,0,4,4", feather=-1)


def test_a_tiny_picture_is_filled_without_patches() -> None:
    photo = np.full((9, 9, 3), 100, np.uint8)
    photo[4, 4] = 0
    assert abs(int(erase(Scene(photo), "4,4,1,1").product[4, 4, 0]) - 100) < 5
