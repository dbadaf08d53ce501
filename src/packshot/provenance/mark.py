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
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.errors import RequestError
from packshot.images import flattened
from packshot.provenance import mark_layout as layout
from packshot.provenance import mark_search as search

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

NUMBERS = 1 << 18
"""Of the numbers that a mark can carry."""
LEAST_PSNR = 40.0
"""dB between the whole marked picture and the picture before."""
SURE = 5.5
"""Of `Look.peak`, from which on the known cells count as seen; without a mark it is 4.5 at the median."""
CERTAIN = 15.0
"""Of `Look.certainty`, from which on the other cells count as saying something.

Without a mark their scores are as normal numbers, of which 3 looks in 10,000 come as far: no picture's structure
changes that, as the cells' signs and letters are drawn at random. `benchmarks/mark_unmarked.py` compares.
"""

_SCALES = tuple(np.arange(0.995, 0.893, -0.005).tolist())  # of the longer side, after cropping
_BAND_ROWS = 256
_GENTLE, _STRONG, _STEP = 46.0, 35.0, 1.0  # dB within the marked pixels
_MASKING, _MOST = 0.03, 1.5  # a busy neighbourhood hides more; much more frays edges
_ROOM = (6.5, 1.5)  # what the peak and the weakest letter must have after JPEG 75 and after halving
_FRAGILE_PX = 900
"""Longer side up to which a mark that survives JPEG 75 may not survive WebP 75, so that this is tried, too: measured in
`benchmarks/mark.py --only sizes`."""


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
class Look:
    """What is seen where a mark is likeliest, be there one or not.

    Attributes:
        peak: standard deviations by which the known cells stand out.
        certainty: of what the other cells say: by how many deviations the likeliest letters do, summed over the four.
        scale: longer side of the picture over that of the marked one.
        payload: what the other cells say; None where its check sum disagrees.
    """

    peak: float
    certainty: float
    scale: float
    payload: Payload | None

    @property
    def is_mark(self) -> bool:
        """Whether known cells, other cells and check sum all tell of a mark."""
        return self.peak >= SURE and self.certainty >= CERTAIN and self.payload is not None


@dataclass(frozen=True, slots=True)
class Found:
    """A mark that was read.

    Attributes:
        payload: what it says; its check sum agrees.
        peak: see `Look`, as for the others.
        certainty: at least `CERTAIN`.
        scale: 1 where nothing was cut off.
    """

    payload: Payload
    peak: float
    certainty: float
    scale: float


def number_of(text: str) -> int:
    """A number for a text such as a ProduceID: equal texts have equal numbers, others seldom do (1 in `NUMBERS`)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % NUMBERS


def embed(pixels: Bytes, payload: Payload, *, protect: NDArray[np.bool_] | None = None, webp: bool = True) -> Marked:
    """Mark a picture as faintly as can still be read after JPEG 75 or halving, and never below `LEAST_PSNR`.

    Pictures up to `_FRAGILE_PX` get more where that lets them be read after WebP 75, too, within the same limit.

    Args:
        pixels: (H, W, 3) or (H, W, 4) sRGB bytes; not changed.
        payload: what the mark says.
        protect: (H, W), True where no pixel may change; None for nowhere but exact white and what is not opaque.
        webp: whether small pictures are tried after WebP 75, which takes three times as long.
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
    most = max(_STRONG, LEAST_PSNR + 0.15 + 10 * np.log10(share))
    factors = 255 / 10 ** (np.arange(_GENTLE, most - 1e-9, -_STEP) / 20) / power**0.5
    factor = _faintest(_Small.of(pixels, wave, webp), [float(factor) for factor in factors], payload)
    if factor is None:
        return Marked(pixels, float("inf"), False)
    out = _added(pixels, wave * np.float32(factor), free)
    return Marked(out, _psnr(out[..., :3], pixels[..., :3]), True)


def _faintest(small: _Small, factors: Sequence[float], payload: Payload) -> float | None:
    """The least of rising factors that is survived, and where the picture is fragile WebP 75, too, if any is."""
    enough = next((at for at, factor in enumerate(factors) if small.survives(factor, payload)), None)
    if enough is None:
        return None

    def holds(at: int) -> bool:
        return small.survives_webp(factors[at], payload) and small.survives(factors[at], payload)

    low, high = enough, len(factors) - 1
    if not small.fragile or holds(low) or low == high or not holds(high):
        return factors[enough]
    while high - low > 1:  # what a strength survives, greater ones do but for chance
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return factors[high]


def read(pixels: Bytes, *, cropped: bool = True) -> Found | None:
    """The mark of a picture (H, W, 3 or 4), perhaps resized since, and cropped by up to a twentieth at each side.

    Args:
        pixels: sRGB bytes.
        cropped: False for a tenth of the time where nothing was cut off, or a mark that was may stay unseen.
    """
    for look in looks(pixels, cropped=cropped):
        if look.is_mark and look.payload is not None:
            return Found(look.payload, look.peak, look.certainty, look.scale)
    return None


