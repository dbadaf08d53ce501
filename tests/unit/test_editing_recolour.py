"""Recolouring: the part gets the colour, its texture stays, everything else is copied."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from packshot.colour import cielab_from_srgb, delta_e2000
from packshot.editing.colour_names import colour_named
from packshot.editing.recolour import colourways, recolour
from packshot.editing.scene import Bytes, Mask, Scene
from packshot.errors import PackshotError, RequestError
from packshot.images import save_picture
from packshot.lexicon.colours import hex_of

SIDE = 160


def _cloth(colour: tuple[int, int, int], seed: int = 0) -> Bytes:
    """A cloth with folds and weave."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    light = 1 + 0.12 * np.sin(x / 13) * np.cos(y / 21) + rng.normal(0, 0.02, (SIDE, SIDE))
    return np.clip(np.array(colour) * light[..., None], 0, 255).astype(np.uint8)


def _shoe(upper: tuple[int, int, int] = (40, 80, 170), sole: tuple[int, int, int] = (235, 232, 226)) -> Scene:
    """Two thirds upper, one third sole, on nothing, with a soft outline."""
    product = _cloth(upper)
    product[110:] = _cloth(sole, seed=1)[110:]
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[20:140, 20:140] = 255
    return Scene(product, cv2.GaussianBlur(alpha, (5, 5), 0))


def _upper() -> Mask:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[26:104, 26:134] = True
    return mask


def _difference(picture: Bytes, mask: Mask, code: str) -> float:
    wanted = np.frombuffer(bytes.fromhex(code[1:]), np.uint8)
    return float(delta_e2000(np.median(cielab_from_srgb(picture[mask]), axis=0), cielab_from_srgb(wanted)))


@pytest.mark.parametrize("upper", [(40, 80, 170), (25, 25, 27), (200, 30, 40)])
@pytest.mark.parametrize("code", ["#b01828", "#e4e3e2", "#202022", "#f2c030", "#1f9d6c"])
def test_the_median_of_the_part_is_the_colour(upper: tuple[int, int, int], code: str) -> None:
    assert _difference(recolour(_shoe(upper), code).product, _upper(), code) < 1


def test_a_white_product_can_be_dyed() -> None:
    scene = _shoe((228, 228, 226), (228, 228, 226))
    assert _difference(recolour(scene, "#b01828").product, _upper(), "#b01828") < 1


def test_only_touched_pixels_change_and_other_parts_are_copied() -> None:
    scene = _shoe()
    result = recolour(scene, "#b01828")
    assert result.touched is not None
    assert np.array_equal(result.product[~result.touched], scene.product[~result.touched])
    sole = np.zeros_like(result.touched)
    sole[114:, 20:140] = True
    assert not result.touched[sole].any()
    assert result.touched[_upper()].mean() > 0.99
    assert not result.touched[scene.coverage("test") == 0].any()
    assert result.alpha is scene.alpha


def test_a_part_touched_before_stays_touched() -> None:
    first = recolour(_shoe(), "#b01828")
    second = recolour(first, "#209040", part="white")
    assert first.touched is not None
    assert second.touched is not None
    assert (second.touched >= first.touched).all()
    assert second.touched[125, 80]


@pytest.mark.parametrize("code", ["#b01828", "#e4e3e2", "#202022"])
def test_texture_stays(code: str) -> None:
    scene = _shoe()
    mask = _upper()
    fine = []
    for picture in (scene.product, recolour(scene, code).product):
        light = cielab_from_srgb(picture)[..., 0]
        fine.append((light - cv2.GaussianBlur(light, (0, 0), 3))[mask])
    assert np.corrcoef(*fine)[0, 1] > 0.95


def test_the_present_colour_changes_nearly_nothing() -> None:
    scene = _shoe()
    median = np.median(scene.product[_upper()], axis=0).astype(np.uint8)
    result = recolour(scene, "#" + bytes(median).hex())
    assert int(np.abs(result.product.astype(int) - scene.product).max()) <= 3


