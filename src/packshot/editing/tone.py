"""White balance and exposure, in linear light. They change the product, or the whole photo before a cut-out."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from packshot.colour import linear_from_srgb, srgb_from_linear
from packshot.editing.colour_names import colour_named
from packshot.editing.part import strips
from packshot.editing.place import read_place
from packshot.editing.scene import SOLID, Bytes, Scene
from packshot.errors import RequestError
from packshot.lexicon.colours import hex_of

Floats = NDArray[np.float32]

AUTOMATIC = "auto"
LARGEST_STOPS = 5.0
KELVIN = (2000.0, 20000.0)

_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_LUMINANCE = np.array([0.2126729, 0.7151522, 0.0721750], np.float32)
_D65_KELVIN = 6504.0

_NORM = 6.0
"""Of shades of grey: 6 is the best over their sets (Finlayson and Trezzi 2004)."""
_NEUTRAL = 0.06
"""Difference from grey, in natural logarithms of the channels, at which a pixel has half of its weight."""
_MOST_CAST = 0.30
"""Largest cast, as the natural logarithm of red or blue over green, that is put down to the light."""
_SAMPLE = 400_000
_KNEE = 0.6
"""Linear light from which on highlights are rolled off rather than clipped."""
_GOAL, _PHOTO_WHITE, _PRODUCT_WHITE = 0.46, 0.92, 0.62
"""Of automatic exposure, sRGB values from 0 to 1: the middle is moved towards the first; brightening stops where the
98th percentile reaches the second or, of a product alone, the third: black leather in good light has no white."""
_MOST_AUTOMATIC = 1.5
_SMALLEST_STEP = 0.02


def white_balance(scene: Scene, to: str = AUTOMATIC) -> Scene:
    """Take the colour of the light off, so that what is grey looks grey.

    In linear light, by a Bradford chromatic adaptation to D65 (Lam 1985; CIE 160:2004) that keeps the brightness of
    greys.

    Args:
        scene: the product changes where it was cut out, otherwise the whole photo; backdrop and overlay stay.
        to: `auto` estimates the light as the shades of grey (Finlayson and Trezzi 2004) of pixels weighted by how
            nearly neutral they are, and believes it the less the fewer those are, so that a red product stays red;
            `x,y` is a place that should be grey, in pixels or, both with a decimal point, in fractions; `5000K` the
            light's temperature: the lower, the bluer the result; `#hex` or a colour word what white looks like now.

    Raises:
        RequestError: none of these, or a place too dark or burnt out to tell.
    """
    light = _light(scene, to.strip())
    if float(np.abs(np.log(light)).max()) < 1e-3:
        return scene
    return _mapped(scene, _adaptation(light), None)


def exposure(scene: Scene, stops: str = AUTOMATIC) -> Scene:
    """Make the picture lighter or darker, as by a longer or shorter exposure.

    In linear light; highlights run into white along a shoulder instead of being clipped, and what is white stays white
    when darkening is small.

    Args:
        scene: the product changes where it was cut out, otherwise the whole photo; backdrop and overlay stay.
        stops: `1` doubles the light, `-1` halves it, -5 to 5; `auto` moves the middle of the product half of the way to
            a middle grey, without burning its lights out.

    Raises:
        RequestError: neither.
    """
    said = stops.strip().lower()
    amount = _estimated_stops(scene) if said == AUTOMATIC else _number(said)
    if not -LARGEST_STOPS <= amount <= LARGEST_STOPS:
        raise RequestError("exposure.stops", stops, f"{AUTOMATIC}, or a number from -5 to 5")
    if abs(amount) < 1e-3:
        return scene
    return _mapped(scene, None, _exposed_table(2.0**amount))


def _number(said: str) -> float:
    try:
        return float(said)
    except ValueError:
        return float("nan")  # outside of every range


def _light(scene: Scene, said: str) -> NDArray[np.float64]:
    """Linear RGB (3,) of the light, green being 1."""
    kelvin = re.fullmatch(r"(\d+(?:\.\d+)?)\s*[kK]", said)
    accepted = "auto, x,y on something grey, a temperature as 5000K, or a colour as #rrggbb"
    if said.lower() == AUTOMATIC:
        return _estimated_light(scene)
    if kelvin is not None:
        if not KELVIN[0] <= float(kelvin[1]) <= KELVIN[1]:
            raise RequestError("white_balance.to", said, "2000K to 20000K")
        return _daylight(float(kelvin[1])) / _daylight(_D65_KELVIN)
    place = read_place(said, scene, "white_balance.to")
    if place is not None:
        linear = _around(scene.product, place)
    else:
        named = colour_named(said)
        if named is None:
            raise RequestError("white_balance.to", f"'{said}'", accepted)
        linear = linear_from_srgb(np.frombuffer(bytes.fromhex(hex_of(_triple(named))[1:]), np.uint8)).astype(np.float64)
    if linear.min() < 0.002 or linear.min() > 0.985:
        raise RequestError("white_balance.to", f"'{said}'", "something grey, neither black nor burnt out")
    return np.asarray(linear / linear[1])


def _triple(lab: Floats) -> tuple[float, float, float]:
    return float(lab[0]), float(lab[1]), float(lab[2])


def _around(product: Bytes, place: tuple[int, int]) -> NDArray[np.float64]:
    reach = max(2, min(product.shape[:2]) // 200)
    row, column = place
    some = product[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return np.asarray(np.median(linear_from_srgb(some).reshape(-1, 3), axis=0), np.float64)


def _daylight(kelvin: float) -> NDArray[np.float64]:
    """Linear RGB of a black body's white (Kim et al. 2002, US patent 7,024,034), for 1667 K to 25000 K."""
    t = 1e3 / kelvin
    if kelvin <= 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    if kelvin <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif kelvin <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    rgb = np.linalg.solve(_RGB_TO_XYZ, np.array([x / y, 1.0, (1 - x - y) / y]))
    return np.asarray(np.maximum(rgb, 0.02) / max(rgb[1], 0.02))


