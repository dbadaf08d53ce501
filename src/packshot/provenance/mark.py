"""An imperceptible mark in a picture's luma: 32 bits that survive JPEG, resizing and light cropping.

Spread spectrum (Cox et al. 1997) laid out in units of the picture's longer side, so that resizing leaves it in place.
Two fifths of its cells are known and say, by correlation, where a cropped picture lies and how large it was; the others
carry four letters of a bi-orthogonal code, each over the whole picture. The pattern is public: the mark tells honest
people what a picture is, and does not keep a forger from removing or copying it.

Exact white stays exact white, and nothing becomes it, so a picture on white carries the mark in its product alone.
Where the product must stay untouched (`protect`) as well, nothing is left to carry one, and none is set.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.errors import RequestError
from packshot.images import flattened

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Complex = NDArray[np.complex64]

NUMBERS = 1 << 18
"""Of the numbers that a mark can carry."""
LEAST_PSNR = 40.0
"""dB between the whole marked picture and the picture before."""
SURE = 5.5
"""Of `peak`, from which on a payload is looked for; without a mark it is 4.4 at the median."""

_SIDE, _CELL = 384, 2  # the layout's resolution, and the side of a cell
_CELLS = _SIDE // _CELL
_LETTERS, _CHIPS = 4, 128  # 8 bits a letter: one of 128 orthogonal rows, and its sign
_SYNC = 0.4
_BAND = (36.0, 110.0)  # cycles over the longer side: above a product's shading, below what halving loses
_FIELD = 432  # of the correlation: the layout and the shifts that are looked for
_SHIFTS = 45
_SCALES = tuple(np.arange(0.995, 0.893, -0.005).tolist())  # of the longer side, after cropping
_BAND_ROWS = 256
_WHITE = 253.5
_GENTLE, _STRONG, _STEP = 46.0, 35.0, 1.0  # dB within the marked pixels
_MASKING, _MOST = 0.03, 1.5  # a busy neighbourhood hides more; much more frays edges
_ROOM = (6.5, 1.5)  # what the peak and the weakest letter must have after JPEG 75 and after halving


@dataclass(frozen=True, slots=True)
class Payload:
    """What a mark says.

    Attributes:
        kind: 0 to 3; `policy.KINDS` says which.
        number: 0 to `NUMBERS` - 1, for instance of `number_of`.
    """

    kind: int
    number: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (0 <= self.kind < 4 and 0 <= self.number < NUMBERS):
            raise RequestError("mark", f"kind {self.kind}, number {self.number}", f"0 to 3, 0 to {NUMBERS - 1:,}")


@dataclass(frozen=True, slots=True)
class Marked:
    """A picture that was to be marked.

    Attributes:
        pixels: as they came where `readable` is False.
        psnr: dB of the whole picture; infinite where nothing was changed.
        readable: whether the mark can be read after JPEG 75 and after halving, as was tried.
    """

    pixels: Bytes
    psnr: float
    readable: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A mark that was read.

    Attributes:
        payload: what it says; its check sum agrees.
        peak: standard deviations by which the known cells stand out.
        scale: longer side of the picture over that of the marked one.
    """

    payload: Payload
    peak: float
    scale: float


