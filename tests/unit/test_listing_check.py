"""A good picture passes; each fault fails the rule that is about it, and no other; repairs pass two checkers."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageFont, ImageOps

cv2 = pytest.importorskip("cv2")

from packshot.cli import app  # noqa: E402
from packshot.editing import certificate as proofs  # noqa: E402
from packshot.editing.scene import Scene  # noqa: E402
from packshot.images import encode_picture, packaged_font  # noqa: E402
from packshot.listing import canvas, measures  # noqa: E402
from packshot.listing.channels import load_channels  # noqa: E402
from packshot.listing.encoding import NotEncodedError, encode  # noqa: E402
from packshot.listing.measures import Look  # noqa: E402
from packshot.listing.repair import certificate, repair  # noqa: E402
from packshot.listing.rules import failed  # noqa: E402
from packshot.listing.rules import judge as check  # noqa: E402

SIDE = 1000
CHANNELS = load_channels()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><a>'
    b"http://cv.iptc.org/newscodes/digitalsourcetype/%s</a></rdf:RDF></x:xmpmeta>"
)


def product(side: int = SIDE, share: float = 0.9, ground: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    return _drawn(side, share, ground).copy()


@cache
def _drawn(side: int, share: float, ground: tuple[int, int, int]) -> Image.Image:
    """A bag with a handle and seams, drawn twice as large and reduced, so that its outline is soft."""
    big = Image.new("RGB", (2 * side, 2 * side), ground)
    draw = ImageDraw.Draw(big)
    half, middle = share * side, side
    box = [middle - 0.8 * half, middle - 0.3 * half, middle + 0.8 * half, middle + half]
    handle = [middle - 0.4 * half, middle - half, middle + 0.4 * half, middle + 0.2 * half]
    draw.ellipse(handle, outline=(120, 60, 20), width=round(0.08 * half))
    draw.rectangle(box, fill=(150, 80, 30))
    for k in range(1, 5):
        y = box[1] + k * (box[3] - box[1]) / 5
        draw.line([box[0], y, box[2], y], fill=(70, 30, 10), width=round(0.012 * side))
    return big.resize((side, side), Image.Resampling.BOX)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 92, "subsampling": 0, **options})
    return buffer.getvalue()


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def written(
    image: Image.Image, text: str, at: tuple[int, int], fill: tuple[int, int, int], size: int = 60
) -> Image.Image:
    font = packaged_font()
    face = ImageFont.truetype(str(font), size) if font else ImageFont.load_default(size)
    ImageDraw.Draw(image).text(at, text, fill=fill, font=face)
    return image


def two_items() -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    image.paste(product(500, 0.95), (0, 250))
    image.paste(product(250, 0.95), (600, 400))
    return image


def transparent() -> Image.Image:
    image = product().convert("RGBA")
    mask = Image.fromarray((np.array(product()).min(-1) < 250).astype(np.uint8) * 255)
    image.putalpha(mask)
    return image


def _brown(rgb: np.ndarray) -> np.ndarray:
    seen = rgb.astype(int)
    return (seen[..., 0] - seen[..., 2]) > 30


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut-out that knows what is brown, in place of the network."""

    def cutout(scene: Scene) -> Scene:
        if scene.alpha is not None:
            return scene
        return replace(scene, alpha=_brown(scene.product).astype(np.uint8) * 255)

    monkeypatch.setattr(measures, "network_coverage", lambda photo, pack, **how: _brown(photo).astype(np.float32))
    monkeypatch.setattr(canvas, "cutout", cutout)


def failing(data: bytes, channel: str = "amazon-main") -> set[str]:
    return {verdict.rule for verdict in failed(check(Look(data, "p"), CHANNELS[channel]))}


