"""What writer and reader of the imperceptible mark agree on: where its cells lie, and what each of them carries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Complex = NDArray[np.complex64]

SIDE = 384
"""Of the layout, in pixels; a picture's longer side is taken for it."""
FIELD = 432
"""Side of the correlation: the layout and the shifts that are looked for."""
LETTERS, CHIPS = 4, 128
"""8 bits a letter: one of 128 orthogonal rows, and its sign."""

_CELL = 2  # its side
_CELLS = SIDE // _CELL
_SYNC = 0.4
_BAND = (36.0, 110.0)  # cycles over the longer side: above a product's shading, below what halving loses
_COLUMNS = 168  # of a field's spectrum: beyond them the band lets less than 1 in 10,000 through


@dataclass(frozen=True, slots=True)
class _Layout:
    """Of (C, C) cells: a sign each, whether it is known to the reader, and else the chip that it carries."""

    sign: Floats
    sync: NDArray[np.bool_]
    chip: NDArray[np.int64]


def pattern(letters: bytes) -> Floats:
    """The mark (SIDE, SIDE) that says `letters`, of unit deviation, within the band."""
    layout = _layout()
    chips = np.concatenate([code()[byte & 127] * (1 - 2 * (byte >> 7)) for byte in letters]).astype(np.float32)
    cells = layout.sign * np.where(layout.sync, np.float32(1), chips[layout.chip])
    spectrum = np.fft.rfft2(_spread(cells)) * _gains(SIDE)
    wave = np.fft.irfft2(spectrum, s=(SIDE, SIDE)).astype(np.float32)
    return wave / np.float32(wave.std())


def scores(aligned: Floats) -> Floats:
    """(LETTERS, CHIPS) correlations of a whitened picture (SIDE, SIDE) with every row of the code."""
    layout = _layout()
    cells = aligned.reshape(_CELLS, _CELL, _CELLS, _CELL).sum(axis=(1, 3)) * layout.sign
    hidden = ~layout.sync
    chips = np.bincount(layout.chip[hidden], weights=cells[hidden], minlength=LETTERS * CHIPS)
    return (chips.reshape(LETTERS, CHIPS) @ code().T).astype(np.float32)


def spectrum_of(detail: Floats) -> Complex:
    """Spectrum within the band of a picture's detail, laid into the upper left of a field.

    Returns:
        (FIELD, K) of a real field; the columns that are left out are nothing.
    """
    rows = np.zeros((FIELD, _COLUMNS), np.complex64)
    rows[: len(detail)] = np.fft.rfft(detail, FIELD, axis=1)[:, :_COLUMNS]
    return (np.fft.fft(rows, axis=0) * gains()).astype(np.complex64)


@cache
def known() -> Complex:
    """Conjugate spectrum, as of `spectrum_of`, of the known cells."""
    layout = _layout()
    return np.conj(spectrum_of(_spread(layout.sign * layout.sync)))


@cache
def code() -> Floats:
    """Rows of ±1, each orthogonal to all others (Sylvester 1867)."""
    rows = np.ones((1, 1), np.float32)
    while len(rows) < CHIPS:
        rows = np.block([[rows, rows], [rows, -rows]])
    return rows


@cache
def gains() -> Floats:
    """(FIELD, K) gains of the band."""
    return np.ascontiguousarray(_gains(FIELD)[:, :_COLUMNS])


@cache
def _gains(size: int) -> Floats:
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    cycles = np.hypot(rows, columns) * SIDE
    return np.asarray((1 - np.exp(-((cycles / _BAND[0]) ** 4))) * np.exp(-((cycles / _BAND[1]) ** 8)), np.float32)


@cache
def _layout() -> _Layout:
    """Drawn from a hash, which no release of any library changes."""
    count = _CELLS * _CELLS
    drawn = np.frombuffer(hashlib.shake_256(b"packshot mark 1").digest(12 * count), ">u4").reshape(3, count)
    sync = drawn[1] < _SYNC * 2**32
    chip = np.zeros(count, np.int64)
    hidden = np.flatnonzero(~sync)
    order = hidden[np.argsort(drawn[2][hidden], kind="stable")]
    chip[order] = np.arange(order.size) % (LETTERS * CHIPS)
    shape = (_CELLS, _CELLS)
    sign = np.where(drawn[0] & 1, 1, -1).astype(np.float32)
    return _Layout(sign.reshape(shape), sync.reshape(shape), chip.reshape(shape))


def _spread(cells: Floats) -> Floats:
    spread: Floats = np.repeat(np.repeat(cells, _CELL, axis=0), _CELL, axis=1)
    return spread