def number_of(text: str) -> int:
    """A number for a text such as a ProduceID: equal texts have equal numbers, others seldom do (1 in `NUMBERS`)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % NUMBERS


def embed(pixels: Bytes, payload: Payload, *, protect: NDArray[np.bool_] | None = None) -> Marked:
    """Mark a picture as faintly as can still be read after JPEG 75 or halving, and never below `LEAST_PSNR`.

    Args:
        pixels: (H, W, 3) or (H, W, 4) sRGB bytes; not changed.
        payload: what the mark says.
        protect: (H, W), True where no pixel may change; None for nowhere but exact white and what is not opaque.
    """
    free = ~(pixels[..., :3] == 255).all(axis=2)
    if pixels.shape[2] == 4:
        free &= pixels[..., 3] == 255
    if protect is not None:
        free &= ~protect
    share = float(free.mean())
    if share == 0:
        return Marked(pixels, float("inf"), False)
    wave = _wave(pixels, payload, free)
    power = float(np.square(wave).sum() / free.sum())
    if power == 0:
        return Marked(pixels, float("inf"), False)
    small = _Small.of(pixels, wave)
    strength = _GENTLE
    most = max(_STRONG, LEAST_PSNR + 0.15 + 10 * np.log10(share))
    while True:
        factor = 255 / 10 ** (strength / 20) / power**0.5
        if small.survives(factor, payload):
            break
        strength -= _STEP
        if strength < most:
            return Marked(pixels, float("inf"), False)
    out = _added(pixels, wave * np.float32(factor), free)
    return Marked(out, _psnr(out[..., :3], pixels[..., :3]), True)


def read(pixels: Bytes, *, cropped: bool = True) -> Found | None:
    """The mark of a picture (H, W, 3 or 4), perhaps resized since, and cropped by up to a twentieth at each side.

    Args:
        pixels: sRGB bytes.
        cropped: False for a tenth of the time where nothing was cut off, or a mark that was may stay unseen.
    """
    luma = _reduced_luma(flattened(pixels))
    straight = _sought(luma, 1.0)
    found = _decoded(straight)
    if found is not None or not cropped:
        return found
    return _decoded(max((_sought(luma, scale) for scale in _SCALES), key=lambda sight: sight.peak))


def peak(pixels: Bytes) -> float:
    """By how many standard deviations the known cells stand out, where and at the scale at which they do most."""
    luma = _reduced_luma(flattened(pixels))
    return max(_sought(luma, scale).peak for scale in (1.0, *_SCALES))


@dataclass(frozen=True, slots=True)
class _Sight:
    """Where the known cells are seen best at one scale; `at` is (down, right) of the picture within the layout."""

    peak: float
    scale: float
    at: tuple[float, float]
    spectrum: Complex


@dataclass(frozen=True, slots=True)
class _Small:
    """A picture and its wave in the sizes at which reading is tried."""

    pictures: tuple[tuple[Bytes, Floats], ...]

    @classmethod
    def of(cls, pixels: Bytes, wave: Floats) -> _Small:
        image, waves = Image.fromarray(flattened(pixels)), Image.fromarray(wave)
        longest = max(image.size)
        made = []
        for side in (min(longest, 640), max(1, longest // 2)):
            size = (max(1, round(image.width * side / longest)), max(1, round(image.height * side / longest)))
            resized = [i.resize(size, Image.Resampling.BICUBIC, reducing_gap=2) for i in (image, waves)]
            made.append((np.asarray(resized[0]), np.asarray(resized[1], np.float32)))
        return cls(tuple(made))

    def survives(self, factor: float, payload: Payload) -> bool:
        for index, (picture, wave) in enumerate(self.pictures):
            marked = _added(picture, wave * np.float32(factor), ~(picture == 255).all(axis=2))
            if index == 0:
                marked = _jpeg(marked)
            sight = _sought(_reduced_luma(marked), 1.0)
            if sight.peak < _ROOM[0]:
                return False
            if _weakest(_letters(sight), payload) < _ROOM[1]:
                return False
        return True


def _jpeg(pixels: Bytes) -> Bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
    with Image.open(buffer, formats=("JPEG",)) as image:
        return np.array(image)


def _wave(pixels: Bytes, payload: Payload, free: NDArray[np.bool_]) -> Floats:
    """The pattern (H, W) at the picture's size, larger where the neighbourhood is busy, 0 where nothing may change."""
    height, width = free.shape
    longest = max(height, width)
    luma = np.asarray(_resized(_luma(flattened(pixels)), (_SIDE * width / longest, _SIDE * height / longest)))
    busy = np.sqrt(np.maximum(_blurred(luma * luma, 2) - np.square(_blurred(luma, 2)), 0))
    pattern = _pattern(payload)[: luma.shape[0], : luma.shape[1]] * np.clip(1 + _MASKING * busy, 1, _MOST)
    large = Image.fromarray(pattern).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large, np.float32) * free


