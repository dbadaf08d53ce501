"""Filling a hole from its surroundings: patches copied, coarse to fine. Knows nothing of scenes.

Wexler, Shechtman and Irani 2007 ("Space-Time Completion of Video", section 3): every patch that meets the hole shall
look like a patch outside of it. Nearest patches are found as in Barnes et al. 2009 ("PatchMatch"), all places at once
(propagation by shifts of the whole field, as in jump flooding), on patches projected to their principal components.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.editing.noise import Field, resized

Places = NDArray[np.int32]
_RADIUS = 3
"""Patches are 7 × 7."""
_COMPONENTS = 20
_LEAST_SIDE = 24
"""Pixels of the shorter side at the coarsest level."""
_BRUTE = 4_000_000
"""Pairs of patches up to which all are compared."""
_ROUNDS = (8, 6, 4, 3)
"""Rounds of matching and voting, from the coarsest level on; the last number for all finer ones."""
_STEPS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled picture.

    Attributes:
        picture: (H, W, 3) float32, bytes' range; as it was outside of the hole.
        source: (H, W, 2) row and column that a pixel's patch was taken from; its own place outside of the hole.
    """

    picture: Field
    source: Places


def filled(picture: Field, hole: NDArray[np.bool_], known: NDArray[np.bool_], start: Field, seed: int = 0) -> Filled:
    """Fill a hole.

    Args:
        picture: (H, W, 3) float32 in the range of bytes.
        hole: (H, W), at least one pixel.
        known: (H, W) what may be copied; pixels of the hole never are.
        start: (H, W, 3) a first guess inside of the hole, any.
        seed: of the search.
    """
    pad = [(_RADIUS, _RADIUS)] * 2
    wide = _solved(
        np.pad(picture, [*pad, (0, 0)], mode="edge"),
        np.pad(hole, pad, mode="edge"),
        np.pad(known & ~hole, pad),
        np.pad(start, [*pad, (0, 0)], mode="edge"),
        seed,
    )
    inner = (slice(_RADIUS, -_RADIUS),) * 2  # patches around pixels of the border needed more than there is
    source = np.clip(wide.source[inner] - _RADIUS, 0, np.array(hole.shape) - 1)
    return Filled(wide.picture[inner], source.astype(np.int32))


def _solved(picture: Field, hole: NDArray[np.bool_], known: NDArray[np.bool_], start: Field, seed: int) -> Filled:
    """Level by level; the guess where a picture is too small to copy from."""
    rng = np.random.default_rng(seed)
    levels = _levels(hole.shape, int(hole.sum()))
    source: Places | None = None
    now: Field = np.where(hole[..., None], start, picture)
    for number, (h, w) in enumerate(levels):
        full = (h, w) == hole.shape
        here = picture if full else resized(picture, (w, h))
        gap = hole if full else resized(hole.astype(np.float32), (w, h)) > 0.01
        free = known if full else resized(known.astype(np.float32), (w, h)) > 0.99
        guess = resized(now, (w, h), cv2.INTER_AREA if number == 0 else cv2.INTER_CUBIC)
        level = _Level(here, gap, free, rng)
        if level.hopeless:
            now = np.where(gap[..., None], guess, here)
            continue
        now, source = level.solved(guess, source, _ROUNDS[min(number, len(_ROUNDS) - 1)])
    if now.shape[:2] != hole.shape or source is None or source.shape[:2] != hole.shape:
        rows, columns = np.mgrid[: hole.shape[0], : hole.shape[1]]
        return Filled(np.where(hole[..., None], start, picture), np.stack([rows, columns], -1).astype(np.int32))
    return Filled(now, source)


def _levels(shape: tuple[int, int], hole: int) -> list[tuple[int, int]]:
    """Sizes, coarse to fine: coarse enough that the hole is a few patches wide."""
    thick = max(hole, 1) ** 0.5
    count = max(0, int(np.ceil(np.log2(max(thick / 7, 1)))))
    sizes = []
    for k in range(count, -1, -1):
        h, w = (max(1, round(side / 2**k)) for side in shape)
        if min(h, w) >= _LEAST_SIDE or k == 0:
            sizes.append((h, w))
    return sizes


