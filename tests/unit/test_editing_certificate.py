"""A certificate says what is true of the two files, notices every change, and can be computed again from them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from editing_fakes import installed, product_photo

from packshot.colour import cielab_from_srgb, delta_e2000
from packshot.editing.certificate import BrokenPromiseError, read_certificate, verify
from packshot.editing.files import Job, Wish, certificate_path, edit
from packshot.editing.measures import EXEMPT, KEPT, OUTSIDE, RIM, halo, measure, regions, text_boxes
from packshot.editing.pipeline import parse_step
from packshot.editing.scene import SOLID, Scene, flatten
from packshot.errors import InputError
from packshot.images import open_layers, save_picture


@pytest.fixture(autouse=True)
def fakes() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    save_picture(product_photo(), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def edited(photo: Path, *steps: str, to: str = "edited.png", quality: int | None = None) -> tuple[Path, dict]:
    target = photo.parent / to
    words = [step.partition(" ") for step in steps]
    (finished,) = edit(Job(photo, target), Wish(tuple(parse_step(n, v) for n, _, v in words), quality=quality))
    assert finished.file == target and read_certificate(certificate_path(target)) == finished.certificate
    return target, finished.certificate


def pixels(path: Path) -> np.ndarray:
    return open_layers(path, where=path.name).rgb


def test_a_new_background_leaves_every_kept_pixel_and_says_so(photo: Path) -> None:
    target, document = edited(photo, "background grey:128")
    kept = document["measured"]["kept"]
    assert document["promise"] == {
        "promised": True,
        "reason": None,
        "compared_with": "the photo",
        "tolerance": 0,
        "proven_on": "the edited file",
    }
    assert kept["pixels"] == (40 - 4) * (60 - 4) and kept["outside_photo"] == 0
    assert kept["differing"] == kept["max_difference"] == kept["mean_difference"] == 0
    assert kept["delta_e2000_p50"] == kept["delta_e2000_p95"] == 0
    region = (slice(12, -12), slice(12, -12))
    assert kept["sha256_after"] == hashlib.sha256(pixels(target)[region].tobytes()).hexdigest()
    assert kept["sha256_before"] == hashlib.sha256(pixels(photo)[region].tobytes()).hexdigest()
    assert [(step["op"], step["inserted"]) for step in document["steps"]] == [("cutout", True), ("background", False)]
    assert document["original"]["sha256"] == hashlib.sha256(photo.read_bytes()).hexdigest()
    assert document["edited"]["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert (pixels(target)[0, 0] == 128).all()
    assert verify(target, photo, document) == []


@pytest.mark.parametrize(
    "steps",
    [
        ("cutout",),
        ("crop 3 top=5", "background grey:9"),
        ("recolour navy",),
        ("text Sale", "crop 7"),
        ("exposure 0.5", "background grey:9"),
        ("turn 3",),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_whatever_ran_verify_finds_the_same_numbers(photo: Path, steps: tuple[str, ...], suffix: str) -> None:
    target, document = edited(photo, *steps, to=f"e{suffix}")
    assert verify(target, photo, json.loads(json.dumps(document))) == []
    promised = not any(step.startswith(("exposure", "turn")) for step in steps)
    assert document["promise"]["promised"] is promised
    if promised:
        assert document["measured"]["kept"]["sha256_before"] == document["measured"]["kept"]["sha256_after"]
        assert document["measured"]["kept"]["pixels"] > 500


def test_an_operation_that_promises_nothing_is_measured_where_pixels_stay_in_place(photo: Path) -> None:
    _, document = edited(photo, "exposure 0.5")
    kept = document["measured"]["kept"]
    assert "exposure" in document["promise"]["reason"] and document["promise"]["proven_on"] is None
    assert kept["differing"] > 0.99 * kept["pixels"] * (40 * 60) / (60 * 80) and kept["max_difference"] > 20
    assert kept["delta_e2000_p95"] > 5
    _, document = edited(photo, "turn 3")
    assert document["measured"] is None and document["placement"] is None


def test_jpeg_is_proven_before_encoding_and_measured_after_it(photo: Path) -> None:
    target, document = edited(photo, "background grey:128", to="e.jpg")
    assert document["promise"]["promised"] and "before encoding" in document["promise"]["proven_on"]
    assert document["measured_before_encoding"]["kept"]["max_difference"] == 0
    assert document["measured"]["kept"]["max_difference"] > 0
    assert document["edited"]["quality"] == 92 and not document["edited"]["lossless"]
    assert verify(target, photo, document) == []
    _, lossy = edited(photo, "cutout", to="e.webp", quality=60)
    assert not lossy["edited"]["lossless"] and lossy["measured"]["kept"]["max_difference"] > 0


def test_a_broken_promise_leaves_no_file(photo: Path) -> None:
    with pytest.raises(BrokenPromiseError, match=r"1 of 4,800 kept pixels differ, by up to 1 after badge"):
        edited(photo, "badge New")
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]
    with pytest.raises(BrokenPromiseError):
        edited(photo, "badge New", to="e.jpg")


def test_one_changed_pixel_of_the_product_is_found(photo: Path) -> None:
    target, document = edited(photo, "background grey:128")
    changed = pixels(target).copy()
    changed[30, 40, 1] ^= 1
    save_picture(changed, target)
    wrong = verify(target, photo, document)
    assert any(line.startswith("edited.sha256") for line in wrong)
    assert "measured.kept.differing: the certificate says 0, found 1" in wrong
    assert "promise: 1 of 2,016 kept pixels differ, by up to 1" in wrong


def test_another_original_is_found(photo: Path) -> None:
    target, document = edited(photo, "background grey:128")
    other = photo.with_name("other.png")
    save_picture(product_photo(seed=1), other)
    wrong = verify(target, other, document)
    assert any(line.startswith("original.sha256") for line in wrong) and any("promise:" in line for line in wrong)
    save_picture(product_photo(), other, recipe={"same": "pixels"})
    assert [line.partition(":")[0] for line in verify(target, other, document)] == ["original.sha256"]


def test_every_changed_number_of_the_certificate_is_found(photo: Path) -> None:
    target, document = edited(photo, "recolour navy", "text Sale")
    leaves = 0
    for path, value in _leaves(document):
        top = path[0]
        if top in {"packshot", "format", "steps", "safety"} or path in {("original", "file"), ("edited", "file")}:
            continue
        if path[:2] in {("original", "notes"), ("edited", "codec"), ("edited", "quality"), ("regions", "png")}:
            continue
        forged = json.loads(json.dumps(document))
        place = forged
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = _other(value)
        with contextlib.suppress(InputError):  # noticed, too
            assert verify(target, photo, forged), path
        leaves += 1
    assert leaves > 25


def test_glass_is_exempt_and_its_share_of_the_product_is_certified(photo: Path) -> None:
    target, document = edited(photo, "cutout glass=auto", "background grey:128")
    counts = document["regions"]
    product = (60 - 20) * (80 - 20)
    assert counts["outline"] + counts["glass"] + counts["exempt"] + counts["kept"] == product
    assert counts["glass"] == product // 2 and counts["shares"]["glass"] == 0.5
    assert sum(counts["shares"].values()) == pytest.approx(1, abs=0.001)
    assert document["promise"]["promised"] and verify(target, photo, document) == []
    lie = json.loads(json.dumps(document))
    lie["regions"]["shares"]["glass"] = 0.1
    assert verify(target, photo, lie) == ["regions.shares.glass: the certificate says 0.1, found 0.5"]


def test_glass_that_no_step_asked_for_is_found(photo: Path) -> None:
    target, document = edited(photo, "cutout glass=auto", "background grey:128")
    document["steps"][0]["arguments"] = {}
    assert verify(target, photo, document) == ["regions.glass: the certificate exempts glass, and no step asked for it"]


def test_a_smaller_map_of_regions_is_found_by_its_counts(photo: Path) -> None:
    target, document = edited(photo, "background grey:128")
    small, _ = edited(photo, "crop 3", "background grey:128", to="small.png")
    other = json.loads(certificate_path(small).read_text())
    forged = {**document, "regions": {**document["regions"], "png": other["regions"]["png"]}}
    wrong = verify(target, photo, forged)
    assert any(line.startswith("regions.outside") for line in wrong)
    assert "size: the certificate is about 77×60, edited.png has 80×60" in wrong


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 9}', '{"format": 1}', '{"format": 2}', '{"format": 2, "steps": 3}']
)
def test_what_is_no_certificate_is_one_line(photo: Path, text: str) -> None:
    path = photo.with_name("c.json")
    path.write_text(text)
    with pytest.raises(InputError, match=r"accepted: (a certificate|one) ") as caught:
        verify(photo, photo, read_certificate(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="No such file"):
        read_certificate(photo.with_name("none.json"))


def test_regions_keep_away_from_the_edge_from_what_was_touched_and_from_what_is_covered() -> None:
    alpha = np.zeros((30, 40), np.uint8)
    alpha[5:25, 5:] = 255  # reaches the right border of the picture, which erodes nothing
    alpha[4, 5:], alpha[10, 30] = 120, SOLID - 1
    touched, overlay = np.zeros((30, 40), bool), np.zeros((30, 40, 4), np.uint8)
    touched[15, 20], overlay[16, 20, 3] = True, 1
    codes = regions(Scene(np.zeros((30, 40, 3), np.uint8), alpha, overlay=overlay, touched=touched))
    assert codes[0, 0] == OUTSIDE and codes[4, 20] == 120 and codes[6, 20] == RIM and codes[7, 20] == KEPT
    assert codes[12, 39] == KEPT and codes[12, 6] == RIM
    assert (codes[8:13, 28:33] >= SOLID - 1).all() and (codes[8:13, 28:33] <= RIM).all() and codes[13, 30] == KEPT
    assert codes[15, 20] == codes[16, 20] == EXEMPT
    assert (regions(Scene(np.zeros((3, 3, 3), np.uint8))) == KEPT).all()


def test_solid_pixels_are_copied_by_flattening_and_by_the_certificates_reckoning() -> None:
    photo = product_photo()
    alpha = np.where(photo.min(axis=2) < 240, 0, 0).astype(np.uint8)
    alpha[10:-10, 10:-10] = SOLID
    scene = Scene(photo, alpha, backdrop=np.zeros_like(photo), shade=np.full(alpha.shape, 99, np.uint8))
    for seen in (flatten(scene), flatten(replace(scene, backdrop=None))):
        assert measure(photo, seen, regions(scene), (0, 0))["kept"]["differing"] == 0


def test_pixels_from_outside_of_the_photo_cannot_be_kept(photo: Path) -> None:
    codes = np.full((20, 20), KEPT, np.uint8)
    black = np.zeros((20, 20, 3), np.uint8)
    kept = measure(black[:, :12], black, codes, (0, 5))["kept"]
    assert kept["pixels"] == 12 * 20 and kept["outside_photo"] == 8 * 20


def test_differences_are_those_of_the_plain_formulas() -> None:
    dice = np.random.default_rng(0)
    before, after = dice.integers(0, 256, (2, 700, 50, 3), dtype=np.uint8)
    codes = np.where(dice.random((700, 50)) < 0.5, KEPT, OUTSIDE).astype(np.uint8)
    a, b = before[codes == KEPT].astype(int), after[codes == KEPT].astype(int)
    errors = delta_e2000(cielab_from_srgb(a.astype(np.uint8)), cielab_from_srgb(b.astype(np.uint8)))
    kept = measure(before, after, codes, (0, 0))["kept"]
    assert kept["pixels"] == len(a) and kept["max_difference"] == abs(a - b).max()
    assert kept["mean_difference"] == pytest.approx(abs(a - b).mean(), abs=1e-3)
    assert kept["delta_e2000_p50"] == pytest.approx(np.percentile(errors, 50), abs=1e-2)
    assert kept["delta_e2000_p95"] == pytest.approx(np.percentile(errors, 95), abs=1e-2)


def disc(side: int, inside: int, ground: int, fringe: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A disc on white, a cut-out of it on another ground, its map; `fringe` of the white stays at the outline."""
    big = np.zeros((side * 8, side * 8), np.uint8)
    cv2.circle(big, (side * 4, side * 4), side * 2, 255, -1)
    alpha = cv2.resize(big, (side, side), interpolation=cv2.INTER_AREA)
    a = alpha[..., None] / 255
    colour = np.where((alpha > 0) & (alpha < SOLID), inside + fringe * (1 - alpha / 255) * (255 - inside), inside)
    photo = np.broadcast_to(np.rint(a * inside + (1 - a) * 255), (side, side, 3)).astype(np.uint8)
    made = np.broadcast_to(np.rint(a * colour[..., None] + (1 - a) * ground), (side, side, 3)).astype(np.uint8)
    return photo, made, regions(Scene(photo, alpha, backdrop=made))


