"""Reading a colour that a user gives to an editing step: a hex code, a word, a trade name, or another photo."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from packshot.colour import main_colours, oklab_from_srgb
from packshot.errors import RequestError
from packshot.framing import find_product
from packshot.images import open_picture, reduced
from packshot.lexicon import lexicon, oklab_from_hex
from packshot.lexicon.colours import colour_of_name, colours_said
from packshot.lexicon.matching import Span, segment
from packshot.lexicon.tokens import normalise

Lab = NDArray[np.float32]

TRADE_NAMES: dict[str, str] = {
    "almond": "#d8c0a3",
    "amaranth": "#8d2f4c",
    "apricot crush": "#f4a57a",
    "arctic blue": "#b9d7e2",
    "aubergine": "#43263c",
    "barely blue": "#dde3ea",
    "black cherry": "#4a1b26",
    "blush": "#e8c1b8",
    "blush pink": "#f0c4c6",
    "bone": "#e5dccb",
    "burnt orange": "#c0561f",
    "butter": "#f4e3a1",
    "butter yellow": "#f7e39a",
    "camel": "#b98a58",
    "cardinal red": "#a5202f",
    "celadon": "#b0cfb6",
    "cerulean": "#8fb3d4",
    "chalk": "#efece4",
    "chambray": "#7690b2",
    "chili pepper": "#9c1c30",
    "chilli red": "#9c1c30",
    "cinnamon": "#a5623f",
    "classic blue": "#104a80",
    "cloud": "#eef0f0",
    "cloud dancer": "#f0efea",
    "cranberry": "#a32a41",
    "dusty rose": "#c08c8b",
    "ecru": "#e9dfc6",
    "eggplant": "#43263c",
    "fern": "#5f8a4b",
    "flamingo": "#f28d8f",
    "forest": "#24472f",
    "french blue": "#3d6ba6",
    "garnet": "#75212f",
    "ginger": "#b3652d",
    "greenery": "#86b04b",
    "honeysuckle": "#d65175",
    "ice blue": "#cfe3ea",
    "illuminating": "#f4de4f",
    "iris": "#5d5a9e",
    "jungle green": "#2c5a45",
    "lapis": "#26559c",
    "latte": "#b8977a",
    "lemon": "#f5e04b",
    "linen white": "#efe6d6",
    "living coral": "#fb6f62",
    "marigold": "#f2a62b",
    "marsala": "#934f4c",
    "melon": "#f9a58c",
    "merlot": "#6a2433",
    "midnight": "#1b2338",
    "midnight blue": "#1b2338",
    "millennial pink": "#f0c9c8",
    "mimosa": "#f0c05a",
    "mocha mousse": "#a4785f",
    "moss": "#6d7446",
    "mulberry": "#76344f",
    "oatmeal": "#d3c5ac",
    "ocean": "#22607f",
    "orchid bloom": "#c59cc3",
    "paprika": "#b6412c",
    "peach fuzz": "#fcbf98",
    "pebble": "#b4aa9c",
    "periwinkle": "#8a8fcf",
    "petrol": "#14505c",
    "pine": "#2d4d42",
    "poppy": "#d93a34",
    "port": "#5b2433",
    "radiant orchid": "#ad5e99",
    "raspberry": "#b12b55",
    "rose quartz": "#f5cac8",
    "rosewood": "#8c4444",
    "ruby": "#9b1b3f",
    "saffron": "#f0a830",
    "sand dollar": "#decdbe",
    "sangria": "#84283b",
    "seafoam": "#a8d5c3",
    "serenity": "#91a7d0",
    "sienna": "#9d552f",
    "slate": "#5f6b77",
    "stone": "#bdb3a3",
    "storm": "#4b5560",
    "sunflower": "#f3b92e",
    "tangerine tango": "#dd4327",
    "toffee": "#8f5c38",
    "tomato red": "#cf3b2c",
    "true navy": "#23304f",
    "ultimate grey": "#949699",
    "ultimate gray": "#949699",
    "ultra violet": "#5e4b8a",
    "vanilla": "#f1e5c4",
    "very peri": "#6768ab",
    "viva magenta": "#bb2a4f",
    "wheat": "#dfc59c",
    "经典蓝": "#104a80",
    "莫兰迪蓝": "#8496a6",
    "莫兰迪粉": "#c9a9a6",
    "莫兰迪绿": "#9aa893",
    "克莱因蓝": "#0a2fa0",
    "长春花蓝": "#6768ab",
    "脏橘": "#b85f3d",
    "豆沙": "#b5736c",
    "奶茶": "#c7a98b",
    "雾霾蓝": "#7f95a8",
    "牛油果绿": "#a8b86c",
    "焦糖": "#a4622f",
    "燕麦": "#d3c5ac",
}
"""Names that designers and sellers use, with values of our own: near what is meant, and no standard's."""