def test_no_strength_changes_nothing() -> None:
    scene = _shoe()
    result = recolour(scene, "red", strength=0)
    assert np.array_equal(result.product, scene.product)
    assert result.touched is not None
    assert not result.touched.any()


def test_half_strength_lies_between() -> None:
    scene = _shoe()
    whole, half = (recolour(scene, "#b01828", strength=s).product[_upper()].mean(axis=0) for s in (1.0, 0.5))
    before = scene.product[_upper()].mean(axis=0)
    assert before[0] + 20 < half[0] < whole[0] - 20


def test_highlights_stay_neutral() -> None:
    scene = _shoe((170, 30, 40))
    product = scene.product.copy()
    product[60:66, 60:66] = 252
    result = recolour(Scene(product, scene.alpha), "#2040a0")
    spot = result.product[62:64, 62:64].astype(int)
    assert spot.min() > 235
    assert np.ptp(spot, axis=-1).max() < 8


def test_neighbouring_parts_meet_without_a_rim() -> None:
    """Pixels that mix blue and white half and half become pixels that mix red and white."""
    scene = _shoe()
    product = scene.product.copy()
    product[105:115] = cv2.GaussianBlur(product, (0, 0), 1.2)[105:115]
    result = recolour(Scene(product, scene.alpha), "#b01828").product[:, 40:120].astype(float)
    red_over_blue = (result[..., 0] - result[..., 2]).mean(axis=1)[100:120]
    assert red_over_blue.min() > -14


def test_a_part_by_its_colour_by_click_and_all() -> None:
    scene = _shoe()
    for part in ("white", "80,125", "0.5,0.8"):
        touched = recolour(scene, "#b01828", part=part).touched
        assert touched is not None
        assert touched[125, 80]
        assert not touched[_upper()].any()
    everything = recolour(scene, "#b01828", part="all").touched
    assert everything is not None
    assert everything[125, 80]
    assert everything[60, 80]


def test_a_click_takes_only_what_is_connected() -> None:
    scene = _shoe()
    product = scene.product.copy()
    product[50:58] = _cloth((235, 232, 226), seed=2)[50:58]
    touched = recolour(Scene(product, scene.alpha), "#b01828", part="80,54").touched
    assert touched is not None
    assert touched[54, 80]
    assert not touched[125, 80]


def test_a_mask_is_the_part(tmp_path: Path) -> None:
    scene = _shoe()
    mask = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask[40:80, 40:80] = 255
    save_picture(mask, tmp_path / "mask.png")
    touched = recolour(scene, "#b01828", part=f"mask:{tmp_path / 'mask.png'}").touched
    assert np.array_equal(touched, mask[..., 0] > 0)


def _photographed(folder: Path, contrast: float, blue_in_the_dark: float = 0.0) -> str:
    """A photo on white of a red cloth with folds: how to give it as a colour."""
    y, x = np.mgrid[:200, :200]
    fold = np.sin(x / 11) * np.cos(y / 17)
    cloth = np.array([150.0, 50.0, 60.0]) * (1 + contrast * fold[..., None])
    cloth[..., 2] += blue_in_the_dark * np.maximum(-fold, 0)
    photo = np.full((240, 240, 3), 255, np.uint8)
    photo[20:220, 20:220] = np.clip(cloth, 0, 255)
    save_picture(photo, folder / "other.png")
    return f"photo:{folder / 'other.png'}"


def _spread(picture: Bytes) -> float:
    low, high = np.percentile(cielab_from_srgb(picture[_upper()])[:, 0], (10, 90))
    return float(high - low)


def test_the_contrast_of_another_photo_is_followed_half_way_and_its_median_met(tmp_path: Path) -> None:
    scene = _shoe()
    flat = recolour(scene, _photographed(tmp_path, 0.03)).product
    deep = recolour(scene, _photographed(tmp_path, 0.45)).product
    plain = recolour(scene, "#96323c").product
    assert _spread(flat) < 0.9 * _spread(plain)
    assert _spread(deep) > 1.15 * _spread(plain)
    assert max(_difference(picture, _upper(), "#96323c") for picture in (flat, deep)) < 2


