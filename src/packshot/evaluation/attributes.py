"""Do pictures show what was asked for? Counts over a stream: category by the judge, colour by measurement and judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.evaluation.colours import TERM_OF_WORD, read_colour
from packshot.evaluation.judge import JudgeReading


@dataclass(frozen=True, slots=True)
class Wish:
    """What one picture was asked to show.

    Attributes:
        category: an entry of the category lexicon, or None where none was asked for.
        colour: (3,) OKLab, or None where none was asked for.
    """

    category: str | None
    colour: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class AttributeScores:
    """Shares in [0, 1]; NaN where nothing was asked.

    Attributes:
        pictures: how many were looked at.
        category_accuracy: share whose category, as the judge reads it, is the one asked for.
        category_in_two: share whose category is among the judge's two most probable. Sellers themselves disagree on
            casual and sports shoes, flats and heels: where this is high, the mistakes are of that kind.
        category_accuracies: category -> `category_accuracy` among the pictures asked to show it.
        confusions: (asked, read, count), commonest first, at most twelve.
        unjudged: pictures asked for a category that the judge has not learned; they are in no category figure.
        colour_right: share whose measured basic term is the requested colour's (`colours.ColourReading.right`).
        colour_agreed: share where, besides, the judge's colour word has that basic term.
        no_product: share in which no product stands out from the background; their colour counts as wrong.
        delta_e_median: CIEDE2000 between requested and rendered main colour.
        delta_e_mean: the same, mean.
    """

    pictures: int
    category_accuracy: float
    category_in_two: float
    category_accuracies: dict[str, float]
    confusions: list[tuple[str, str, int]]
    unjudged: int
    colour_right: float
    colour_agreed: float
    no_product: float
    delta_e_median: float
    delta_e_mean: float


class AttributeCount:
    """Collects scores batch by batch."""

    def __init__(self, known: Sequence[str]) -> None:
        """Start at nothing.

        Args:
            known: categories of the judge, in the order of its probabilities.
        """
        self._known = tuple(known)
        self._read: Counter[tuple[str, str]] = Counter()
        self._pictures = self._in_two = self._unjudged = self._coloured = self._right = self._agreed = self._empty = 0
        self._delta_e: list[float] = []

    def add(self, pictures: NDArray[np.uint8], wishes: Sequence[Wish], reading: JudgeReading) -> None:
        """Take in N pictures (N, H, W, 3), what each was asked to show, and what the judge read in them."""
        self._pictures += len(pictures)
        rows = zip(pictures, wishes, reading.categories, reading.category_probabilities, reading.colours, strict=True)
        for pixels, wish, category, probabilities, word in rows:
            if wish.category in self._known:
                self._read[wish.category, category] += 1
                self._in_two += int((probabilities > probabilities[self._known.index(wish.category)]).sum()) < 2
            elif wish.category is not None:
                self._unjudged += 1
            if wish.colour is not None:
                self._add_colour(pixels, wish.colour, word)

    def _add_colour(self, pixels: NDArray[np.uint8], asked: NDArray[np.float32], word: str) -> None:
        colour = read_colour(pixels, asked)
        self._coloured += 1
        self._right += colour.right
        self._agreed += colour.right and TERM_OF_WORD[word] == colour.asked_term
        if colour.term is None:
            self._empty += 1
        else:
            self._delta_e.append(colour.delta_e)

    def scores(self) -> AttributeScores:
        """The scores of everything added so far."""
        asked: Counter[str] = Counter()
        for (category, _), count in self._read.items():
            asked[category] += count
        right = {category: self._read[category, category] for category in asked}
        wrong = [(*pair, count) for pair, count in self._read.most_common() if pair[0] != pair[1]]
        return AttributeScores(
            pictures=self._pictures,
            category_accuracy=_share(sum(right.values()), sum(asked.values())),
            category_in_two=_share(self._in_two, sum(asked.values())),
            category_accuracies={category: right[category] / asked[category] for category in sorted(asked)},
            confusions=wrong[:12],
            unjudged=self._unjudged,
            colour_right=_share(self._right, self._coloured),
            colour_agreed=_share(self._agreed, self._coloured),
            no_product=_share(self._empty, self._coloured),
            delta_e_median=float(np.median(self._delta_e)) if self._delta_e else float("nan"),
            delta_e_mean=float(np.mean(self._delta_e)) if self._delta_e else float("nan"),
        )


def plain(value: Any) -> Any:
    """Values that JSON knows, at any depth: tuples become lists, NaN and infinity None, floats keep six digits."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
