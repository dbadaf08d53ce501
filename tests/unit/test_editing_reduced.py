"""A photo that fit resampled is proven against the photo resampled in the same way, and nothing else is promised."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from packshot.cli import main
from packshot.editing.certificate import BrokenPromiseError, verify
from packshot.editing.files import Job, Wish, edit
from packshot.editing.frame import crop, fit
from packshot.editing.measures import EXEMPT, KEPT, regions
from packshot.editing.pipeline import parse_step
from packshot.editing.reduced import read, reference, within_reach
from packshot.editing.scene import OPAQUE, Reduction, Scene, flatten
from packshot.editing.warp import product_box, resized
from packshot.errors import InputError
from packshot.images import open_layers, save_picture

SIZE = (240, 300)


def noisy(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A product of noise, strong colours, black and white, and a soft coverage with a speck in it that is not whole."""
    dice = np.random.default_rng(seed)
    photo = dice.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    photo[60:120] = np.where(dice.random((60, SIZE[1], 1)) < 0.1, 255, 0)
    alpha = np.zeros(SIZE, np.uint8)
    cv2.ellipse(alpha, (150, 120), (110, 90), 15, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 3)
    alpha[80:82, 150], alpha[130:160, 130:160] = 246, dice.integers(250, 256, (30, 30))
    return photo, alpha


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    colours, alpha = noisy()
    Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def edited(photo: Path, *steps: str, to: str = "edited.png") -> tuple[Path, dict]:
    words = [step.partition(" ") for step in steps]
    (finished,) = edit(Job(photo, photo.parent / to), Wish(tuple(parse_step(n, v) for n, _, v in words)))
    return finished.file, json.loads(json.dumps(finished.certificate))


def scaled(factor: float, *, unmixed: bool = False) -> tuple[np.ndarray, Scene]:
    """The noisy photo and it resampled; with `unmixed` every colour that the product only partly covers is another."""
    colours, alpha = noisy()
    product = np.where((alpha < OPAQUE)[..., None], 255 - colours, colours) if unmixed else colours
    left, _, right, _ = product_box(Scene(colours, alpha), "fit")
    width = round((right - left) * factor)
    return colours, fit(Scene(product, alpha), f"{width}x{width}", share=1, upscale=True)


@pytest.mark.parametrize("factor", [0.9, 0.5, 0.23, 1.7, 3.1])
def test_kept_pixels_are_those_of_the_photo_resampled(factor: float) -> None:
    photo, scene = scaled(factor, unmixed=True)
    assert scene.placement is None and scene.reduced is not None
    assert scene.reduced.factor == pytest.approx(factor, abs=0.01)
    seen, (top, left) = reference(photo, scene.reduced)
    kept = np.argwhere(regions(scene) == KEPT)
    assert len(kept) > 0.3 * (scene.coverage("") == OPAQUE).sum()
    rows, columns = kept.T
    apart = cv2.absdiff(seen[rows - top, columns - left], flatten(scene)[rows, columns, :3])
    assert apart.max() <= 1 and (apart == 0).mean() > 0.999


@pytest.mark.parametrize("factor", [0.9, 0.5, 0.23, 1.7])
def test_what_is_mixed_with_the_outline_is_not_kept(factor: float) -> None:
    """The other way round: pixels into which an unmixed colour went differ, and none of them is kept."""
    _, plain = scaled(factor)
    _, other = scaled(factor, unmixed=True)
    changed = (plain.product != other.product).any(axis=2)
    codes = regions(plain)
    assert changed.any() and not (changed & (codes == KEPT)).any()
    assert (codes[changed] == EXEMPT).any()


def test_the_photos_own_part_is_followed_through_crops_before_and_after() -> None:
    colours, alpha = noisy()
    before = crop(Scene(colours, alpha), "20,15,260,200")
    scene = crop(fit(before, "150x150", share=0.9), "10,12,100,120")
    assert scene.reduced is not None and scene.reduced.box[0] >= 20 and scene.reduced.box[1] >= 15
    seen, (top, left) = reference(colours, scene.reduced)
    rows, columns = np.nonzero(regions(scene) == KEPT)
    assert len(rows) > 500
    assert cv2.absdiff(seen[rows - top, columns - left], scene.product[rows, columns]).max() <= 1
    again = fit(scene, "60x60")
    assert again.placement is None and again.reduced is None  # resampled twice
    same = fit(scene, "400x400", scale="1")
    assert same.reduced is not None and same.reduced.size == scene.reduced.size


