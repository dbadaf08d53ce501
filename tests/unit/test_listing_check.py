"""A good picture passes; each fault fails the rule that is about it, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter

pytest.importorskip("cv2")

from listing_pictures import FAULTS, XMP, jpeg, perfect_network, product, saved, written

from packshot.images import encode_picture
from packshot.listing.channels import load_channels
from packshot.listing.measures import Look
from packshot.listing.report import check

pytestmark = pytest.mark.usefixtures(perfect_network.__name__)


def failing(data: bytes, channel: str = "amazon-main") -> set[str]:
    return set(check(data, channel).of("fail"))


def test_a_good_picture_passes_every_rule() -> None:
    report = check(jpeg(product()), "amazon-main")
    assert report.passed and {verdict.status for verdict in report.verdicts} == {"pass"}, report.lines()


ALSO = {
    "border": {"white", "margin"},
    "text": {"white"},
    "watermark": {"white"},
    "margin": {"white"},
    "items": {"share"},
}
"""What a fault does besides: a border is not white, and lettering on the background is not either."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_rule(fault: str) -> None:
    found = failing(FAULTS[fault]())
    assert fault in found
    assert found <= {fault} | ALSO.get(fault, set()), found


def test_lettering_of_the_product_itself_is_not_text() -> None:
    assert not failing(jpeg(written(product(), "BRAND", (400, 600), (240, 220, 200), 70)))


def test_a_shadow_on_white_fails_where_none_is_allowed() -> None:
    image = np.array(product(800, 0.75))
    y, x = np.mgrid[:800, :800]
    shade = 90 * np.exp(-(((x - 400) / 300) ** 2) - ((y - 720) / 18) ** 2)
    lit = np.where((image.min(-1) > 250)[..., None], image - shade[..., None], image).clip(0, 255).astype(np.uint8)
    assert "shadow" in failing(jpeg(Image.fromarray(lit)), "taobao-white")
    assert "shadow" not in failing(jpeg(Image.fromarray(image)), "taobao-white")


@pytest.mark.parametrize("contrast", [1.0, 0.3])
def test_blur_does_not_depend_on_contrast(contrast: float) -> None:
    def blur(radius: float) -> float:
        image = product(share=0.87).filter(ImageFilter.GaussianBlur(radius))
        pixels = 255 - (255 - np.array(image).astype(float)) * contrast
        found = Look(saved(Image.fromarray(pixels.astype(np.uint8)), "PNG"), "p").blur
        assert found is not None
        return found

    assert blur(0.01) < 0.7 < blur(4) and blur(8) == pytest.approx(8 * 512 / 870, rel=0.25)


def test_a_profile_that_is_not_srgb_fails() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert failing(jpeg(product(), icc_profile=lab)) == {"colour"}
    assert not failing(jpeg(product(), icc_profile=srgb))


def test_a_generated_picture_needs_its_mark_where_one_is_asked_for() -> None:
    recipe = {"made_by": "generative model"}
    bare = encode_picture(np.array(product()), Path("p.jpg"), recipe=recipe)
    assert failing(bare, "google-merchant") == {"generated"}
    assert not failing(jpeg(product(), xmp=XMP % b"trainedAlgorithmicMedia"), "google-merchant")
    assert failing(jpeg(product(), xmp=XMP % b"trainedAlgorithmicMedia")) == {"generated"}
    assert not failing(jpeg(product(), xmp=XMP % b"compositeWithTrainedAlgorithmicMedia"))


@pytest.mark.parametrize(("wide", "high"), [(30, 30), (60, 20), (0, 40)])
def test_a_frame_is_seen_whatever_its_sides(wide: int, high: int) -> None:
    seen = np.array(product(share=0.7))
    if wide:
        seen[:, :wide], seen[:, -wide:] = (200, 30, 40), (200, 30, 40)
    seen[:high], seen[-high:] = (200, 30, 40), (200, 30, 40)
    assert "border" in failing(jpeg(Image.fromarray(seen)), "ebay")


def test_one_strip_alone_may_be_a_table() -> None:
    seen = np.array(product(share=0.7))
    seen[-50:] = (120, 90, 60)
    report = check(jpeg(Image.fromarray(seen)), "ebay")
    assert "border" in report.of("unsure")


def test_two_alike_may_be_a_pair_and_two_of_different_colours_are_not() -> None:
    def two(second: Image.Image) -> bytes:
        image = Image.new("RGB", (1000, 500), "white")
        image.paste(product(500), (0, 0))
        image.paste(second, (500, 0))
        return jpeg(image)

    blue = Image.fromarray(np.array(product(500))[..., ::-1].copy())
    assert "items" in check(two(product(500)), "amazon-main").of("unsure")
    assert "items" in failing(two(blue))


def test_a_report_says_it_in_lines_and_as_json() -> None:
    report = check(jpeg(product(share=0.7)), "amazon-main", where="main.jpg")
    (share,) = [row for row in report.as_dict()["verdicts"] if row["rule"] == "share"]
    assert share["status"] == "fail" and share["measured"].startswith("longest side 70")
    assert share["source"] and share["date"] == "2026-11-26" and "accepted: 85 %" in "\n".join(report.lines())
    assert report.picture == "main.jpg" and not report.passed


def test_what_was_looked_at_is_measured_once_for_all_channels() -> None:
    look = Look(jpeg(product(800)), "p")
    first, second = (check(look, name) for name in ("taobao-white", "taobao-main"))
    assert first.passed and second.passed and look.product is look.product


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (2000, 9), (40, 40)])
def test_tiny_and_thin_pictures_are_judged_too(size: tuple[int, int]) -> None:
    for channel in load_channels().values():
        assert check(saved(Image.new("RGB", size, (90, 90, 90)), "PNG"), channel).verdicts


def test_a_rough_outline_that_reaches_the_frame_is_no_proof() -> None:
    seen = np.array(product(share=0.88, ground=(90, 140, 200)))
    seen[:100, 495:505] = (150, 80, 30)
    assert "margin" in check(jpeg(Image.fromarray(seen)), "amazon-main").of("unsure")
    seen[:200, 300:700] = (150, 80, 30)
    assert "margin" in failing(jpeg(Image.fromarray(seen)))
