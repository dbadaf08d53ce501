"""What lies behind the product: a colour, a gradient, a studio's sweep of paper, a picture, or a described place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from packshot.colour import linear_from_srgb
from packshot.editing.blurring import soft
from packshot.editing.diffusers import Wish, drawn, refuse_without_model
from packshot.editing.noise import Field, coded, to_bytes
from packshot.editing.place_light import light_in, light_of
from packshot.editing.scene import SOLID, Bytes, Light, Made, Scene
from packshot.editing.scene_words import accepted, names_place, understood
from packshot.editing.scenes import Stand, draw
from packshot.errors import RequestError
from packshot.images import PICTURE_SUFFIXES, open_picture
from packshot.lexicon.colours import colour_of_name, hex_of
from packshot.safety import current

_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
_SWEEP_COLOUR = "#f4f2ef"
_NO_PLACES = ("gradient", "sweep", "transparent")
_STRIP = 512
_WRAP = 0.6
"""Most of the backdrop's colour that `match` mixes into a pixel of the outline that the product hardly covers."""
_WRAP_REACH = 0.012
"""Standard deviation, in shares of the picture's longer side, over which the backdrop shines around the outline."""


def background(
    scene: Scene,
    to: str,
    *,
    match: float = 0.0,
    angle: float = 90.0,
    blur: float = 0.0,
    scale: float = 1.0,
    seed: int = 0,
    by: str = "",
    steps: int | None = None,
    guidance: float | None = None,
) -> Scene:
    """Put the product before a colour, gradient, studio sweep, picture or described place.

    Described places are drawn procedurally from the words known (surfaces, walls, light, colours), in Chinese or
    English, and an unknown word is refused; with `by` a diffusion model of the user's makes them from any words. Drawn
    ones show a surface that the product stands on before a wall, or with 'flat lay' or 俯拍 the surface from above;
    a model knows nothing of the product or of where it stands. Solid pixels and the coverage are never changed.
    The light of a described place is known, and that of a picture estimated: shadow and relight take it.

    Args:
        scene: cut out.
        to: `#rrggbb`, `#rgb`, a colour's name, `white`, `transparent`, `gradient:#fff,#ddd`, `sweep`,
            `sweep:#eeeeee`, `picture:PATH` or a picture's path, `text:WORDS` or just words.
        match: 0 to 1, how much of the backdrop's colour shines into the soft outline of the product, and only there.
        angle: of a gradient, in degrees: 90 runs from top to bottom, 0 from left to right.
        blur: of a picture or a model's place, standard deviation in percent of its longer side, 0 to 20.
        scale: 0.1 to 10, of a drawn place's pattern against the product.
        seed: of a drawn place's accidents, or of the noise that a model starts from.
        by: `diffusers:` and the folder of a text-to-image pipeline, which makes the place.
        steps: of that model's sampler; None for as many as it takes by itself.
        guidance: how far that model is pushed towards the words; None for as by itself.

    Raises:
        RequestError: a value that is not accepted, or nothing cut out.
        UnsafeError: words or a picture that the safety lists or the classifier refuse.
        InputError: the picture or the model cannot be read.
        MissingExtraError: a model is named, and diffusers is not installed.
    """
    current().words(place_in_words(to), "background.to")
    alpha = scene.coverage("background")
    for name, value, low, high in (("match", match, 0, 1), ("blur", blur, 0, 20), ("scale", scale, 0.1, 10)):
        if not low <= value <= high:
            raise RequestError(f"background.{name}", f"{value:g}", f"{low:g} to {high:g}")
    made = tuple(part for part in scene.made if part.operation != "background")
    backdrop: Bytes | None
    if by or steps is not None or guidance is not None:
        picture, record = _by_model(scene.size, to, by, seed, steps, guidance)
        backdrop, light = _covering(picture, scene.size, blur), light_in(picture)
        made = (*made, record)
    else:
        backdrop = _backdrop(to.strip(), scene.silhouette("background"), angle, blur, scale, seed)
        light = place_light({"to": to}, scene.size)
    scene = replace(scene, backdrop=backdrop, light=light, made=made)
    if backdrop is None or match == 0:
        return scene
    return replace(scene, product=_wrapped(scene.product, alpha, backdrop, match))