def test_a_product_at_the_border_of_a_crop_is_not_kept_where_the_photo_goes_on() -> None:
    colours, _ = noisy()
    whole = Scene(colours, np.full(SIZE, 255, np.uint8))
    scene = fit(crop(whole, "40,40,200,150"), "100x100", share=1)
    assert scene.reduced is not None
    seen, (top, left) = reference(colours, scene.reduced)
    rows, columns = np.nonzero(regions(scene) == KEPT)
    assert rows.min() > top and columns.min() > left and len(rows) > 0.8 * np.prod(scene.reduced.size)
    assert cv2.absdiff(seen[rows - top, columns - left], scene.product[rows, columns]).max() <= 1
    changed = seen != scene.product[top : top + len(seen), left : left + seen.shape[1]]
    assert changed.any()  # so that the border had to be left out


def test_a_scene_larger_than_the_photo_is_compared_where_the_photo_is() -> None:
    colours, alpha = noisy()
    scene = fit(fit(Scene(colours, alpha), "500x400", scale="1"), "160x160")
    assert scene.reduced is not None and scene.reduced.box[1] < 0
    seen, (top, left) = reference(colours, scene.reduced)
    rows, columns = np.nonzero(regions(scene) == KEPT)
    assert cv2.absdiff(seen[rows - top, columns - left], scene.product[rows, columns]).max() <= 1


@pytest.mark.parametrize(
    "steps",
    [
        ("background #ffffff", "fit 120x120"),
        ("fit 600x600 upscale=yes",),
        ("background #ffffff", "fit 200x220", "crop 5,5,180,200", "text Sale at=top size=0.1"),
        ("crop 20,15,260,200", "background #808080", "fit 120x120 share=0.95"),
        ("fit 400x400 scale=1", "fit 90x90"),
    ],
)
def test_a_fit_that_scales_is_promised_and_verifies(photo: Path, steps: tuple[str, ...]) -> None:
    target, document = edited(photo, *steps)
    assert document["promise"]["promised"] and document["promise"]["tolerance"] == 1
    assert document["promise"]["compared_with"] == "the photo resampled"
    kept = document["measured"]["kept"]
    assert document["placement"] is None and kept["outside_photo"] == 0
    assert kept["pixels"] > 500 and kept["max_difference"] <= 1 and kept["delta_e2000_p95"] < 0.5
    assert verify(target, photo, document) == []