def test_the_shades_of_another_photo_are_followed(tmp_path: Path) -> None:
    def tint_in_the_dark(to: str) -> float:
        lab = cielab_from_srgb(recolour(_shoe(), to).product[_upper()])
        return float(np.median(lab[lab[:, 0] < np.percentile(lab[:, 0], 20), 2]))

    assert tint_in_the_dark(_photographed(tmp_path, 0.12, 40)) < tint_in_the_dark(_photographed(tmp_path, 0.12)) - 3


def test_a_photo_in_which_no_product_stands_out_lends_its_colour_alone(tmp_path: Path) -> None:
    save_picture(np.full((60, 60, 3), (150, 50, 60), np.uint8), tmp_path / "cloth.png")
    lent = recolour(_shoe(), f"photo:{tmp_path / 'cloth.png'}").product
    assert np.array_equal(lent, recolour(_shoe(), "#96323c").product)


def test_the_colour_of_another_photo(tmp_path: Path) -> None:
    photo = np.full((60, 60, 3), 255, np.uint8)
    photo[10:50, 10:50] = (30, 140, 70)
    save_picture(photo, tmp_path / "other.png")
    result = recolour(_shoe(), f"photo:{tmp_path / 'other.png'}")
    assert _difference(result.product, _upper(), "#1e8c46") < 1


def test_colourways_are_recolours() -> None:
    scene = _shoe()
    made = list(colourways(scene, ["#b01828", "navy"]))
    assert [name for name, _ in made] == ["#b01828", "navy"]
    for name, result in made:
        assert np.array_equal(result.product, recolour(scene, name).product)


@pytest.mark.parametrize(
    ("word", "code"),
    [("#a23", "#aa2233"), ("酒红色", "#701f32"), ("Classic Blue", "#104a80"), ("rebeccapurple", "#663399")],
)
def test_colour_words(word: str, code: str) -> None:
    found = colour_named(word)
    assert found is not None
    assert hex_of((float(found[0]), float(found[1]), float(found[2]))) == code


@pytest.mark.parametrize("word", ["shoes", "red and blue", "multicolour", "#12", "", "light"])
def test_what_is_no_colour(word: str) -> None:
    assert colour_named(word) is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"to": "burgandy"}, "recolour.to: got 'burgandy'.*did you mean 'burgundy'"),
        ({"to": "photo:/nowhere.png"}, "recolour.to"),
        ({"to": "red", "part": "sole"}, "recolour.part: got 'sole'; accepted: all, a colour"),
        ({"to": "red", "part": "magenta"}, "recolour.part: got 'magenta'; accepted: a colour that the product"),
        ({"to": "red", "part": "2,2"}, "recolour.part: got 2,2; accepted: a place on the product"),
        ({"to": "red", "part": "900,2"}, "within 160×160"),
        ({"to": "red", "tolerance": -1.0}, "recolour.tolerance"),
        ({"to": "red", "strength": 2.0}, "recolour.strength"),
    ],
)
def test_errors_are_one_line(options: dict[str, object], says: str) -> None:
    with pytest.raises(PackshotError, match=says) as caught:
        recolour(_shoe(), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    save_picture(np.zeros((5, 7, 3), np.uint8), tmp_path / "mask.png")
    with pytest.raises(RequestError, match=r"recolour.part: got a mask of 7×5; accepted: one of the picture's size"):
        recolour(_shoe(), "red", part=f"mask:{tmp_path / 'mask.png'}")


def test_without_a_cut_out_it_is_refused() -> None:
    with pytest.raises(RequestError, match="not cut out"):
        recolour(Scene(_shoe().product), "red")


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2)])
def test_tiny_products(size: tuple[int, int]) -> None:
    scene = Scene(np.full((*size, 3), 90, np.uint8), np.full(size, 255, np.uint8))
    assert _difference(recolour(scene, "#b01828").product, np.ones(size, bool), "#b01828") < 1


def test_same_input_same_bytes() -> None:
    assert np.array_equal(recolour(_shoe(), "#b01828").product, recolour(_shoe(), "#b01828").product)
