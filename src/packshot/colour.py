"""Colour spaces and colour difference, as array functions. Knows nothing of files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
"""Of OKLab (Ottosson 2020), as is `RGB_TO_LMS`."""
_LAB_TO_LMS = np.linalg.inv(LMS_TO_LAB.astype(np.float64)).astype(np.float32)
_LMS_TO_RGB = np.linalg.inv(RGB_TO_LMS.astype(np.float64)).astype(np.float32)
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_WHITE_D65 = np.array([0.95047, 1.0, 1.08883], np.float32)
_LINEAR_OF_BYTE = np.array(
    [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (i / 255 for i in range(256))], np.float32
)


def linear_from_srgb(rgb: NDArray[np.uint8]) -> Array:
    """Decode sRGB bytes (..., 3) to linear light in [0, 1] (IEC 61966-2-1)."""
    return _LINEAR_OF_BYTE[rgb]


def srgb_from_linear(linear: Array) -> NDArray[np.uint8]:
    """Encode linear light (..., 3) as sRGB bytes, clipped to the gamut (IEC 61966-2-1)."""
    c = np.clip(linear, 0.0, 1.0)
    coded = np.where(c <= 0.0031308, 12.92 * c, 1.055 * np.power(c, 1 / 2.4) - 0.055)
    return np.asarray(np.rint(coded * 255), np.uint8)


def oklab_from_srgb(rgb: NDArray[np.uint8]) -> Array:
    """Convert sRGB bytes (..., 3) to OKLab: L in [0, 1], a and b about [-0.4, 0.4] (Ottosson 2020)."""
    lms = np.cbrt(linear_from_srgb(rgb) @ RGB_TO_LMS.T)
    return np.asarray(lms @ LMS_TO_LAB.T, np.float32)


def srgb_from_oklab(lab: Array) -> NDArray[np.uint8]:
    """Convert OKLab (..., 3) to sRGB bytes, clipped to the gamut (Ottosson 2020)."""
    lms = (np.asarray(lab, np.float32) @ _LAB_TO_LMS.T) ** 3
    return srgb_from_linear(np.asarray(lms @ _LMS_TO_RGB.T, np.float32))


def cielab_from_srgb(rgb: NDArray[np.uint8]) -> Array:
    """Convert sRGB bytes (..., 3) to CIELAB under D65: L in [0, 100] (CIE 15:2004, section 8.2.1)."""
    xyz = linear_from_srgb(rgb) @ _RGB_TO_XYZ.T / _WHITE_D65
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1).astype(
        np.float32
    )


def delta_e2000(first: Array, second: Array) -> Array:
    """CIEDE2000 difference of CIELAB colours (..., 3), shape (...) (ISO/CIE 11664-6:2014; Sharma et al. 2005)."""
    l1, a1, b1 = np.moveaxis(np.asarray(first, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(second, np.float64), -1, 0)
    mean_chroma7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(mean_chroma7 / (mean_chroma7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    grey = c1 * c2 == 0
    turn = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where((turn == -180) & (h2 > h1), 180.0, turn)
    d_l, d_c, d_h = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    h_sum, apart = h1 + h2, np.abs(h1 - h2) > 180
    h_mean = np.where(grey, h_sum, np.where(~apart, h_sum / 2, np.where(h_sum < 360, h_sum / 2 + 180, h_sum / 2 - 180)))
    t = (
        1
        - 0.17 * np.cos(np.radians(h_mean - 30))
        + 0.24 * np.cos(np.radians(2 * h_mean))
        + 0.32 * np.cos(np.radians(3 * h_mean + 6))
        - 0.20 * np.cos(np.radians(4 * h_mean - 63))
    )
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    c7 = c_mean**7
    r_t = -np.sin(np.radians(60 * np.exp(-(((h_mean - 275) / 25) ** 2)))) * 2 * np.sqrt(c7 / (c7 + 25.0**7))
    l_, c_, h_ = d_l / s_l, d_c / s_c, d_h / s_h
    return np.asarray(np.sqrt(np.maximum(l_**2 + c_**2 + h_**2 + r_t * c_ * h_, 0)), np.float32)


def main_colours(lab: Array, count: int = 2, seed: int = 0, sample: int = 2000) -> list[tuple[Array, float]]:
    """The main colours of a set of pixels, largest share first.

    Lloyd's k-means with six seeds spread over the data, then clusters closer than 0.08 in OKLab are joined.

    Args:
        lab: (N, 3) OKLab pixels; N >= 1.
        count: how many to return at the most.
        seed: of the choice of the pixels that are looked at where there are more than `sample`.
        sample: pixels looked at; the time grows with it.

    Returns:
        (colour, share of the pixels) pairs.
    """
    if len(lab) > sample:
        lab = lab[np.random.default_rng(seed).choice(len(lab), sample, replace=False)]
    centres = _spread_seeds(lab, 6)
    for _ in range(8):
        nearest = _nearest(lab, centres)
        centres = np.stack(
            [lab[nearest == k].mean(0) if (nearest == k).any() else centres[k] for k in range(len(centres))]
        )
    shares = np.bincount(_nearest(lab, centres), minlength=len(centres)) / len(lab)
    found: list[tuple[Array, float]] = []
    for k in np.argsort(-shares, kind="stable"):
        for index, (colour, share) in enumerate(found):
            if np.linalg.norm(colour - centres[k]) < 0.08:
                total = share + shares[k]
                found[index] = ((colour * share + centres[k] * shares[k]) / max(total, 1e-9), total)
                break
        else:
            found.append((centres[k], float(shares[k])))
    found.sort(key=lambda pair: -pair[1])
    return found[:count]


def _spread_seeds(lab: Array, count: int) -> Array:
    chosen = [lab[np.argsort(lab[:, 0], kind="stable")[len(lab) // 2]]]
    distance = np.full(len(lab), np.inf, np.float32)
    for _ in range(count - 1):
        distance = np.minimum(distance, ((lab - chosen[-1]) ** 2).sum(1))
        chosen.append(lab[int(distance.argmax())])
    return np.stack(chosen)


def _nearest(lab: Array, centres: Array) -> NDArray[np.intp]:
    return np.asarray(((lab[:, None] - centres[None]) ** 2).sum(-1).argmin(1), np.intp)
