"""Where the known cells of an imperceptible mark are seen, and what the others say there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.provenance import mark_layout as layout

Floats = NDArray[np.float32]
Complex = NDArray[np.complex64]

_SHIFTS = 45  # of the layout, that a crop can have moved it by
_WHITE = 253.5


@dataclass(frozen=True, slots=True)
class Sight:
    """Where the known cells are seen best at one scale.

    Attributes:
        peak: standard deviations by which they stand out.
        scale: as `sought` was told.
        at: (down, right) of the picture within the layout.
        spectrum: of the whitened picture.
    """

    peak: float
    scale: float
    at: tuple[float, float]
    spectrum: Complex

    def scores(self) -> Floats:
        """(LETTERS, CHIPS) correlations of the picture with every row of the code."""
        down, right = self.at
        rows = np.exp(-2j * np.pi * down * np.fft.fftfreq(layout.FIELD)).astype(np.complex64)
        columns = np.exp(-2j * np.pi * right * np.arange(self.spectrum.shape[1]) / layout.FIELD).astype(np.complex64)
        turned = self.spectrum * rows[:, None] * columns
        aligned = np.fft.irfft2(turned, s=(layout.FIELD, layout.FIELD))
        return layout.scores(aligned[: layout.SIDE, : layout.SIDE].astype(np.float32))


def sought(luma: Floats, scale: float) -> Sight:
    """Look for the known cells, the picture's longer side taken as `scale` of the marked one's."""
    height, width = luma.shape
    unit = layout.SIDE * scale / max(height, width)
    spectrum = layout.spectrum_of(_whitened(resized(luma, (width * unit, height * unit))))
    near, deviation = _correlation(spectrum * layout.known())
    row, column = np.unravel_index(int(near[1:-1, 1:-1].argmax()), (_SHIFTS + 1, _SHIFTS + 1))
    at = (row + 1, column + 1)
    down = _SHIFTS - at[0] - _vertex(near[at[0] - 1 : at[0] + 2, at[1]])
    right = _SHIFTS - at[1] - _vertex(near[at[0], at[1] - 1 : at[1] + 2])
    return Sight(float(near[at]) / max(deviation, 1e-9), scale, (down, right), spectrum)


def _correlation(product: Complex) -> tuple[Floats, float]:
    """The correlation at the shifts from -_SHIFTS to 2, both ways, and its deviation over the whole field."""
    power = 2 * np.vdot(product, product).real - np.vdot(product[:, 0], product[:, 0]).real  # Parseval
    columns = np.fft.ifft(product, axis=0)
    rows = np.fft.irfft(np.concatenate([columns[-_SHIFTS:], columns[:3]]), layout.FIELD, axis=1)
    near = np.concatenate([rows[:, -_SHIFTS:], rows[:, :3]], axis=1)
    return near.astype(np.float32), float(power) ** 0.5 / layout.FIELD**2


def _vertex(three: Floats) -> float:
    """Where the parabola through three values has its vertex, -0.5 to 0.5 from the middle one."""
    before, middle, after = (float(value) for value in three)
    bend = before - 2 * middle + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _whitened(luma: Floats) -> Floats:
    """Detail over its local deviation, so that edges shout no louder than cloth; 0 on white."""
    detail = luma - blurred(luma, 3)
    deviation = np.sqrt(blurred(detail * detail, 3)) + 1
    limited: Floats = np.clip(detail / deviation, -2, 2) * (luma < _WHITE)
    return limited


def reduced_luma(rgb: NDArray[np.uint8]) -> Floats:
    """Luma, its longer side at most one and a half times the layout's."""
    height, width = rgb.shape[:2]
    factor = 1.5 * layout.SIDE / max(height, width)
    luma = luma_of(rgb)
    return luma if factor >= 1 else resized(luma, (width * factor, height * factor))


def luma_of(rgb: NDArray[np.uint8]) -> Floats:
    """Y' of (H, W, 3), 0 to 255."""
    return rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def resized(luma: Floats, size: tuple[float, float]) -> Floats:
    """`luma` at a size (width, height) in pixels, rounded."""
    whole = (max(1, round(size[0])), max(1, round(size[1])))
    image = Image.fromarray(luma).resize(whole, Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def blurred(values: Floats, radius: int) -> Floats:
    """Means over squares of 2 `radius` + 1 pixels, the border repeated."""
    side = 2 * radius + 1
    sums = np.pad(values, radius, mode="edge")
    for _ in range(2):  # down, then right
        sums = np.ascontiguousarray(_sums(sums, side).T)
    return sums * np.float32(1 / side**2)


def _sums(values: Floats, count: int) -> Floats:
    """Of `count` rows from each row on: put together from sums of 1, 2, 4… rows."""
    total, done, power, size = None, 0, values, 1
    length = len(values) - count + 1
    while size <= count:
        if count & size:
            part = power[done : done + length]
            total = part if total is None else total + part
            done += size
        power, size = power[: len(power) - size] + power[size:], 2 * size
    return values[:length] if total is None else total
