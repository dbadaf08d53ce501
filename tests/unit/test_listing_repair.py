"""What is repaired passes our checker and one that shares no code with it; the rest is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from listing_checker import complaints
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

pytest.importorskip("cv2")

from listing_pictures import FAULTS, XMP, jpeg, perfect_network, product, saved

from packshot.editing import certificate as proofs
from packshot.listing.channels import load_channels
from packshot.listing.encoding import NotEncodedError, encode
from packshot.listing.measures import Look
from packshot.listing.repair import certificate, repair
from packshot.listing.report import check, fix

CHANNELS = load_channels()
pytestmark = pytest.mark.usefixtures(perfect_network.__name__)


REPAIRABLE = {
    "white": FAULTS["white"],
    "share": FAULTS["share"],
    "colour": FAULTS["colour"],
    "transparency": FAULTS["transparency"],
    "format": FAULTS["format"],
    "animation": FAULTS["animation"],
    "size": FAULTS["size"],
    "scene": lambda: jpeg(product(1200, 0.8, (90, 140, 200))),
    "turned": lambda: jpeg(product(share=0.7), exif=turned()),
    "large": lambda: jpeg(product(2250, 0.8)),
    "profile": lambda: jpeg(product(share=0.7), icc_profile=xyz()),
    "border": lambda: jpeg(ImageOps.expand(product(980), 30, (200, 30, 40))),
}


def xyz() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


@pytest.mark.parametrize(
    ("fault", "channel"),
    [
        *((fault, channel) for fault in REPAIRABLE for channel in ("amazon-main", "taobao-white")),
        *((fault, channel) for fault in ("scene", "border", "animation") for channel in ("taobao-main", "jd")),
    ],
)
def test_what_is_repaired_passes_both_checkers(fault: str, channel: str) -> None:
    before = REPAIRABLE[fault]()
    data, report = fix(before, channel)
    assert data is not None, report.refused
    assert report.passed and check(data, channel).passed
    assert complaints(data, channel) == []


def test_the_independent_checker_finds_faults_itself() -> None:
    assert complaints(FAULTS["white"](), "amazon-main") == ["white edge", "white ground"]
    assert complaints(FAULTS["share"](), "amazon-main") == ["fill"]
    assert "mode" in complaints(FAULTS["colour"](), "amazon-main")
    assert "cut off" in complaints(FAULTS["margin"](), "amazon-main")
    assert "size" in complaints(jpeg(product()), "taobao-white")
    assert "profile" in complaints(jpeg(product(), icc_profile=xyz()), "amazon-main")


def test_a_repair_is_the_same_every_time() -> None:
    data = FAULTS["share"]()
    first, second = (repair(Look(data, "p.jpg"), CHANNELS["amazon-main"]).data for _ in range(2))
    assert first is not None and first == second


def test_file_size_is_met_from_both_sides() -> None:
    photo = np.array(product(800, 0.84, (90, 140, 200)))
    noise = np.random.default_rng(0).normal(0, 60, photo.shape)
    grainy = np.where(photo[..., :1] > photo[..., 2:], photo + noise, photo).clip(0, 255)
    brown = np.where(grainy[..., :1] - grainy[..., 2:] > 30, grainy, photo).astype(np.uint8)
    made = repair(Look(saved(Image.fromarray(brown), "PNG"), "p.png"), CHANNELS["taobao-white"])
    assert made.data is not None and made.quality is not None and made.quality < 95, made.refused
    assert complaints(made.data, "taobao-white") == []
    assert len(made.data) > 250_000  # not smaller than it has to be
    flat = np.full((64, 64, 3), 120, np.uint8)
    with pytest.raises(NotEncodedError, match="quality 100"):  # padding would be a lie
        encode(flat, "jpeg", Look(jpeg(product(64)), "p").facts, 38 * 1024, 300_000)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("text", "inventing"),
        ("watermark", "watermark"),
        ("items", "which of the items"),
        ("blur", "detail"),
        ("generated", "wholly generated"),
        ("margin", "cuts the product off"),
    ],
)
def test_the_rest_is_refused_with_the_reason(fault: str, said: str) -> None:
    made = repair(Look(FAULTS[fault](), "p.jpg"), CHANNELS["amazon-main"])
    assert made.data is None and any(said in reason for reason in made.refused), made.refused


def test_nothing_is_enlarged_more_than_twice() -> None:
    made = repair(Look(jpeg(product(400)), "p.jpg"), CHANNELS["amazon-main"])
    assert made.data is None and "enlarged 2.4" in made.refused[0]


def test_at_its_own_scale_the_product_is_copied_and_proven(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(saved(product(1150, 0.9, (90, 140, 200)), "PNG"))
    look = Look(photo.read_bytes(), str(photo))
    made = repair(look, CHANNELS["amazon-main"])
    assert made.data is not None and made.edited is not None and made.edited.scene.placement is not None
    document = certificate(look, made, "photo.jpg")
    assert document is not None and document["promise"]["promised"] and document["promise"]["tolerance"] == 0
    kept = document["measured_before_encoding"]["kept"]
    assert kept["differing"] == 0 and kept["pixels"] > 300_000
    (tmp_path / "photo.jpg").write_bytes(made.data)
    assert proofs.verify(tmp_path / "photo.jpg", photo, document) == []


def test_a_picture_that_passes_is_copied_byte_for_byte() -> None:
    data = jpeg(product())
    made = repair(Look(data, "p.jpg"), CHANNELS["amazon-main"])
    assert made.data == data and not made.done and made.suffix == ".jpg"


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_labels_are_carried_over(form: str) -> None:
    xmp = XMP % b"compositeWithTrainedAlgorithmicMedia"
    made = repair(Look(saved(product(share=0.7), "JPEG", xmp=xmp), "p"), CHANNELS["amazon-main"])
    assert made.data is not None and Look(made.data, "p").facts.xmp == xmp
    data, _ = encode(np.array(product(64)), form.lower(), Look(jpeg(product(64), xmp=xmp), "p").facts, 0, 1e9)
    assert Look(data, "p").facts.xmp == xmp


def test_a_label_that_would_be_lost_is_never_stripped() -> None:
    info = PngInfo()
    info.add_itxt("AIGC", '{"Label":"1"}')
    made = repair(Look(saved(product(share=0.7), "PNG", pnginfo=info), "p.png"), CHANNELS["amazon-main"])
    assert made.data is None and "never stripped" in made.refused[0]


def test_a_picture_with_its_background_is_continued_or_cropped_around_the_product() -> None:
    wide = Image.new("RGB", (1200, 900), (200, 210, 220))
    wide.paste(product(600, 0.8, (200, 210, 220)), (60, 150))
    made = repair(Look(jpeg(wide), "p.jpg"), CHANNELS["taobao-main"])
    assert made.data is not None and "continued" in made.done[0] and Look(made.data, "p").rgb.shape[:2] == (1200, 1200)
    busy = np.array(wide)
    rng = np.random.default_rng(1)
    busy = np.where((busy[..., :1] < busy[..., 2:]), rng.integers(60, 190, (900, 1200, 1)), busy).astype(np.uint8)
    made = repair(Look(jpeg(Image.fromarray(busy)), "p.jpg"), CHANNELS["taobao-main"])
    assert made.data is not None and "cropped" in made.done[0] and Look(made.data, "p").rgb.shape[:2] == (900, 900)
    assert complaints(made.data, "taobao-main") == []


def test_a_border_is_cut_off_and_the_rest_copied(tmp_path: Path) -> None:
    scene = Image.fromarray(np.random.default_rng(0).integers(90, 200, (900, 900, 1)).repeat(3, 2).astype(np.uint8))
    photo = tmp_path / "photo.png"
    photo.write_bytes(saved(ImageOps.expand(scene, 40, (255, 250, 240)), "PNG"))
    look = Look(photo.read_bytes(), str(photo))
    made = repair(look, CHANNELS["ebay"])
    assert made.data is not None and "border cut off" in made.done[0]
    assert made.composed is not None
    left = look.rgb[40:-40, 40:-40]
    height, width = made.composed.shape[:2]
    assert 890 <= height <= 900 and 890 <= width <= 900
    at = (900 - height + 1) // 2, (900 - width + 1) // 2
    assert np.array_equal(made.composed, left[at[0] : at[0] + height, at[1] : at[1] + width])
    document = certificate(look, made, "photo.jpg")
    assert document is not None and document["measured_before_encoding"]["kept"]["differing"] == 0


def test_one_that_no_repair_can_help_comes_back_with_its_own_verdicts() -> None:
    data, report = fix(FAULTS["blur"](), "amazon-main")
    assert data is None and report.of("fail") == ["blur"] and report.refused and not report.passed