def test_the_report_says_what_the_pixels_were_compared_with(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photo.parent)
    for name, words in (("e.png", "100x100"), ("e.jpg", "100x100"), ("large.png", "600x600 upscale=yes")):
        arguments = ["edit", "photo.png", "--background", "#ffffff", "--fit", words, "--out", name]
        monkeypatch.setattr("sys.argv", ["packshot", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
    reduced, encoded, enlarged = capsys.readouterr().out.splitlines()
    assert re.search(r"fit: [\d,]+ kept pixels within 1 level of the photo reduced to 3\d(\.\d)? %; halo", reduced)
    assert re.search(r"reduced to 3\d(\.\d)? % before encoding, \d+ after it", encoded)
    assert re.search(r"within 1 level of the photo enlarged to 2\d\d %", enlarged)


def test_what_was_recoloured_before_is_exempt_as_far_as_it_was_mixed(photo: Path) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[150:180, 180:220] = 255
    Image.fromarray(mask).save(photo.with_name("mask.png"))
    part = f"recolour #1f3a6e part=mask:{photo.with_name('mask.png')}"
    target, document = edited(photo, part, "background #ffffff", "fit 150x150")
    _, plain = edited(photo, "background #ffffff", "fit 150x150", to="plain.png")
    assert document["promise"]["promised"]
    assert document["regions"]["exempt"] > plain["regions"]["exempt"] + 100
    assert document["measured"]["kept"]["max_difference"] <= 1
    assert verify(target, photo, document) == []


def test_a_lossy_encoding_is_proven_before_it(photo: Path) -> None:
    target, document = edited(photo, "background #ffffff", "fit 120x120", to="e.jpg")
    assert document["promise"]["promised"] and document["measured_before_encoding"]["kept"]["max_difference"] <= 1
    assert document["measured"]["kept"]["max_difference"] > 1
    assert verify(target, photo, document) == []


@pytest.mark.parametrize(
    "steps", [("fit 120x120", "turn 5"), ("fit 120x120", "flip"), ("turn 5", "fit 120x120"), ("fit 120x120", "fit 60")]
)
def test_what_is_resampled_otherwise_or_twice_promises_nothing(photo: Path, steps: tuple[str, ...]) -> None:
    target, document = edited(photo, *steps)
    assert not document["promise"]["promised"] and document["promise"]["compared_with"] is None
    assert document["reduction"] is document["measured"] is None
    assert verify(target, photo, document) == []


def test_a_change_of_the_product_is_found_and_one_of_a_level_is_counted(photo: Path) -> None:
    target, document = edited(photo, "background #ffffff", "fit 120x120")
    middle = tuple(np.argwhere(_codes(photo) == KEPT)[400])
    for by, broken in ((1, False), (40, True)):
        changed = open_layers(target, where="").rgb.copy()
        changed[middle] = np.where(changed[middle] < 128, changed[middle] + by, changed[middle] - by)
        other = target.with_name(f"{by}.png")
        save_picture(changed, other)
        wrong = verify(other, photo, document)
        assert any(line.startswith("measured.kept.sha256_after") for line in wrong)
        assert any(line.startswith("promise:") and "where 1 is promised" in line for line in wrong) is broken


def _codes(photo: Path) -> np.ndarray:
    layers = open_layers(photo, where="")
    return regions(fit(Scene(layers.rgb, layers.alpha), "120x120"))


def test_an_operation_that_changes_what_was_resampled_is_a_broken_promise(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = resized

    def wrong(pixels: np.ndarray, size: tuple[int, int], box: tuple | None = None) -> np.ndarray:
        return np.roll(real(pixels, size, box), 1, axis=0)

    monkeypatch.setattr("packshot.editing.reduced.resized", wrong)
    with pytest.raises(BrokenPromiseError, match="where 1 is promised after fit; nothing was written"):
        edited(photo, "fit 120x120")


@pytest.mark.parametrize("key", ["box", "at"])
@pytest.mark.parametrize("side", range(4))
def test_another_part_or_place_is_found(photo: Path, key: str, side: int) -> None:
    target, document = edited(photo, "background #ffffff", "fit 120x120")
    document["reduction"][key][side] += 1
    try:
        assert verify(target, photo, document)
    except InputError as error:
        assert "another form" in str(error)


BOX, AT = [0.0, 0.0, 300.0, 240.0], [0, 0, 100, 80]


@pytest.mark.parametrize(
    ("box", "at"),
    [
        ([math.nan, 0, 300, 240], AT),
        ([0, 0, math.inf, 240], AT),
        ([300, 0, 0, 240], AT),
        ([0, 0, 300, 0], AT),
        ([0, 0, 300], AT),
        ([0, 0, 300, "240"], AT),
        ([0, 0, 300, True], AT),
        ([0, 0, 1e-300, 1e-300], [0, 0, 100, 100]),
        ([0, 0, 10**400, 240], AT),
        (BOX, [0, 0, 100, 240]),
        (BOX, [0, 0, 100.5, 80]),
        (BOX, [100, 0, 0, 80]),
        (BOX, [0, 0, 100_000, 80_000]),
        (BOX, [0, 0, 10**400, 80]),
        ([0, 0, 1e5, 1], [0, 0, 10**5, 1]),
        (None, AT),
        ("box!", AT),
    ],
)
def test_a_part_that_no_fit_takes_is_refused_in_one_line(photo: Path, box: object, at: object) -> None:
    target, document = edited(photo, "background #ffffff", "fit 120x120")
    document["reduction"] = {"box": box, "at": at}
    with pytest.raises(InputError, match="another form") as caught:
        verify(target, photo, document)
    assert "\n" not in str(caught.value)


def test_a_part_beyond_the_photo_is_found(photo: Path) -> None:
    target, document = edited(photo, "background #ffffff", "fit 120x120")
    document["reduction"] = {"box": [4e7, 0, 4e7 + 300, 240], "at": AT}
    assert any(line.startswith("reduction:") for line in verify(target, photo, document))
    document["reduction"] = {"box": BOX, "at": [500, 500, 600, 580]}  # of the photo, but not in the picture
    assert any(line.startswith("measured.kept") for line in verify(target, photo, document))
    document["placement"] = [0, 0]
    with pytest.raises(InputError, match="another form"):
        verify(target, photo, document)


def test_a_reduction_is_read_as_it_was_written() -> None:
    how = Reduction((0.5, 1.25, 300.5, 241.25), (-3, 4, 97, 84))
    assert read(list(how.box), list(how.at)) == how and how.size == (80, 100)
    assert how.moved(-2, 5).at == (2, 2, 102, 82)
    with pytest.raises(ValueError, match="resampled or it was not"):
        Scene(np.zeros((2, 2, 3), np.uint8), reduced=how)


@pytest.mark.parametrize("size", [(20, 30), (61, 92), (150, 226)])
def test_nothing_out_of_reach_goes_into_a_pixel(size: tuple[int, int]) -> None:
    marked = np.zeros((60, 90), bool)
    marked[20:24, 33], marked[50, 70] = True, True
    box = (1.5, 2.25, 88.5, 60.0 - 2.25)
    dark = np.full((60, 90, 3), 90, np.uint8)
    light = np.where(marked[..., None], np.uint8(255), dark)
    seen = within_reach(marked, size, box)
    changed = (resized(light, size, box) != resized(dark, size, box)).any(axis=2)
    assert changed.any() and (seen >= changed).all() and seen.mean() < 0.3