def place_in_words(to: str) -> str:
    """What `to` says of a place; empty where it is a colour, a gradient, paper or a picture."""
    kind, _, rest = to.strip().partition(":")
    words = rest.strip() if kind.lower() == "text" else to.strip()
    named = kind.lower() in _NO_PLACES or flat_colour(words) is not None or _picture(to.strip()) is not None
    return "" if named or words.startswith("#") else words


def place_light(arguments: Mapping[str, Any], size: tuple[int, int]) -> Light | None:
    """The light of what `background` puts there: None for colours, gradients and paper, which go with any.

    Args:
        arguments: of `background`.
        size: (height, width) of the frame, by which a model chooses that of its picture.

    Raises:
        See `background`.
    """
    if arguments.get("by"):
        said = {name: arguments[name] for name in ("to", "by", "seed", "steps", "guidance") if name in arguments}
        return light_in(_by_model(size, **said)[0])
    to = str(arguments["to"]).strip()
    kind, _, rest = to.partition(":")
    if kind.lower() in _NO_PLACES or flat_colour(to) is not None:
        return None
    if (path := _picture(to)) is not None:
        return light_in(open_picture(path, where=str(path)))
    return light_of(understood(rest if kind.lower() == "text" else to, "background.to"))


def _by_model(
    size: tuple[int, int], to: str, by: str, seed: int = 0, steps: int | None = None, guidance: float | None = None
) -> tuple[Bytes, Made]:
    refuse_without_model("background", by, {"steps": steps, "guidance": guidance})
    words = place_in_words(to)
    if not words:
        raise RequestError("background.to", f"'{to}' to be made by a model", "a place in words")
    return drawn(Wish("background", by, words, seed, steps, guidance), size)


def _backdrop(to: str, alpha: Bytes, angle: float, blur: float, scale: float, seed: int) -> Bytes | None:
    kind, _, rest = to.partition(":")
    size = alpha.shape
    if to.lower() == "transparent":
        return None
    if (flat := flat_colour(to)) is not None:
        return np.full((*size, 3), flat, np.uint8)
    if kind.lower() == "gradient":
        return _gradient(rest, size, angle)
    if kind.lower() == "sweep":
        return _sweep(_wanted(rest or _SWEEP_COLOUR, "background.to"), alpha)
    if (path := _picture(to)) is not None:
        picture = open_picture(path, where=str(path))
        current().picture(picture, "background.to")
        return _covering(picture, size, blur)
    words = rest if kind.lower() == "text" else to
    if not words.strip() or words.startswith("#"):
        raise RequestError("background.to", f"'{to}'", accepted())
    return draw(understood(words, "background.to"), size, _stand(alpha), seed=seed, scale=scale)


def _picture(to: str) -> Path | None:
    """The picture's path, if it is one that is named."""
    kind, _, rest = to.partition(":")
    if kind.lower() == "picture":
        return Path(rest)
    if kind.lower() == "text":
        return None
    try:
        return Path(to) if to.lower().endswith(PICTURE_SUFFIXES) or Path(to).is_file() else None
    except (OSError, ValueError):  # words may be too long for a path
        return None


def flat_colour(text: str) -> Bytes | None:
    """(3,) sRGB of a hex code, or of a word that is a colour and nothing else; pure white for `white`."""
    if text.lower() in ("white", "白", "白色", "纯白"):
        return np.array([255, 255, 255], np.uint8)
    if not _HEX.fullmatch(text):
        named = None if names_place(text) else colour_of_name(text)
        if named is None:
            return None
        text = hex_of(named.oklab)
    digits = text[1:]
    return np.frombuffer(bytes.fromhex("".join(2 * d for d in digits) if len(digits) == 3 else digits), np.uint8)


def _wanted(text: str, where: str) -> Bytes:
    colour = flat_colour(text.strip())
    if colour is None:
        raise RequestError(where, f"'{text.strip()}'", "a colour as #rrggbb or its name")
    return colour