def looks(pixels: Bytes, *, cropped: bool = True) -> Iterator[Look]:
    """The looks that `read` takes: at the picture as if whole, then at the likeliest scale as if cropped."""
    luma = search.reduced_luma(flattened(pixels))
    yield _look(search.sought(luma, 1.0))
    if cropped:
        yield _look(max((search.sought(luma, scale) for scale in _SCALES), key=lambda sight: sight.peak))


@dataclass(frozen=True, slots=True)
class _Small:
    """A picture and its wave in the sizes at which reading is tried."""

    pictures: tuple[tuple[Bytes, Floats], ...]
    fragile: bool

    @classmethod
    def of(cls, pixels: Bytes, wave: Floats, webp: bool) -> _Small:
        image, waves = Image.fromarray(flattened(pixels)), Image.fromarray(wave)
        longest = max(image.size)
        made = []
        for side in (min(longest, 640), max(1, longest // 2)):
            size = (max(1, round(image.width * side / longest)), max(1, round(image.height * side / longest)))
            resized = [i.resize(size, Image.Resampling.BICUBIC, reducing_gap=2) for i in (image, waves)]
            made.append((np.asarray(resized[0]), np.asarray(resized[1], np.float32)))
        return cls(tuple(made), webp and longest <= _FRAGILE_PX)

    def survives(self, factor: float, payload: Payload) -> bool:
        """JPEG 75 and halving."""
        return _is_clear(_coded(self._marked(0, factor), "JPEG"), payload) and _is_clear(
            self._marked(1, factor), payload
        )

    def survives_webp(self, factor: float, payload: Payload) -> bool:
        """WebP 75, whose filter smooths what small pictures have their mark in."""
        return _is_clear(_coded(self._marked(0, factor), "WEBP"), payload)

    def _marked(self, index: int, factor: float) -> Bytes:
        picture, wave = self.pictures[index]
        return _added(picture, wave * np.float32(factor), ~(picture == 255).all(axis=2))


def _is_clear(marked: Bytes, payload: Payload) -> bool:
    sight = search.sought(search.reduced_luma(marked), 1.0)
    return sight.peak >= _ROOM[0] and _weakest(sight.scores(), payload) >= _ROOM[1]


def _coded(pixels: Bytes, form: str) -> Bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, quality=75)
    with Image.open(buffer, formats=(form,)) as image:
        return np.array(image.convert("RGB"))


def _wave(pixels: Bytes, payload: Payload, free: NDArray[np.bool_]) -> Floats:
    """The pattern (H, W) at the picture's size, larger where the neighbourhood is busy, 0 where nothing may change."""
    height, width = free.shape
    longest = max(height, width)
    size = (layout.SIDE * width / longest, layout.SIDE * height / longest)
    luma = search.resized(search.luma_of(flattened(pixels)), size)
    busy = np.sqrt(np.maximum(search.blurred(luma * luma, 2) - np.square(search.blurred(luma, 2)), 0))
    pattern = layout.pattern(_bytes(payload))[: luma.shape[0], : luma.shape[1]] * np.clip(1 + _MASKING * busy, 1, _MOST)
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


def _bytes(payload: Payload) -> bytes:
    """20 bits and a check sum of 12."""
    data = payload.kind << 18 | payload.number
    return (data << 12 | _check(data)).to_bytes(4, "big")


def _check(data: int) -> int:
    return zlib.crc32(data.to_bytes(3, "big")) & 0xFFF


def certainty(scores: Floats) -> float:
    """`Look.certainty` of (LETTERS, CHIPS) scores: the best of each letter over the deviation of all others, summed."""
    sizes = np.abs(scores)
    best = sizes.max(axis=1)
    others = float(np.square(sizes).sum() - np.square(best).sum()) / (scores.size - layout.LETTERS)
    return float(best.sum()) / max(math.sqrt(others), 1e-9)


def _look(sight: search.Sight) -> Look:
    scores = sight.scores()
    rows = np.abs(scores).argmax(axis=1)
    word = bytes(int(row) | (128 if scores[letter, row] < 0 else 0) for letter, row in enumerate(rows))
    data, check = divmod(int.from_bytes(word, "big"), 1 << 12)
    payload = Payload(data >> 18, data & (NUMBERS - 1)) if check == _check(data) else None
    return Look(sight.peak, certainty(scores), sight.scale, payload)


def _weakest(letters: Floats, payload: Payload) -> float:
    """By how much the right letter leads, in deviations of the wrong ones, where it leads least."""
    leads = []
    for scores, byte in zip(letters, _bytes(payload), strict=True):
        right = scores[byte & 127] * (1 - 2 * (byte >> 7))
        wrong = np.delete(scores, byte & 127)
        leads.append((right - np.abs(wrong).max()) / max(float(wrong.std()), 1e-9))
    return float(min(leads))