ACCEPTED = "a colour as #rrggbb, its name (navy, 酒红色, light grey, classic blue), or photo:PATH"
"""What `read_colour` takes, as a phrase."""

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_PHOTO = "photo:"
_PHOTO_PX = 400
_NEAR = 0.1
"""Pixels of another photo so near to its main colour, in OKLab, are averaged to it."""


def read_colour(text: str, where: str, *, photos: bool = True) -> Lab:
    """(3,) OKLab of a colour that a user gave.

    Args:
        text: see `ACCEPTED`. Our lexicon's words come before trade names, those before CSS Color Module Level 4,
            section 6.1.
        where: the parameter, for errors.
        photos: whether `photo:PATH` is accepted.

    Raises:
        RequestError: no such colour, or several.
        InputError: the photo cannot be read.
    """
    said = text.strip()
    path = photo_path(said) if photos else None
    if path is not None:
        return photo_colour(path, where)
    found = colour_named(said)
    if found is None:
        raise RequestError(where, f"'{said}'", ACCEPTED + _suggestion(said))
    return found


def photo_path(text: str) -> Path | None:
    """The photo that a colour is given by; None for any other text."""
    said = text.strip()
    return Path(said[len(_PHOTO) :].strip()).expanduser() if said.lower().startswith(_PHOTO) else None


def colour_named(text: str) -> Lab | None:
    """(3,) OKLab of a hex code or of a word or phrase that is a colour and nothing else; None for any other text."""
    said = " ".join(text.strip().casefold().replace("-", " ").replace("_", " ").split())
    if _HEX.fullmatch(said):
        return np.array(oklab_from_hex(said), np.float32)
    known = colour_of_name(said)
    if known is not None:
        return np.array(known.oklab, np.float32)
    code = TRADE_NAMES.get(said) or TRADE_NAMES.get(said.removesuffix("色")) or _css(said)
    if code is not None:
        return np.array(oklab_from_hex(code), np.float32)
    return _phrase(said)


def photo_colour(path: Path, where: str) -> Lab:
    """(3,) OKLab main colour of the product in another photo: the median of the pixels near its largest cluster.

    Raises:
        InputError: the photo cannot be read.
    """
    rgb = reduced(open_picture(path, where=where), _PHOTO_PX)
    finding = find_product(rgb)
    lab = oklab_from_srgb(rgb)
    pixels = lab.reshape(-1, 3) if finding is None else lab[finding.mask]
    (main, _share) = main_colours(pixels, 1)[0]
    near = pixels[((pixels - main) ** 2).sum(1) < _NEAR**2]
    return np.asarray(np.median(near if len(near) else pixels, axis=0), np.float32)


def _css(name: str) -> str | None:
    code = ImageColor.colormap.get(name.replace(" ", ""))
    return code if code is None or isinstance(code, str) else "#" + bytes(code[:3]).hex()


def _phrase(said: str) -> Lab | None:
    """'light navy blue' and 浅酒红: one colour with modifiers, and no other word."""
    words = lexicon()
    spans = segment(normalise(said), words)
    if not all(_is_colour(span) for span in spans):
        return None
    colours, _ignored = colours_said(spans, (), words)
    return np.array(colours[0].oklab, np.float32) if len(colours) == 1 else None


def _is_colour(span: Span) -> bool:
    return span.kind == "hex" or span.key("colour") is not None or span.key("modifier") is not None


def _suggestion(said: str) -> str:
    words = {word for entry in lexicon().colours.values() if entry.oklab for word in (*entry.en, *entry.zh)}
    near = difflib.get_close_matches(said.casefold(), sorted(words | set(TRADE_NAMES) | set(ImageColor.colormap)), 1)
    return f"; did you mean '{near[0]}'?" if near else ""
