"""Pictures in and out: what comes in is shown right or refused in one line; what goes out is whole, with its recipe."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from packshot.bombs import MOST_PARTS, MOST_SCANS
from packshot.errors import InputError, OutputError
from packshot.images import (
    MAX_PIXELS,
    contact_sheet,
    encode_webp,
    open_layers,
    open_picture,
    packaged_font,
    read_recipe,
    save_picture,
    write_atomically,
)

RECIPE = {"prompt": "复古风格红色运动鞋", "seed": 7, "size": 256, "pack": {"name": "flow", "sha256": "ab"}}


def picture(height: int = 40, width: int = 30, channels: int = 3, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, channels), dtype=np.uint8)
    return coarse.repeat(10, 0).repeat(10, 1)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_bytes(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    """A PNG of any depth and colour type (PNG specification, section 11.2.2), which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises many pixels and holds none."""
    return png_bytes(width, height, 8, 2, b"\0")


def profile(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", connection: bytes = b"XYZ ") -> bytes:
    """An ICC profile of version 2 (ICC.1:2001-04, section 6), called "test"."""
    named = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(79)
    tags = {b"desc": named, b"cprt": b"text" + bytes(4) + b"none\0", **tags}
    table, data, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", offset + len(data), len(content))
        data += content
    size = 128 + len(table) + len(data)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, kind, space, connection) + bytes(12) + b"acsp"
    head += bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + data


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def matrix_profile(columns: tuple[tuple[float, ...], ...], gamma: float) -> bytes:
    """A profile of an RGB space by its primaries as XYZ under D50 and one gamma."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249)}
    for letter, column in zip((b"r", b"g", b"b"), columns, strict=True):
        tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*column)
        tags[letter + b"TRC"] = curve
    return profile(b"RGB ", tags)


def ink_profile() -> bytes:
    """A CMYK profile whose inks are darker than Pillow's: a table of two points each, to CIELAB in eight bits."""
    straight = bytes(range(256))
    grid = bytearray()
    for c, m, y, k in np.ndindex(2, 2, 2, 2):
        light = max(0, 255 - 100 * (c + m + y) - 255 * k)
        grid += bytes([light, 128, 128])
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += straight * 4 + bytes(grid) + straight * 3
    return profile(b"CMYK", {b"A2B0": table}, b"prtr", b"Lab ")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".PNG"])
def test_saved_pictures_carry_their_recipe_and_equal_calls_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    save_picture(picture(), first, recipe=RECIPE)
    save_picture(picture(), second, recipe=dict(reversed(RECIPE.items())))
    assert read_recipe(first) == RECIPE
    assert first.read_bytes() == second.read_bytes()
    difference = np.abs(open_picture(first, where="a").astype(int) - picture().astype(int))
    assert difference.max() == 0 if suffix.lower() == ".png" else difference.mean() < 8


def test_a_picture_without_recipe_has_none(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".webp"):
        save_picture(picture(), tmp_path / f"a{suffix}")
        assert read_recipe(tmp_path / f"a{suffix}") is None


def test_another_programs_comment_is_no_recipe(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + '{"steps": 20}'.encode("utf-16-be")
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(Image.fromarray(picture()), "JPEG", exif=exif.tobytes()))
    assert read_recipe(path) is None


def test_a_recipe_survives_a_change_of_byte_order(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + '{"packshot":{"seed":1}}'.encode("utf-16-le")
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(Image.fromarray(picture()), "JPEG", exif=exif.tobytes()))
    assert read_recipe(path) == {"seed": 1}