def test_the_halo_is_none_for_a_clean_cut_and_grows_with_what_is_left_of_the_old_ground() -> None:
    clean, half, whole = (halo(*disc(80, 100, 40, fringe))["score"] for fringe in (0.0, 0.5, 1.0))
    assert clean < 0.1 < half < whole and whole > 1.0
    assert whole < 155 * 0.25 and half == pytest.approx(whole / 2, rel=0.25)
    see_through = np.dstack([disc(80, 100, 40, 0.0)[1], np.full((80, 80), 255, np.uint8)])
    assert halo(disc(80, 100, 40)[0], see_through, disc(80, 100, 40)[2])["score"] < 0.2
    assert halo(product_photo(), product_photo(), np.full((60, 80), KEPT, np.uint8)) is None


def test_the_halo_does_not_depend_on_the_strips() -> None:
    photo, made, codes = disc(80, 100, 40, 1.0)
    tall = [np.concatenate([layer] * 9) for layer in (photo, made, codes)]
    assert halo(*tall)["pixels"] == 9 * halo(photo, made, codes)["pixels"]
    assert halo(*tall)["score"] == pytest.approx(halo(photo, made, codes)["score"], abs=1e-3)


def printed(scale: float, side: int = 400) -> np.ndarray:
    picture = np.full((side, side, 3), 200, np.uint8)
    cv2.putText(picture, "Ingredients: water", (40, side // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20), 2)
    return picture


@pytest.mark.parametrize("scale", [0.6, 0.9])
def test_print_is_found_and_plain_surfaces_and_outlines_are_not(scale: float) -> None:
    boxes = text_boxes(printed(scale))
    assert boxes
    left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, bottom = max(b[2] for b in boxes), max(b[3] for b in boxes)
    assert 30 <= left <= 50 and top >= 165 and bottom <= 215 and right > 150
    shapes = np.full((400, 400, 3), 200, np.uint8)
    cv2.circle(shapes, (150, 200), 90, (40, 40, 90), -1)
    cv2.rectangle(shapes, (260, 60), (380, 300), (90, 40, 40), 3)
    assert text_boxes(shapes) == [] and text_boxes(shapes[:3, :3]) == []


def test_print_on_the_product_is_said_to_be_equal_or_not(tmp_path: Path) -> None:
    label = printed(0.6)
    label[:40] = label[-40:] = label[:, :10] = label[:, -10:] = 255
    save_picture(label, tmp_path / "photo.png")
    _, document = edited(tmp_path / "photo.png", "crop 5", "background grey:0")
    found = document["measured"]["text_regions"]
    assert found["count"] == len(found["boxes"]) >= 1 and found["max_difference"] == 0
    assert found["boxes"][0][0] == text_boxes(label[:, 5:])[0][0] + 5  # in the photo's coordinates
    _, document = edited(tmp_path / "photo.png", "exposure 0.2")
    assert document["measured"]["text_regions"]["max_difference"] > 0


def _leaves(value: object, path: tuple = ()) -> Iterator[tuple[tuple, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def _other(value: object) -> object:
    if value is None or isinstance(value, list):
        return 1
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, (int, float)) else f"{value}x"