def _added(pixels: Bytes, wave: Floats, free: NDArray[np.bool_]) -> Bytes:
    """Add, in bands of rows: at 50 megapixels floats of the whole picture would take gigabytes."""
    out = pixels.copy()
    for top in range(0, len(pixels), _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        before = pixels[rows, :, :3]
        changed = np.clip(np.rint(before + wave[rows, :, None]), 0, 255).astype(np.uint8)
        whitened = (changed == 255).all(axis=2)
        out[rows, :, :3] = np.where((free[rows] & ~whitened)[..., None], changed, before)
    return out


def _psnr(out: Bytes, pixels: Bytes) -> float:
    total = 0.0
    for top in range(0, len(pixels), _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        total += float(np.square(out[rows].astype(np.float32) - pixels[rows]).sum(dtype=np.float64))
    return 10 * float(np.log10(65025 * pixels.size / total)) if total else float("inf")


def _pattern(payload: Payload) -> Floats:
    """(S, S), of unit deviation, in the band."""
    layout = _layout()
    code = np.concatenate([_code()[row & 127] * (1 - 2 * (row >> 7)) for row in _bytes(payload)]).astype(np.float32)
    cells = layout.sign * np.where(layout.sync, np.float32(1), code[layout.chip])
    spectrum = np.fft.rfft2(_spread(cells)) * _band(_SIDE)
    wave = np.fft.irfft2(spectrum, s=(_SIDE, _SIDE)).astype(np.float32)
    return wave / np.float32(wave.std())


def _bytes(payload: Payload) -> bytes:
    """20 bits and a check sum of 12."""
    data = payload.kind << 18 | payload.number
    return (data << 12 | _check(data)).to_bytes(4, "big")


def _check(data: int) -> int:
    return zlib.crc32(data.to_bytes(3, "big")) & 0xFFF


def _letters(sight: _Sight) -> Floats:
    """(4, 128) correlations of the picture with every row of the code."""
    layout = _layout()
    down, right = sight.at
    rows, columns = np.fft.fftfreq(_FIELD)[:, None], np.fft.rfftfreq(_FIELD)[None]
    turned = sight.spectrum * np.exp(-2j * np.pi * (rows * down + columns * right)).astype(np.complex64)
    aligned = np.fft.irfft2(turned, s=(_FIELD, _FIELD))[:_SIDE, :_SIDE]
    cells = aligned.reshape(_CELLS, _CELL, _CELLS, _CELL).sum(axis=(1, 3)) * layout.sign
    hidden = ~layout.sync
    chips = np.bincount(layout.chip[hidden], weights=cells[hidden], minlength=_LETTERS * _CHIPS)
    return (chips.reshape(_LETTERS, _CHIPS) @ _code().T).astype(np.float32)


def _decoded(sight: _Sight) -> Found | None:
    if sight.peak < SURE:
        return None
    letters = _letters(sight)
    rows = np.abs(letters).argmax(axis=1)
    read_bytes = bytes(int(row) | (128 if letters[i, row] < 0 else 0) for i, row in enumerate(rows))
    data, check = divmod(int.from_bytes(read_bytes, "big"), 1 << 12)
    if check != _check(data):
        return None
    return Found(Payload(data >> 18, data & (NUMBERS - 1)), sight.peak, sight.scale)


def _weakest(letters: Floats, payload: Payload) -> float:
    """By how much the right letter leads, in deviations of the wrong ones, where it leads least."""
    leads = []
    for scores, byte in zip(letters, _bytes(payload), strict=True):
        right = scores[byte & 127] * (1 - 2 * (byte >> 7))
        wrong = np.delete(scores, byte & 127)
        leads.append((right - np.abs(wrong).max()) / max(float(wrong.std()), 1e-9))
    return float(min(leads))


def _sought(luma: Floats, scale: float) -> _Sight:
    """Look for the known cells, the picture's longer side taken as `scale` of the marked one's."""
    height, width = luma.shape
    unit = _SIDE * scale / max(height, width)
    small = _resized(luma, (width * unit, height * unit))
    field = np.zeros((_FIELD, _FIELD), np.float32)
    field[: small.shape[0], : small.shape[1]] = _whitened(small)
    spectrum = (np.fft.rfft2(field) * _band(_FIELD)).astype(np.complex64)
    surface = np.fft.irfft2(spectrum * _known(), s=(_FIELD, _FIELD)).astype(np.float32)
    near = np.roll(surface, (_SHIFTS, _SHIFTS), (0, 1))[: _SHIFTS + 3, : _SHIFTS + 3]
    row, column = np.unravel_index(int(near[1:-1, 1:-1].argmax()), (_SHIFTS + 1, _SHIFTS + 1))
    at = (row + 1, column + 1)
    down = _SHIFTS - at[0] - _vertex(near[at[0] - 1 : at[0] + 2, at[1]])
    right = _SHIFTS - at[1] - _vertex(near[at[0], at[1] - 1 : at[1] + 2])
    return _Sight(float(near[at] / max(float(surface.std()), 1e-9)), scale, (down, right), spectrum)


def _vertex(three: Floats) -> float:
    """Where the parabola through three values has its vertex, -0.5 to 0.5 from the middle one."""
    before, middle, after = (float(value) for value in three)
    bend = before - 2 * middle + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _whitened(luma: Floats) -> Floats:
    """Detail over its local deviation, so that edges shout no louder than cloth; 0 on white."""
    detail = luma - _blurred(luma, 3)
    deviation = np.sqrt(_blurred(detail * detail, 3)) + 1
    limited: Floats = np.clip(detail / deviation, -2, 2) * (luma < _WHITE)
    return limited


def _reduced_luma(rgb: Bytes) -> Floats:
    """Luma, its longer side at most one and a half times the layout's."""
    height, width = rgb.shape[:2]
    factor = 1.5 * _SIDE / max(height, width)
    luma = _luma(rgb)
    return luma if factor >= 1 else _resized(luma, (width * factor, height * factor))


def _luma(rgb: Bytes) -> Floats:
    return rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _resized(luma: Floats, size: tuple[float, float]) -> Floats:
    """`luma` at a size (width, height) in pixels, rounded."""
    whole = (max(1, round(size[0])), max(1, round(size[1])))
    image = Image.fromarray(luma).resize(whole, Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def _blurred(values: Floats, radius: int) -> Floats:
    """Means over squares, the border repeated."""
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis)
        upper, lower = [slice(None)] * 2, [slice(None)] * 2
        upper[axis], lower[axis] = slice(2 * radius + 1, None), slice(None, -2 * radius - 1)
        values = (sums[tuple(upper)] - sums[tuple(lower)]) / np.float32(2 * radius + 1)
    return values


@dataclass(frozen=True, slots=True)
class _Layout:
    """Of (C, C) cells: a sign each, whether it is known to the reader, and else the chip that it carries."""

    sign: Floats
    sync: NDArray[np.bool_]
    chip: NDArray[np.int64]


@cache
def _layout() -> _Layout:
    """Drawn from a hash, which no release of any library changes."""
    count = _CELLS * _CELLS
    drawn = np.frombuffer(hashlib.shake_256(b"packshot mark 1").digest(12 * count), ">u4").reshape(3, count)
    sync = drawn[1] < _SYNC * 2**32
    chip = np.zeros(count, np.int64)
    hidden = np.flatnonzero(~sync)
    order = hidden[np.argsort(drawn[2][hidden], kind="stable")]
    chip[order] = np.arange(order.size) % (_LETTERS * _CHIPS)
    shape = (_CELLS, _CELLS)
    sign = np.where(drawn[0] & 1, 1, -1).astype(np.float32)
    return _Layout(sign.reshape(shape), sync.reshape(shape), chip.reshape(shape))


@cache
def _code() -> Floats:
    """Rows of ±1, each orthogonal to all others (Sylvester 1867)."""
    rows = np.ones((1, 1), np.float32)
    while len(rows) < _CHIPS:
        rows = np.block([[rows, rows], [rows, -rows]])
    return rows


@cache
def _known() -> Complex:
    """Conjugate spectrum of the known cells."""
    layout = _layout()
    field = np.zeros((_FIELD, _FIELD), np.float32)
    field[:_SIDE, :_SIDE] = _spread(layout.sign * layout.sync)
    return np.conj(np.fft.rfft2(field) * _band(_FIELD)).astype(np.complex64)


@cache
def _band(size: int) -> Floats:
    """Gains of a real spectrum (size, size // 2 + 1) at the layout's resolution."""
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    cycles = np.hypot(rows, columns) * _SIDE
    gains = (1 - np.exp(-((cycles / _BAND[0]) ** 4))) * np.exp(-((cycles / _BAND[1]) ** 8))
    return np.asarray(gains, np.float32)


def _spread(cells: Floats) -> Floats:
    spread: Floats = np.repeat(np.repeat(cells, _CELL, axis=0), _CELL, axis=1)
    return spread
