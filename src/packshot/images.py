"""Pictures in and out: the one place that decodes and encodes files. Knows nothing of products, prompts or models.

Inside packshot a picture is `uint8 (H, W, 3)` in sRGB. `open_picture` makes that of whatever a seller has, or says in
one line why it can't; `save_picture` writes it whole or not at all, with the recipe inside.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from packshot.bombs import COUNTED, excess
from packshot.errors import InputError, OutputError

MAX_PIXELS = 50_000_000
"""Pictures with more pixels are refused before they are decoded."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""What `save_picture` can write."""

# A closed list: Pillow also opens formats that run other programs (EPS) or that nobody keeps products in.
_READABLE = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_ACCEPTED = "a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF picture"
_RECIPE_KEY = "packshot"
_UNICODE_COMMENT = b"UNICODE\0"  # Exif 3.0, section 4.6.6, UserComment
_APP1_LIMIT = 65_000  # JPEG segments hold 65,533 bytes; the rest is for the Exif header
_LABEL_PX = 11
FONT_PACKAGE = "cvttf-notosanscjk-regular"
"""Distribution of Noto Sans CJK, of the extra `edit`."""
_CJK_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "msyh.ttc",
    "PingFang.ttc",
    "simhei.ttf",
)


def open_picture(
    source: Path | bytes | BinaryIO, *, where: str, background: tuple[int, int, int] = (255, 255, 255)
) -> NDArray[np.uint8]:
    """Decode a picture to sRGB as a viewer would show it.

    The first frame of animations; Exif orientation applied; embedded ICC profiles converted to sRGB (relative
    colorimetric with black point compensation; a profile that is damaged or made for another colour model is
    disregarded, as browsers do); 16-bit greys scaled to 8 bits; alpha composited on `background` in sRGB values.

    Args:
        source: a file, its bytes, or an open binary file.
        where: what to call the picture in error messages.
        background: sRGB bytes behind transparent pixels.

    Returns:
        (H, W, 3) sRGB bytes.

    Raises:
        InputError: missing, no picture, truncated or damaged, more than `MAX_PIXELS`, or more than 16 bits a channel.
    """
    layers = open_layers(source, where=where)
    return layers.rgb if layers.alpha is None else _composited(layers.rgb, layers.alpha, background)


class Layers(NamedTuple):
    """A decoded picture with its transparency.

    Attributes:
        rgb: (H, W, 3) sRGB bytes, also where nothing is seen of them.
        alpha: (H, W), 255 opaque; None where the whole picture is.
        notes: what was done to the file's pixels on the way, as phrases; none for a plain 8-bit sRGB picture.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    notes: tuple[str, ...]

    @property
    def stacked(self) -> NDArray[np.uint8]:
        """(H, W, 3), or (H, W, 4) where there is transparency."""
        return self.rgb if self.alpha is None else np.dstack([self.rgb, self.alpha])


def open_layers(source: Path | bytes | BinaryIO, *, where: str) -> Layers:
    """Decode a picture to sRGB as `open_picture` does, but keep its transparency; arguments and errors are the same.

    The pixels of a plain 8-bit sRGB file are those that its decoder gives, byte for byte. Colours of 16 bits are
    reduced to their upper 8.
    """
    with opened(source, where) as image:
        profile, notes = image.info.get("icc_profile"), _notes(image)
        try:
            ImageOps.exif_transpose(image, in_place=True)
            plain, alpha = _plain_and_alpha(image, where)
            converted = _converted(plain, profile) if profile else plain
            if converted is not plain:
                notes.append("colours converted from the embedded profile to sRGB")
            rgb = np.array(converted if converted.mode == "RGB" else converted.convert("RGB"))
        except InputError:
            raise
        except Exception as error:  # decoders of damaged files raise whatever they stumble over
            raise InputError(where, f"a damaged picture ({_first_line(error)})", f"{_ACCEPTED}, complete") from None
    opaque = alpha is None or int(alpha.min()) == 255
    return Layers(rgb, None if opaque else alpha, tuple(notes))


def picture_size(source: Path | bytes | BinaryIO, *, where: str) -> tuple[int, int]:
    """Width and height as stored, after decoding to the end as cheaply as the format allows (JPEG at an eighth).

    Raises:
        InputError: as `open_picture`.
    """
    with opened(source, where) as image:
        width, height = image.size
        try:
            image.draft("RGB", (max(1, width // 8), max(1, height // 8)))
            image.load()
        except Exception as error:  # as in open_layers
            raise InputError(where, f"a damaged picture ({_first_line(error)})", f"{_ACCEPTED}, complete") from None
        return width, height


def _notes(image: Image.Image) -> list[str]:
    """What the header says that the pixels will not be taken as they are; damaged headers say nothing."""
    notes = ["16 bits a channel reduced to 8"] if _is_deep(image) else []
    with contextlib.suppress(Exception):
        if (frames := getattr(image, "n_frames", 1)) > 1:
            notes.append(f"the first of {frames} frames")
    with contextlib.suppress(Exception):
        if image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1):
            notes.append("turned as its Exif says")
    if image.mode == "CMYK":
        notes.append("CMYK converted to sRGB")
    return notes


def _is_deep(image: Image.Image) -> bool:
    """Whether the file, before it is decoded, has 16 bits a channel: Pillow calls the mode RGB then, too."""
    layouts = [tile[3] for tile in getattr(image, "tile", ())]
    raw = [layout[0] if isinstance(layout, tuple) and layout else layout for layout in layouts]
    return image.mode.startswith("I;16") or any(";16" in str(mode) for mode in raw)


def reduced(rgb: NDArray[np.uint8], longest_px: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3) with its longest side at most `longest_px`."""
    height, width = rgb.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS, reducing_gap=3))