class _Level:
    """One size of the picture: the patches that can be copied and those that meet the hole."""

    def __init__(
        self, picture: Field, hole: NDArray[np.bool_], known: NDArray[np.bool_], rng: np.random.Generator
    ) -> None:
        self.picture, self.hole, self.rng = picture, hole, rng
        self.h, self.w = hole.shape
        kernel = np.ones((2 * _RADIUS + 1,) * 2, np.uint8)
        bad = cv2.dilate((hole | ~known).astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
        inside = np.zeros(hole.shape, bool)
        inside[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS] = True
        self.good = (bad == 0) & inside
        self.sources = np.argwhere(self.good).astype(np.int32)
        self.targets = np.argwhere((cv2.dilate(hole.astype(np.uint8), kernel) > 0) & inside).astype(np.int32)
        self.hopeless = len(self.sources) < 16 or len(self.targets) == 0
        self._of_target = np.full(hole.shape, -1, np.int32)
        if not self.hopeless:
            self._of_target[self.targets[:, 0], self.targets[:, 1]] = np.arange(len(self.targets))
            self._mean, self._axes = self._components()
            self.features = np.zeros((self.h, self.w, self._axes.shape[1]), np.float32)
            self.features[self.sources[:, 0], self.sources[:, 1]] = self._projected(self.picture, self.sources)

    def solved(self, guess: Field, coarse: Places | None, rounds: int) -> tuple[Field, Places]:
        """Alternate matching and voting; the picture, and for each pixel of the hole where it comes from."""
        now = np.where(self.hole[..., None], guess, self.picture).astype(np.float32)
        match = self._first(now, coarse)
        for number in range(rounds):
            wanted = self._projected(now, self.targets)
            match, cost = self._searched(wanted, match)
            now = self._voted(now, match, cost, sharp=number == rounds - 1)
        field = np.moveaxis(np.mgrid[: self.h, : self.w], 0, -1).astype(np.int32)
        field[self.targets[:, 0], self.targets[:, 1]] = match
        return now, field

    def _components(self) -> tuple[Field, Field]:
        """Mean and principal axes of patches, from a sample."""
        some = self.sources
        if len(some) > 4000:
            some = some[self.rng.choice(len(some), 4000, replace=False)]
        rows = _patches(self.picture, some)
        mean = rows.mean(0)
        values, vectors = np.linalg.eigh(((rows - mean).T @ (rows - mean)).astype(np.float64))
        return mean, vectors[:, np.argsort(-values)[:_COMPONENTS]].astype(np.float32)

    def _projected(self, picture: Field, places: Places) -> Field:
        parts = [
            (_patches(picture, places[at : at + 20000]) - self._mean) @ self._axes
            for at in range(0, len(places), 20000)
        ]
        return np.concatenate(parts)

    def _first(self, now: Field, coarse: Places | None) -> Places:
        """Matches to begin with: all compared where that is cheap, else the coarser level's, else by chance."""
        if coarse is None or len(self.sources) * len(self.targets) <= _BRUTE:
            sample = self.sources
            most = max(1, _BRUTE * 4 // len(self.targets))
            if len(sample) > most:
                sample = sample[self.rng.choice(len(sample), most, replace=False)]
            return sample[_nearest(self._projected(now, self.targets), self.features[sample[:, 0], sample[:, 1]])]
        ch, cw = coarse.shape[:2]
        ratio = np.array([self.h / ch, self.w / cw])
        there = np.minimum(((self.targets + 0.5) / ratio).astype(int), [ch - 1, cw - 1])
        moved = np.rint((coarse[there[:, 0], there[:, 1]] - there) * ratio).astype(np.int32) + self.targets
        return self._valid(moved)

    def _valid(self, places: Places) -> Places:
        """Places at which nothing can be copied become others by chance."""
        places = np.clip(places, 0, [self.h - 1, self.w - 1]).astype(np.int32)
        wrong = ~self.good[places[:, 0], places[:, 1]]
        places[wrong] = self.sources[self.rng.integers(0, len(self.sources), int(wrong.sum()))]
        return places

    def _searched(self, wanted: Field, match: Places) -> tuple[Places, Field]:
        cost = self._cost(wanted, match)
        for step in _STEPS[::-1]:
            for dy, dx in ((0, step), (step, 0), (0, -step), (-step, 0)):
                near = self.targets + np.array([dy, dx], np.int32)
                within = (near >= 0).all(1) & (near[:, 0] < self.h) & (near[:, 1] < self.w)
                near = np.clip(near, 0, [self.h - 1, self.w - 1])
                other = self._of_target[near[:, 0], near[:, 1]]
                usable = within & (other >= 0)
                offered = match[np.maximum(other, 0)] - np.array([dy, dx], np.int32)
                match, cost = self._better(wanted, match, cost, offered, usable)
        reach = max(self.h, self.w) / 2
        while reach >= 1:
            shift = np.rint(self.rng.uniform(-reach, reach, match.shape)).astype(np.int32)
            match, cost = self._better(wanted, match, cost, match + shift, np.ones(len(match), bool))
            reach /= 3
        return match, cost

    def _better(
        self, wanted: Field, match: Places, cost: Field, offered: Places, usable: NDArray[np.bool_]
    ) -> tuple[Places, Field]:
        offered = np.clip(offered, 0, [self.h - 1, self.w - 1]).astype(np.int32)
        usable = usable & self.good[offered[:, 0], offered[:, 1]] & (offered != match).any(1)
        which = np.flatnonzero(usable)
        price = self._cost(wanted[which], offered[which])
        wins = price < cost[which]
        which = which[wins]
        match, cost = match.copy(), cost.copy()
        match[which], cost[which] = offered[np.asarray(which)], price[wins]
        return match, cost

    def _cost(self, wanted: Field, match: Places) -> Field:
        gap = wanted - self.features[match[:, 0], match[:, 1]]
        return np.asarray(np.einsum("ij,ij->i", gap, gap), np.float32)

    def _voted(self, before: Field, match: Places, cost: Field, *, sharp: bool) -> Field:
        """Each pixel of the hole from the patches that cover it, good ones counting more; at last almost one alone."""
        scale = np.percentile(cost, 60 if not sharp else 25) + 1.0
        weight = np.exp(-cost / (2 * scale)).astype(np.float32) + np.float32(1e-6)
        total = np.zeros((self.h, self.w, 3), np.float32)
        share = np.zeros((self.h, self.w, 1), np.float32)
        reach = 1 if sharp else _RADIUS
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                to = self.targets + np.array([dy, dx], np.int32)
                of = match + np.array([dy, dx], np.int32)
                w = weight[:, None] * np.float32(np.exp(-(dy * dy + dx * dx) / (2 * (reach / 1.5) ** 2)))
                total[to[:, 0], to[:, 1]] += w * self.picture[of[:, 0], of[:, 1]]
                share[to[:, 0], to[:, 1]] += w
        voted = total / np.maximum(share, 1e-12)
        filled_ = np.where(share > 0, voted, before)
        return np.where(self.hole[..., None], filled_, self.picture).astype(np.float32)


def _patches(picture: Field, places: Places) -> Field:
    """(N, 147) the patches around places, none of which is nearer to the border than the radius."""
    view = np.lib.stride_tricks.sliding_window_view(picture, (2 * _RADIUS + 1,) * 2, axis=(0, 1))
    return np.ascontiguousarray(view[places[:, 0] - _RADIUS, places[:, 1] - _RADIUS]).reshape(len(places), -1)


def _nearest(wanted: Field, offered: Field) -> NDArray[np.intp]:
    square = (offered**2).sum(1)
    parts = [(square - 2 * wanted[at : at + 512] @ offered.T).argmin(1) for at in range(0, len(wanted), 512)]
    return np.concatenate(parts)