def test_transparency_is_kept_in_png_and_webp_and_refused_in_jpeg(tmp_path: Path) -> None:
    clear = picture(channels=4)
    clear[..., 3] = 0
    for suffix in (".png", ".webp"):
        save_picture(clear, tmp_path / f"a{suffix}")
        assert (open_picture(tmp_path / f"a{suffix}", where="a", background=(1, 2, 3)) == (1, 2, 3)).all()
    with pytest.raises(OutputError, match=r"\.png or \.webp"):
        save_picture(clear, tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()


def test_a_suffix_we_cannot_write_names_those_we_can(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png, \.jpg, \.jpeg, \.webp"):
        save_picture(picture(), tmp_path / "a.tiff")


def test_nothing_half_written_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        save_picture(picture(), path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"old"


def test_a_missing_folder_and_a_folder_in_the_way_are_output_errors(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    for path in (tmp_path / "none" / "a.png", tmp_path / "a.png"):
        with pytest.raises(OutputError):
            write_atomically(path, b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_a_recipe_too_long_for_jpeg_is_refused_and_fits_elsewhere(tmp_path: Path) -> None:
    long = {"prompt": "鞋" * 40_000}
    with pytest.raises(OutputError, match="recipe"):
        save_picture(picture(), tmp_path / "a.jpg", recipe=long)
    save_picture(picture(), tmp_path / "a.webp", recipe=long)
    assert read_recipe(tmp_path / "a.webp") == long


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    for side in (8_000, 60_000):
        start = time.perf_counter()
        with pytest.raises(InputError, match=r"pixels|bomb"):
            open_picture(png_header(side, side), where="a")
        assert time.perf_counter() - start < 1.0
    assert MAX_PIXELS < 8_000 * 8_000


def scans(count: int) -> bytes:
    """A progressive JPEG that goes over the same pixels again and again."""
    data = encoded(Image.new("RGB", (64, 64), "red"), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def segments(count: int) -> bytes:
    """A JPEG with so many empty comments."""
    data = encoded(Image.new("RGB", (64, 64), "red"), "JPEG")
    return data[:2] + b"\xff\xfe\0\2" * count + data[2:]


def chunks(count: int) -> bytes:
    """A PNG with so many empty texts."""
    data = encoded(Image.new("RGB", (64, 64), "red"), "PNG")
    text = struct.pack(">I", 2) + b"tEXta\0" + struct.pack(">I", zlib.crc32(b"tEXta\0"))
    return data[:33] + text * count + data[33:]


@pytest.mark.parametrize(
    ("few", "many", "said"),
    [
        (scans(20), scans(MOST_SCANS), "scans"),
        (segments(2_000), segments(MOST_PARTS), "segments"),
        (chunks(2_000), chunks(MOST_PARTS), "chunks"),
    ],
    ids=["scans", "segments", "chunks"],
)
def test_what_costs_more_than_it_weighs_is_refused_before_it_is_decoded(few: bytes, many: bytes, said: str) -> None:
    assert open_picture(few, where="few").shape == (64, 64, 3)
    with pytest.raises(InputError, match=f"many: got a .* with more than .* {said}; accepted: at most"):
        open_picture(many, where="many")


def test_what_comes_after_a_picture_is_not_counted() -> None:
    """Telephones put a film there, in which any bytes stand."""
    assert open_picture(segments(0) + b"\0\2" + b"\xff\xda\0\2" * 1_000, where="film").shape == (64, 64, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_truncated_and_garbled_pictures_are_one_clear_line(form: str) -> None:
    whole = encoded(Image.fromarray(picture(200, 200)), form)
    dice = np.random.default_rng(0)
    for _ in range(30):
        garbled = bytearray(whole)
        for position in dice.integers(8, len(whole), 5):
            garbled[position] = int(dice.integers(256))
        for data in (whole[: int(dice.integers(0, len(whole) * 9 // 10))], bytes(garbled)):
            try:
                assert open_picture(data, where="a").shape[2] == 3
            except InputError as error:
                assert "\n" not in str(error) and str(error).startswith("a: got ")
    with pytest.raises(InputError, match="accepted"):
        open_picture(whole[: len(whole) // 2], where="a")


def test_what_is_no_picture_is_one_clear_line(tmp_path: Path) -> None:
    for source in (
        b"",
        b"hello",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        tmp_path,
        tmp_path / "missing.png",
    ):
        with pytest.raises(InputError, match="accepted: a PNG"):
            open_picture(source, where="here")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = picture(20, 30)
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(Image.fromarray(np.ascontiguousarray(turned)), "PNG", exif=exif.tobytes())
    assert (open_picture(stored, where="a") == upright).all()


def test_embedded_profiles_are_converted_and_srgb_is_left_alone() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(picture())
    assert (open_picture(encoded(image, "PNG", icc_profile=srgb), where="a") == picture()).all()
    assert (open_picture(encoded(image, "PNG", icc_profile=b"no profile"), where="a") == picture()).all()
    xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()  # of another colour model: disregarded
    assert (open_picture(encoded(image, "PNG", icc_profile=xyz), where="a") == picture()).all()
    swapped = bytearray(srgb)  # a profile whose red and blue are exchanged turns red into blue
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    name = swapped.find("sRGB".encode("utf-16-be"))
    swapped[name : name + 8] = "test".encode("utf-16-be")
    red_square = Image.new("RGB", (4, 4), (255, 0, 0))
    converted = open_picture(encoded(red_square, "PNG", icc_profile=bytes(swapped)), where="a")
    assert converted[0, 0, 2] > 200 and converted[0, 0, 0] < 60


def test_other_modes_come_out_as_srgb() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    for image in (deep, Image.fromarray(grey)):
        assert (open_picture(encoded(image, "PNG"), where="a") == grey[..., None]).all()
    cmyk = open_picture(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), where="a")
    assert cmyk[0, 0, 0] > 200 and cmyk[0, 0, 1:].max() < 60
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30])
    assert (open_picture(encoded(palette, "GIF"), where="a") == (10, 20, 30)).all()
    clear = encoded(palette, "PNG", transparency=b"\0")
    assert (open_picture(clear, where="a", background=(9, 8, 7)) == (9, 8, 7)).all()
    with pytest.raises(InputError, match="a: got 32 bits"):
        open_picture(encoded(Image.new("F", (4, 4)), "TIFF"), where="a")


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    for form in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert open_picture(io.BytesIO(data), where="a")[0, 0].tolist() == pytest.approx([255, 0, 0], abs=5)


def test_lossless_webp_is_lossless() -> None:
    assert (open_picture(encode_webp(picture()), where="a") == picture()).all()


def test_contact_sheet_holds_every_picture_where_it_belongs() -> None:
    pictures = [np.full((20, 30, 3), shade, np.uint8) for shade in (10, 60, 110, 160, 210)]
    sheet = contact_sheet(pictures, columns=3, gap_px=4)
    assert sheet.shape == (2 * 24 + 4, 3 * 34 + 4, 3)
    for index, shade in enumerate((10, 60, 110, 160, 210)):
        top, left = 4 + index // 3 * 24, 4 + index % 3 * 34
        assert (sheet[top : top + 20, left : left + 30] == shade).all()
    labelled = contact_sheet(pictures, columns=3, labels=["a label that is far too long", "鞋", "", "é", "x"])
    assert labelled.shape[0] > sheet.shape[0] and labelled.shape[1] == sheet.shape[1]
    assert labelled[24:40, 4:34].min() < 100  # something is written
    with pytest.raises(ValueError, match="labels"):
        contact_sheet(pictures, columns=3, labels=["one"])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_pixels_of_a_plain_file_are_its_decoders(form: str) -> None:
    data = encoded(Image.fromarray(picture()), form)
    layers = open_layers(data, where="a")
    assert layers.alpha is None and layers.notes == ()
    assert layers.rgb.tobytes() == Image.open(io.BytesIO(data)).convert("RGB").tobytes()
    assert (open_picture(data, where="a") == layers.rgb).all()


def test_alpha_is_kept_beside_the_colours_under_it() -> None:
    clear = picture(channels=4)
    for form, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        layers = open_layers(encoded(Image.fromarray(clear), form, **options), where="a")
        assert (layers.rgb == clear[..., :3]).all() and (layers.alpha == clear[..., 3]).all()
    opaque = clear.copy()
    opaque[..., 3] = 255
    assert open_layers(encoded(Image.fromarray(opaque), "PNG"), where="a").alpha is None
    palette = Image.new("P", (4, 2), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 0)
    for form in ("PNG", "GIF"):
        layers = open_layers(encoded(palette, form, transparency=0), where="a")
        assert layers.alpha is not None and layers.alpha[0].tolist() == [0, 255, 255, 255]
        assert layers.rgb[0, 1].tolist() == [40, 50, 60]
    grey = Image.merge("LA", [Image.new("L", (4, 4), 77), Image.new("L", (4, 4), 9)])
    layers = open_layers(encoded(grey, "PNG"), where="a")
    assert (layers.rgb == 77).all() and (layers.alpha == 9).all()


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_of_every_kind_become_their_upper_eight(colour: int, channels: int) -> None:
    values = (np.arange(64 * channels).reshape(8, 8 * channels) * 219).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    layers = open_layers(png_bytes(8, 8, 16, colour, rows), where="a")
    exact = values.reshape(8, 8, channels).astype(float) / 257
    assert abs(layers.rgb[..., 0] - exact[..., 0]).max() < 1
    assert (layers.alpha is not None) == (channels in (2, 4))
    assert layers.notes == ("16 bits a channel reduced to 8",)


P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))


@pytest.mark.parametrize("primaries", [P3, ADOBE])
@pytest.mark.parametrize("alpha", [None, 100])
def test_wide_gamuts_are_converted_by_their_primaries(primaries: tuple, alpha: int | None) -> None:
    colour = (180, 120, 90)
    image = Image.new("RGB", (8, 8), colour) if alpha is None else Image.new("RGBA", (8, 8), (*colour, alpha))
    layers = open_layers(encoded(image, "PNG", icc_profile=matrix_profile(primaries, 2.2)), where="a")
    linear = np.linalg.inv(np.array(SRGB).T) @ np.array(primaries).T @ (np.array(colour) / 255) ** 2.2
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert abs(layers.rgb[0, 0] - expected).max() < 2 < abs(layers.rgb[0, 0] - np.array(colour)).max()
    assert layers.notes == ("colours converted from the embedded profile to sRGB",)
    assert alpha is None if layers.alpha is None else (layers.alpha == alpha).all()


def test_inks_are_converted_by_their_profile_where_there_is_one() -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for form in ("JPEG", "TIFF"):
        plain = open_layers(encoded(cyan, form), where="a")
        assert plain.notes == ("CMYK converted to sRGB",)
        assert plain.rgb[0, 0, 0] < 60 < 200 < plain.rgb[0, 0, 1:].min()
        inks = open_layers(encoded(cyan, form, icc_profile=ink_profile()), where="a")
        assert len(inks.notes) == 2 and np.ptp(inks.rgb[0, 0]) < 6  # our ink is a grey
        assert 120 < inks.rgb[0, 0].mean() < 170


def test_what_was_done_on_the_way_is_said() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    for form in ("GIF", "WEBP", "PNG"):
        moving = open_layers(encoded(frames[0], form, save_all=True, append_images=frames[1:]), where="a")
        assert moving.notes == ("the first of 2 frames",)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = open_layers(encoded(frames[0], "JPEG", exif=exif.tobytes()), where="a")
    assert turned.notes == ("turned as its Exif says",)


def test_a_single_pixel_and_a_name_that_lies_are_pictures(tmp_path: Path) -> None:
    dot = Image.new("RGBA", (1, 1), (1, 2, 3, 4))
    layers = open_layers(encoded(dot, "PNG"), where="a")
    assert layers.rgb.tolist() == [[[1, 2, 3]]] and layers.alpha is not None and layers.alpha.tolist() == [[4]]
    (tmp_path / "a.jpg").write_bytes(encoded(dot, "PNG"))
    assert open_layers(tmp_path / "a.jpg", where="a").alpha is not None
    (tmp_path / "b.jpg").write_text("no picture")
    with pytest.raises(InputError, match="no picture of a known kind"):
        open_layers(tmp_path / "b.jpg", where="b")


def test_cielab_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="a picture in CIELAB; accepted: grey, RGB or CMYK"):
        open_layers(encoded(Image.new("LAB", (4, 4)), "TIFF"), where="a")


def test_chinese_labels_are_drawn_with_the_packaged_font() -> None:
    if packaged_font() is None:
        pytest.skip("needs the extra edit: pip install 'packshot[edit]'")
    tile = np.full((30, 60, 3), 200, np.uint8)
    red, blue = (contact_sheet([tile], columns=1, labels=[word]) for word in ("红色", "蓝色"))
    assert not np.array_equal(red, blue)  # without a font both are question marks