def save_picture(
    pixels: NDArray[np.uint8], path: Path, *, recipe: Mapping[str, object] | None = None, quality: int = 92
) -> None:
    """Write a picture whole or not at all, with the recipe inside; the same arguments give the same bytes.

    Args:
        pixels: (H, W, 3) sRGB bytes, or (H, W, 4) with alpha (not for JPEG).
        path: its suffix chooses the format, see `PICTURE_SUFFIXES`; its folder must exist; an older file is replaced.
        recipe: kept as canonical JSON: PNG chunk iTXt `packshot`; JPEG and WebP Exif UserComment.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        OutputError: another suffix, alpha for JPEG, a recipe too long for JPEG, or a place that cannot be written.
    """
    write_atomically(path, encode_picture(pixels, path, recipe=recipe, quality=quality))


def encode_picture(
    pixels: NDArray[np.uint8], path: Path, *, recipe: Mapping[str, object] | None = None, quality: int = 92
) -> bytes:
    """The bytes that `save_picture` would write at `path`; the arguments and errors are the same."""
    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise OutputError(path, f"the suffix {path.suffix!r}", ", ".join(PICTURE_SUFFIXES))
    image = _image_of(pixels)
    buffer = io.BytesIO()
    if suffix == ".png":
        info = PngInfo()
        if recipe is not None:
            info.add_itxt(_RECIPE_KEY, canonical_json(recipe))
        image.save(buffer, "PNG", pnginfo=info, compress_level=4)  # 6 takes twice the time for 2 % of the size
        return buffer.getvalue()
    exif = b"" if recipe is None else _exif_with(recipe)
    if suffix == ".webp":
        image.save(buffer, "WEBP", quality=quality, exif=exif)
        return buffer.getvalue()
    if image.mode == "RGBA":
        raise OutputError(path, "a transparent picture", "a name ending in .png or .webp, or a background colour")
    if len(exif) > _APP1_LIMIT:
        raise OutputError(path, f"a recipe of {len(exif):,} bytes", f"at most {_APP1_LIMIT:,} in JPEG; .png or .webp")
    image.save(buffer, "JPEG", quality=quality, subsampling=0, exif=exif)
    return buffer.getvalue()


def encode_webp(pixels: NDArray[np.uint8], *, quality: int | None = None) -> bytes:
    """A bare WebP of (H, W, 3) or (H, W, 4) sRGB bytes; lossless where `quality` is None."""
    buffer = io.BytesIO()
    if quality is None:
        _image_of(pixels).save(buffer, "WEBP", lossless=True, quality=60, exact=True)
    else:
        _image_of(pixels).save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()