def independent(data: bytes, *, form: str, least: int, share: float | None, kb: tuple[float, float]) -> None:
    """A second checker, written apart from the first, with Pillow and NumPy only."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == form and image.mode == "RGB" and getattr(image, "n_frames", 1) == 1
        assert image.getexif().get(274, 1) == 1
        pixels = np.array(image)
    assert max(pixels.shape[:2]) >= least
    assert kb[0] * 1024 <= len(data) <= kb[1] * 1024
    if share is None:
        return
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 255).all()
    inked = (pixels < 245).any(axis=2)
    rows, columns = np.where(inked.any(1))[0], np.where(inked.any(0))[0]
    extent = max((rows[-1] - rows[0] + 1) / len(pixels), (columns[-1] - columns[0] + 1) / pixels.shape[1])
    assert share <= extent < 1
    near = (
        np.add.reduceat(np.add.reduceat(inked, np.arange(0, len(inked), 8), 0), np.arange(0, inked.shape[1], 8), 1) > 0
    )
    for _ in range(3):  # blocks of eight pixels around the product are not looked at
        padded = np.pad(near, 1)
        near = padded[2:, 1:-1] | padded[:-2, 1:-1] | padded[1:-1, 2:] | padded[1:-1, :-2] | near
    far = ~near.repeat(8, 0).repeat(8, 1)[: len(inked), : inked.shape[1]]
    assert far.any() and (pixels[far] == 255).all()


def test_a_good_picture_passes_every_rule() -> None:
    verdicts = check(Look(jpeg(product()), "p"), CHANNELS["amazon-main"])
    assert {verdict.status for verdict in verdicts} == {"pass"}, [verdict.line() for verdict in verdicts]


FAULTS = {
    "white": lambda: jpeg(product(ground=(250, 250, 250))),
    "share": lambda: jpeg(product(share=0.7)),
    "size": lambda: jpeg(product(600)),
    "text": lambda: jpeg(written(product(share=0.86), "限时特价 SALE", (20, 4), (200, 20, 20))),
    "watermark": lambda: jpeg(written(product(share=0.86), "shop 旗舰店", (600, 2), (230, 230, 230), 56)),
    "border": lambda: jpeg(ImageOps.expand(product(980), 10, (20, 20, 20))),
    "items": lambda: jpeg(two_items()),
    "blur": lambda: jpeg(product(share=0.87).filter(ImageFilter.GaussianBlur(8))),
    "colour": lambda: jpeg(product().convert("CMYK")),
    "transparency": lambda: saved(transparent(), "PNG"),
    "format": lambda: saved(product(), "WEBP", lossless=True),
    "animation": lambda: saved(product(), "GIF", save_all=True, append_images=[product(share=0.88)], duration=90),
    "generated": lambda: encode_picture(np.array(product()), Path("p.jpg"), recipe={"made_by": "generative model"}),
    "margin": lambda: jpeg(product().crop((50, 0, 950, 900)).resize((SIDE, SIDE))),
}
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
}


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


@pytest.mark.parametrize("fault", REPAIRABLE)
def test_what_is_repaired_passes_both_checkers(fault: str) -> None:
    look = Look(REPAIRABLE[fault](), "photo.jpg")
    assert failed(check(look, CHANNELS["amazon-main"])) or fault == "large"
    made = repair(look, CHANNELS["amazon-main"])
    assert made.data is not None, made.refused
    assert not failed(check(Look(made.data, "again"), CHANNELS["amazon-main"]))
    independent(made.data, form="JPEG", least=1000, share=0.85, kb=(0, 10_240))


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
    independent(made.data, form="JPEG", least=800, share=0.8, kb=(38, 300))
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
    assert made.data is None and any(said in reason.en for reason in made.refused), made.refused
    assert all(reason.zh for reason in made.refused)


def test_nothing_is_enlarged_more_than_twice() -> None:
    made = repair(Look(jpeg(product(400)), "p.jpg"), CHANNELS["amazon-main"])
    assert made.data is None and "enlarged 2.4" in made.refused[0].en


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
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("AIGC", '{"Label":"1"}')
    made = repair(Look(saved(product(share=0.7), "PNG", pnginfo=info), "p.png"), CHANNELS["amazon-main"])
    assert made.data is None and "never stripped" in made.refused[0].en


def test_a_picture_with_its_background_is_continued_or_cropped_around_the_product() -> None:
    wide = Image.new("RGB", (1200, 900), (200, 210, 220))
    wide.paste(product(600, 0.8, (200, 210, 220)), (60, 150))
    made = repair(Look(jpeg(wide), "p.jpg"), CHANNELS["taobao-main"])
    assert (
        made.data is not None and "continued" in made.done[0].en and Look(made.data, "p").rgb.shape[:2] == (1200, 1200)
    )
    busy = np.array(wide)
    rng = np.random.default_rng(1)
    busy = np.where((busy[..., :1] < busy[..., 2:]), rng.integers(60, 190, (900, 1200, 1)), busy).astype(np.uint8)
    made = repair(Look(jpeg(Image.fromarray(busy)), "p.jpg"), CHANNELS["taobao-main"])
    assert made.data is not None and "cropped" in made.done[0].en and Look(made.data, "p").rgb.shape[:2] == (900, 900)
    independent(made.data, form="JPEG", least=800, share=None, kb=(0, 3072))


def run(arguments: list[object]) -> tuple[int, str]:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return (2 if result.exception and not isinstance(result.exception, SystemExit) else result.exit_code), result.output


def test_the_command_checks_folders_and_repairs(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    (folder / "good.jpg").write_bytes(jpeg(product()))
    (folder / "sub" / "small.jpg").write_bytes(jpeg(product(share=0.7)))
    before = (folder / "sub" / "small.jpg").read_bytes()
    assert run(["check", folder / "good.jpg", "--channel", "amazon-main"])[0] == 0
    code, text = run(["check", folder, "--channel", "amazon-main", "--json"])
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 1 and [row["good"] for row in rows] == [True, False]
    assert {v["rule"] for v in rows[1]["verdicts"] if v["status"] == "fail"} == {"share"}
    code, text = run(["check", folder, "--channel", "amazon-main", "--fix", "--out", out])
    assert code == 0 and (out / "good.jpg").read_bytes() == (folder / "good.jpg").read_bytes()
    independent((out / "sub" / "small.jpg").read_bytes(), form="JPEG", least=1000, share=0.85, kb=(0, 10_240))
    assert (out / "sub" / "small.jpg.certificate.json").exists()
    assert (folder / "sub" / "small.jpg").read_bytes() == before and not list(out.rglob("*.tmp"))


def test_the_command_speaks_chinese(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(product(share=0.7)))
    code, text = run(["check", tmp_path / "a.jpg", "--channel", "amazon-main", "--language", "zh"])
    assert code == 1 and "不合格 主体占比：最长边占 70" in text


@pytest.mark.parametrize(
    "arguments",
    [["--channel", "amazon"], [], ["--channel", "ebay", "--fix"], ["--channel", "ebay", "--language", "fr"]],
)
def test_mistakes_of_the_user(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(product(200)))
    assert run(["check", tmp_path / "a.jpg", *arguments])[0] == 2


def test_never_over_the_original(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(product(200)))
    assert run(["check", tmp_path / "a.jpg", "--channel", "ebay", "--fix", "--out", tmp_path])[0] == 2


def test_a_damaged_picture_among_others_does_not_stop_them(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "b.jpg").write_bytes(jpeg(product()))
    code, text = run(["check", tmp_path, "--channel", "amazon-main", "--json"])
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 1 and "error" in rows[0] and rows[1]["good"]
    assert run(["check", tmp_path / "a.jpg", "--channel", "amazon-main"])[0] == 2