def _gradient(stops: str, size: tuple[int, int], angle: float) -> Bytes:
    """Evenly spaced stops along a line through the picture that just reaches its corners, dithered."""
    parts = stops.split(",")
    if len(parts) < 2:
        raise RequestError("background.to", f"'gradient:{stops}'", "gradient: and two colours or more, as #fff,#ddd")
    colours = np.stack([_wanted(part, "background.to") for part in parts]).astype(np.float32)
    h, w = size
    dx, dy = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    reach = abs(dx) * w + abs(dy) * h
    rng, places = np.random.default_rng(0), np.linspace(0, 1, len(parts))
    seen = np.empty((h, w, 3), np.uint8)
    x = (np.arange(w, dtype=np.float32) + 0.5 - w / 2) * np.float32(dx)
    for top in range(0, h, _STRIP):
        y = (np.arange(top, min(top + _STRIP, h), dtype=np.float32) + 0.5 - h / 2) * np.float32(dy)
        along = (x[None] + y[:, None]) / np.float32(reach) + np.float32(0.5)
        values = np.stack([np.interp(along, places, colours[:, c]).astype(np.float32) for c in range(3)], -1)
        seen[top : top + _STRIP] = to_bytes(values, rng)
    return seen


def _sweep(colour: Bytes, alpha: Bytes) -> Bytes:
    """Paper that curves up behind the product: lit from above, so it darkens where it turns towards the viewer."""
    h, w = alpha.shape
    stand = _stand(alpha)
    base, rng = linear_from_srgb(colour), np.random.default_rng(0)
    seen = np.empty((h, w, 3), np.uint8)
    x = ((np.arange(w, dtype=np.float32) + 0.5) / w - stand.centre)[None]
    for top in range(0, h, _STRIP):
        y = ((np.arange(top, min(top + _STRIP, h), dtype=np.float32) + 0.5) / h)[:, None]
        up = np.clip((stand.foot - y - 0.03) / 0.42, 0, 1)
        tilt = np.float32(np.pi / 2) * up * up * (3 - 2 * up)  # of the paper's normal, from upright to level
        turned = 0.80 + 0.20 * np.cos(tilt - np.float32(0.35)) - 0.10 * np.sin(2 * tilt) ** 2
        pool = 1.03 - 0.30 * (1 - np.exp(-((x / 0.62) ** 2) - ((y - stand.foot + 0.25) / 0.85) ** 2))
        light: Field = np.asarray((turned * pool)[..., None] * base, np.float32)
        seen[top : top + _STRIP] = to_bytes(coded(light), rng)
    return seen


def _covering(picture: Bytes, size: tuple[int, int], blur: float) -> Bytes:
    """The middle of the picture in the wanted size, as large as still fills it."""
    (h, w), (ph, pw) = size, picture.shape[:2]
    factor = max(h / ph, w / pw)
    ch, cw = min(ph, round(h / factor)), min(pw, round(w / factor))
    top, left = (ph - ch) // 2, (pw - cw) // 2
    part = picture[top : top + max(ch, 1), left : left + max(cw, 1)]
    fitted = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    if blur == 0:
        return np.asarray(fitted, np.uint8)
    values = soft(fitted.astype(np.float32), blur / 100 * max(size))
    return to_bytes(values, np.random.default_rng(0))


def _stand(alpha: Bytes) -> Stand:
    """Where the product stands; the lower middle where nothing is solid."""
    h, w = alpha.shape
    rows, columns = np.flatnonzero((alpha > 127).any(1)), np.flatnonzero((alpha > 127).any(0))
    if not len(rows):
        return Stand(0.8, 0.5, 0.5)
    long = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    return Stand(float(rows[-1] + 1) / h, float(columns[0] + columns[-1] + 1) / 2 / w, float(long) / w)


def _wrapped(product: Bytes, alpha: Bytes, backdrop: Bytes, match: float) -> Bytes:
    """Light from behind in the soft outline: its colours move towards the backdrop's, the less covered the more."""
    band = (alpha < SOLID) & (alpha > 0)
    rows, columns = np.flatnonzero(band.any(1)), np.flatnonzero(band.any(0))
    if not len(rows):
        return product
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    around = soft(backdrop[box].astype(np.float32), _WRAP_REACH * max(alpha.shape))
    inside, found = band[box], product.copy()
    share = (match * _WRAP * (1 - alpha[box][inside].astype(np.float32) / 255))[:, None]
    mixed = found[box][inside] * (1 - share) + around[inside] * share
    part = found[box]
    part[inside] = np.rint(mixed).astype(np.uint8)
    return found