def _estimated_light(scene: Scene) -> NDArray[np.float64]:
    linear = linear_from_srgb(_sample(scene)).astype(np.float64)
    bright = linear @ _LUMINANCE
    linear = linear[(linear.max(axis=1) < 0.985) & (bright > 0.02)]
    if len(linear) < 50:
        return np.ones(3)
    light, trust = np.ones(3), 0.0
    for _ in range(6):  # what is neutral under the light found so far tells the light better
        tint = np.log(np.maximum(linear, 1e-4) / light)
        tint -= tint.mean(axis=1, keepdims=True)
        weight = 1 / (1 + (np.abs(tint).max(axis=1) / _NEUTRAL) ** 4)
        trust = float(weight.mean())
        found = ((linear**_NORM * weight[:, None]).sum(axis=0) / max(weight.sum(), 1e-9)) ** (1 / _NORM)
        light = np.asarray(found / max(found[1], 1e-6))
        light = np.exp(np.clip(np.log(np.maximum(light, 1e-3)), -_MOST_CAST, _MOST_CAST))
    return np.asarray(np.exp(np.log(light) * min(1.0, trust / 0.25)))


def _sample(scene: Scene) -> Bytes:
    """(N, 3) solid pixels of the product, or of the whole photo, evenly taken."""
    flat = scene.product.reshape(-1, 3)
    if scene.alpha is None:
        return flat[:: -(-len(flat) // _SAMPLE)]
    places = np.flatnonzero(scene.alpha >= SOLID)
    return flat[places[:: max(1, -(-len(places) // _SAMPLE))]]


def _adaptation(light: NDArray[np.float64]) -> Floats:
    """(3, 3) for linear RGB: Bradford, from the light's white to equal RGB, keeping the luminance of grey."""
    to_cone = _BRADFORD @ _RGB_TO_XYZ
    gain = (to_cone @ np.ones(3)) / np.maximum(to_cone @ light, 1e-3)
    matrix = np.linalg.inv(to_cone) @ np.diag(gain) @ to_cone
    return np.asarray(matrix * float(light @ _LUMINANCE), np.float32)


def _estimated_stops(scene: Scene) -> float:
    some = linear_from_srgb(_sample(scene)) @ _LUMINANCE
    if not len(some):
        return 0.0
    middle, lights = (max(float(value), 1e-3) for value in np.percentile(some, (50, 98)))
    wanted = 0.5 * np.log2(_linear(_GOAL) / middle)
    room = np.log2(_linear(_PHOTO_WHITE if scene.alpha is None else _PRODUCT_WHITE) / lights)
    amount = (
        min(wanted, max(room, 0.0)) if wanted > 0 else max(wanted, min(np.log2(_linear(_PHOTO_WHITE) / lights), 0.0))
    )
    return 0.0 if abs(amount) < _SMALLEST_STEP else float(np.clip(amount, -_MOST_AUTOMATIC, _MOST_AUTOMATIC))


def _linear(value: float) -> float:
    return float(((value + 0.055) / 1.055) ** 2.4)


def _exposed_table(factor: float) -> Floats:
    """Linear light for each byte, exposed."""
    lit = linear_from_srgb(np.arange(256, dtype=np.uint8)).astype(np.float64)
    brightest = factor
    lit = lit * factor
    if brightest > 1:  # the shoulder: from the knee on a curve with slope 1 that takes the brightest to 1
        excess, room, reach = np.maximum(lit - _KNEE, 0), 1 - _KNEE, brightest - _KNEE
        lit = np.where(lit > _KNEE, _KNEE + excess / (1 + excess * (1 / room - 1 / reach)), lit)
    return np.asarray(lit, np.float32)


def _mapped(scene: Scene, matrix: Floats | None, table: Floats | None) -> Scene:
    product = scene.product.copy()
    for rows in strips(*scene.size):
        linear = linear_from_srgb(product[rows]) if table is None else table[product[rows]]
        if matrix is not None:
            linear = _rolled_off(linear @ matrix.T, product[rows])
        product[rows] = srgb_from_linear(linear)
    return replace(scene, product=product)


def _rolled_off(linear: Floats, old: Bytes) -> Floats:
    """Burnt-out pixels stay white, instead of taking the complement of the light's colour."""
    burnt = np.clip((old.min(axis=2).astype(np.float32) - 246) / 9, 0, 1)[..., None]
    return np.asarray(linear + burnt * (1 - linear), np.float32)