def read_recipe(source: Path | bytes, *, where: str = "") -> dict[str, object] | None:
    """The recipe inside a picture that `save_picture` wrote, or None where there is none.

    Args:
        source: a file, or its bytes.
        where: what to call the picture in error messages; the file's path if left out.

    Raises:
        InputError: the file is no readable picture, or its recipe is damaged.
    """
    path = where or (str(source) if isinstance(source, Path) else "picture")
    with opened(source, path) as image:
        try:
            text = image.info.get(_RECIPE_KEY) if image.format == "PNG" else _user_comment(image)
        except Exception as error:  # as in open_picture
            raise InputError(path, f"damaged metadata ({_first_line(error)})", _ACCEPTED) from None
        is_png = image.format == "PNG"
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not is_png:  # a camera's or another program's comment is not ours
        found = found.get(_RECIPE_KEY) if isinstance(found, dict) else None
        if found is None:
            return None
    if not isinstance(found, dict):
        raise InputError(path, "a recipe that is not a JSON object", "a picture as packshot wrote it")
    return found


def contact_sheet(
    pictures: Sequence[NDArray[np.uint8]], *, columns: int, labels: Sequence[str] = (), gap_px: int = 4
) -> NDArray[np.uint8]:
    """Lay pictures out in rows on light grey, each centred in a cell as large as the largest, labels beneath.

    Labels too long for their cell end in an ellipsis. Chinese ones need the extra `edit` or a Chinese font on the
    machine; where none is found, each character that the built-in font lacks is drawn as `?`.

    Args:
        pictures: at least one, (H, W, 3) or (H, W, 4) sRGB bytes; alpha is shown on white.
        columns: pictures in a row, at least 1.
        labels: none, or one for each picture.
        gap_px: between cells and around them.

    Returns:
        (H, W, 3) sRGB bytes.
    """
    if not pictures or columns < 1 or (labels and len(labels) != len(pictures)):
        raise ValueError("contact_sheet needs pictures, columns >= 1, and no labels or one for each picture")
    columns = min(columns, len(pictures))
    cell_h = max(picture.shape[0] for picture in pictures)
    cell_w = max(picture.shape[1] for picture in pictures)
    step_h, step_w = cell_h + gap_px + (_LABEL_PX + 5 if labels else 0), cell_w + gap_px
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * step_w + gap_px, rows * step_h + gap_px), (232, 232, 232))
    draw, font = ImageDraw.Draw(sheet), _font_for(labels)
    for index, picture in enumerate(pictures):
        left, top = (gap_px + index % columns * step_w, gap_px + index // columns * step_h)
        height, width = picture.shape[:2]
        sheet.paste(Image.fromarray(flattened(picture)), (left + (cell_w - width) // 2, top + (cell_h - height) // 2))
        if labels:
            draw.text((left, top + cell_h + 1), _fitted(labels[index], font, cell_w), fill=(40, 40, 40), font=font)
    return np.array(sheet)


def packaged_font() -> Path | None:
    """The file of Noto Sans CJK where the package `FONT_PACKAGE` is installed, else None."""
    try:
        files = metadata.files(FONT_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in files if file.suffix == ".otf")
    return next((path.resolve() for path in paths if path.is_file()), None)


def flattened(pixels: NDArray[np.uint8], background: tuple[int, int, int] = (255, 255, 255)) -> NDArray[np.uint8]:
    """(H, W, 3) as it is; (H, W, 4) composited on `background` in sRGB values."""
    return pixels if pixels.shape[2] == 3 else _composited(pixels[..., :3], pixels[..., 3], background)


def canonical_json(value: Mapping[str, object]) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text (RFC 8785 but for the writing of numbers)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_file(path: Path) -> bytes:
    """A whole file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or "an error", "a file that can be read") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Write under a temporary name beside `path`, then rename: nobody ever sees half a file.

    Raises:
        OutputError: the folder is missing or cannot be written, or the disk is full. Nothing stays behind.
    """
    temporary = path.parent / f".packshot-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        accepted = "an existing folder that can be written, with room"
        raise OutputError(path, _first_line(error.strerror or error), accepted) from None


@contextlib.contextmanager
def opened(source: Path | bytes | BinaryIO, where: str) -> Iterator[Image.Image]:
    """Read only the header and check the size; Pillow's warnings stay inside.

    Raises:
        InputError: no picture of a kind that packshot reads, or more than `MAX_PIXELS`.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        try:
            if isinstance(source, Path):
                file: BinaryIO = stack.enter_context(open(source, "rb"))
            else:
                file = io.BytesIO(source) if isinstance(source, bytes) else source
            _refuse_bombs(file, where)
            image = stack.enter_context(Image.open(file, formats=_READABLE))
        except Image.DecompressionBombError:
            raise InputError(where, "a decompression bomb", f"at most {MAX_PIXELS:,} pixels") from None
        except UnidentifiedImageError:
            raise InputError(where, "no picture of a known kind", _ACCEPTED) from None
        except OSError as error:
            raise InputError(where, _first_line(error.strerror or error), _ACCEPTED) from None
        except InputError:
            raise
        except Exception as error:  # as in open_picture
            raise InputError(where, f"a damaged picture ({_first_line(error)})", f"{_ACCEPTED}, complete") from None
        width, height = image.size
        if not 0 < width * height <= MAX_PIXELS:
            raise InputError(where, f"{width}×{height} pixels", f"1 to {MAX_PIXELS:,} pixels")
        yield image


def _refuse_bombs(file: BinaryIO, where: str) -> None:
    """Look at how a file is built; its position stays."""
    at, data = file.tell(), file.read(8)
    if data.startswith(COUNTED):
        data += file.read()
    file.seek(at)
    if (odd := excess(data)) is not None:
        raise InputError(where, *odd)


def _plain_and_alpha(image: Image.Image, where: str) -> tuple[Image.Image, NDArray[np.uint8] | None]:
    """The picture as L, RGB or CMYK, in the colours that its profile describes, and its alpha."""
    if image.mode == "LAB":
        raise InputError(where, "a picture in CIELAB", "grey, RGB or CMYK")
    if image.mode == "F" or (image.mode == "I" and cast(int, image.getextrema()[1]) > 65535):
        raise InputError(where, "32 bits a channel", "8 or 16")
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((grey * 255 + 32767) // 65535).astype(np.uint8))
    alpha = None
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha, image = np.array(rgba.getchannel("A")), rgba.convert("RGB")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image, alpha


def _converted(image: Image.Image, data: bytes) -> Image.Image:
    """`image` from its ICC profile to sRGB; as it is where the profile is sRGB itself or does not apply."""
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        if {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(space) != image.mode:
            return image
        if (profile.profile.profile_description or "").startswith("sRGB"):
            return image
        return cast(
            Image.Image,
            ImageCms.profileToProfile(
                image,
                profile,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            ),
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def _composited(
    rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], background: tuple[int, int, int]
) -> NDArray[np.uint8]:
    cover = alpha[..., None].astype(np.uint32)
    mixed = rgb * cover + np.array(background, np.uint32) * (255 - cover)
    return ((mixed + 127) // 255).astype(np.uint8)


def _image_of(pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise ValueError(f"pixels must be uint8 (H, W, 3 or 4), not {pixels.dtype} {pixels.shape}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _exif_with(recipe: Mapping[str, object]) -> bytes:
    exif = Image.Exif()
    comment = _UNICODE_COMMENT + canonical_json({_RECIPE_KEY: recipe}).encode(
        "utf-16-be"
    )  # Pillow writes Exif big-endian
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif.tobytes()


def _user_comment(image: Image.Image) -> str | None:
    comment: Any = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    if not isinstance(comment, bytes) or not comment.startswith(_UNICODE_COMMENT):
        return None
    body = comment[len(_UNICODE_COMMENT) :]
    # Programs that rewrite Exif may change its byte order but not the comment's: go by our text, which begins with "{".
    return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-16-be", errors="replace")


def _font_for(labels: Sequence[str]) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if any(_beyond_built_in(character) for label in labels for character in label):
        found = packaged_font()
        for name in (*([str(found)] if found else []), *_CJK_FONTS):
            with contextlib.suppress(OSError):
                return ImageFont.truetype(name, _LABEL_PX)
    return ImageFont.load_default(_LABEL_PX)


def _fitted(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if not isinstance(font, ImageFont.FreeTypeFont) or "Aileron" in (font.getname()[0] or ""):
        label = "".join("?" if _beyond_built_in(character) else character for character in label)
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(label + "…") > width:
        label = label[:-1]
    return label + "…"


def _beyond_built_in(character: str) -> bool:
    return not (" " <= character <= "~" or character == "…")


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
