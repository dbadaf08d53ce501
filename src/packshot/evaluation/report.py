"""Evaluation of a generator: streams of pictures in, one report out. Knows nothing of how pictures are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from packshot.errors import InputError, RequestError
from packshot.evaluation.attributes import AttributeCount, AttributeScores, Wish, plain
from packshot.evaluation.conditions import ConditionRow, condition_of, draw_conditions, read_split
from packshot.evaluation.features import FeatureExtractor, JudgeFeatures, open_features
from packshot.evaluation.judge import Judge, resized
from packshot.evaluation.metrics import (
    FeatureStatistics,
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from packshot.evaluation.neighbours import Neighbours, find_neighbours
from packshot.shards import ShardRow, read_dataset

Pixels = NDArray[np.uint8]
Asked = tuple[Pixels, Wish]

SMALLEST_COUNT = 12
"""Pictures on each side below which the set measures have no meaning (density and coverage look at five neighbours)."""
LARGEST_COUNT = 50_000
_BATCH = 64


@dataclass(frozen=True, slots=True)
class DistributionScores:
    """How a set of generated pictures lies to a set of real ones in one space of features.

    Attributes:
        features: name of the space.
        fid: see `metrics.frechet_distance`; falls with the number of pictures, so compare at equal numbers only.
        kid: see `metrics.kernel_distance`.
        kid_deviation: between its blocks.
        precision: see `metrics.precision_recall`.
        recall: see there.
        density: see `metrics.density_coverage`.
        coverage: see there.
    """

    features: str
    fid: float
    kid: float
    kid_deviation: float
    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Everything measured.

    Attributes:
        generated: what the judge and the colour measurement say of the generated pictures.
        real: the same instruments on real pictures: the most that can be expected.
        distributions: one entry a feature extractor.
        neighbours: nearest training pictures in the judge's features, or None where no training pictures were given.
    """

    generated: AttributeScores
    real: AttributeScores
    distributions: tuple[DistributionScores, ...]
    neighbours: Neighbours | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; NaN becomes None."""
        copying = None
        if self.neighbours is not None:
            copying = {
                "share_nearer": self.neighbours.share_nearer,
                "expected_share": self.neighbours.percentile / 100,
                "threshold": self.neighbours.threshold,
                "generated_median": float(np.median(self.neighbours.distances)),
                "real_median": self.neighbours.real_median,
                "closest": self.neighbours.closest(20),
            }
        values: dict[str, Any] = plain(
            {
                "generated": asdict(self.generated),
                "real": asdict(self.real),
                "distributions": {scores.features: asdict(scores) for scores in self.distributions},
                "neighbours": copying,
            }
        )
        return values

    def table(self) -> Table:
        """For a terminal."""
        table = Table("measure", "generated", "real pictures", title=_title(self))
        for row in _attribute_rows(self.generated, self.real):
            table.add_row(*row)
        for scores in self.distributions:
            table.add_section()
            for name, value in _distribution_rows(scores):
                table.add_row(f"{name} ({scores.features})", value, "")
        if (found := self.neighbours) is not None:
            table.add_section()
            name = f"nearer to training than {found.percentile:g} % of real"
            table.add_row(name, _percent(found.share_nearer), f"{found.percentile:.1f} %")
        table.add_section()
        for category, share in self.generated.category_accuracies.items():
            real = self.real.category_accuracies.get(category, float("nan"))
            table.add_row(f"  {category}", _percent(share), _percent(real))
        return table


def evaluate(
    generated: Iterable[Asked],
    real: Iterable[Asked],
    *,
    features: Sequence[FeatureExtractor],
    judge: Judge,
    train_pictures: Iterable[Pixels] | None = None,
) -> EvaluationReport:
    """Measure generated pictures against wishes, real pictures and training pictures.

    Pictures are consumed as they come; only feature vectors are kept (512 bytes a picture with the judge's alone).

    Args:
        generated: (H, W, 3) sRGB bytes with what each was asked to show.
        real: held-out real pictures with what they show.
        features: spaces for the set measures, each taking one pass of its network a picture.
        judge: reads categories and colours, and measures nearness to training pictures.
        train_pictures: every picture the generator was trained on; None leaves out the figure about copying.

    Raises:
        InputError: a side has fewer than `SMALLEST_COUNT` pictures.
    """
    ours, theirs = _gather(generated, features, judge), _gather(real, features, judge)
    for where, gathered in (("generated pictures", ours), ("real pictures", theirs)):
        if gathered.scores.pictures < SMALLEST_COUNT:
            raise InputError(where, gathered.scores.pictures, f"{SMALLEST_COUNT} or more")
    distributions = tuple(
        compare(extractor.name, y, x) for extractor, y, x in zip(features, ours.features, theirs.features, strict=True)
    )
    neighbours = None
    if train_pictures is not None:
        read = JudgeFeatures(judge)
        train = [read(batch) for batch in _batches(train_pictures, judge.resolution)]
        if not train:
            raise InputError("training pictures", "none", "one or more")
        neighbours = find_neighbours(ours.judged, np.concatenate(train), theirs.judged)
    return EvaluationReport(ours.scores, theirs.scores, distributions, neighbours)


def evaluate_pack(
    generate: Callable[[Sequence[ConditionRow]], Iterator[Pixels]],
    data: Path,
    *,
    count: int,
    seed: int,
    features: Sequence[str],
    judge: str | None = None,
    fine_side: int | None = None,
) -> EvaluationReport:
    """Evaluate whatever makes pictures from conditions of the test split; categories are balanced.

    The real pictures are those of the drawn products, so that both sides show the same mixture. Both are compared at
    one side, that of the shards' pictures where generated ones are larger: sharpness alone would set them apart.

    Args:
        generate: yields one picture a row, in order.
        data: folder of shards.
        count: pictures, `SMALLEST_COUNT` to `LARGEST_COUNT`.
        seed: of the draw.
        features: names; see `features.open_features`.
        judge: name or folder of a judge's pack; None takes the shipped one.
        fine_side: compare with the fine pictures of held-out products, reduced to this side, and pass over products
            that have none; None compares with the others.

    Raises:
        RequestError: `count` is out of range or features are unknown.
        InputError: the shards lack what is needed, or `generate` yields another number of pictures than asked for.
    """
    if not SMALLEST_COUNT <= count <= LARGEST_COUNT:
        raise RequestError("count", f"{count:,}", f"{SMALLEST_COUNT} to {LARGEST_COUNT:,}")
    reader = Judge.open(judge) if judge is not None else Judge.open()
    extractors = [open_features(name, reader) for name in features]
    held_out = (row for row in read_split(data, "test") if fine_side is None or row.fine_picture is not None)
    conditions = draw_conditions(map(condition_of, held_out), count, seed)
    drawn = {row.id for row in conditions}
    real = ((_real(row, fine_side), condition_of(row).wish) for row in read_split(data, "test", drawn.__contains__))
    side = fine_side or int(read_dataset(data)["resolution"])
    return evaluate(
        _with_wishes((_at_most(pixels, side) for pixels in generate(conditions)), conditions),
        real,
        features=extractors,
        judge=reader,
        train_pictures=(row.pixels for row in read_split(data, "train")),
    )


def _real(row: ShardRow, fine_side: int | None) -> Pixels:
    fine = row.fine_pixels if fine_side else None
    return row.pixels if fine is None or fine_side is None else _at_most(fine, fine_side)


def _at_most(pixels: Pixels, side: int) -> Pixels:
    return pixels if pixels.shape[0] <= side else resized(pixels[None], side)[0]


def compare(name: str, generated: NDArray[np.float32], real: NDArray[np.float32]) -> DistributionScores:
    """All set measures between generated (N, D) and real (M, D) feature vectors called `name`."""
    ours, theirs = FeatureStatistics.of([generated]), FeatureStatistics.of([real])
    kid = kernel_distance(generated, real)
    return DistributionScores(
        name,
        frechet_distance(ours.mean, ours.covariance, theirs.mean, theirs.covariance),
        kid.mean,
        kid.deviation,
        *precision_recall(real, generated),
        *density_coverage(real, generated),
    )


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What is left of a stream of pictures: scores, features of each extractor, features of the judge."""

    scores: AttributeScores
    features: list[NDArray[np.float32]]
    judged: NDArray[np.float32]


def _gather(pictures: Iterable[Asked], extractors: Sequence[FeatureExtractor], judge: Judge) -> _Gathered:
    count = AttributeCount(judge.categories)
    found: list[list[NDArray[np.float32]]] = [[] for _ in extractors]
    judged: list[NDArray[np.float32]] = []
    source = iter(pictures)
    while batch := list(islice(source, _BATCH)):
        small = _stacked([pixels for pixels, _ in batch], judge.resolution)
        whole = np.stack([pixels for pixels, _ in batch]) if _one_shape(batch) else small
        reading = judge.read(small)
        # Colour is measured at the judge's resolution: a main colour needs no detail, and time grows with the pixels.
        count.add(small, [wish for _, wish in batch], reading)
        judged.append(reading.features)
        for parts, extractor in zip(found, extractors, strict=True):
            parts.append(reading.features if extractor.name == judge.name else extractor(whole))
    if not judged:
        raise InputError("pictures", "none", f"{SMALLEST_COUNT} or more")
    return _Gathered(count.scores(), [np.concatenate(parts) for parts in found], np.concatenate(judged))


def _one_shape(batch: Sequence[Asked]) -> bool:
    return len({pixels.shape for pixels, _ in batch}) == 1


def _stacked(pictures: Sequence[Pixels], side: int) -> Pixels:
    return np.concatenate([resized(pixels[None], side) for pixels in pictures])


def _batches(pictures: Iterable[Pixels], side: int) -> Iterator[Pixels]:
    source = iter(pictures)
    while batch := list(islice(source, _BATCH)):
        yield _stacked(batch, side)


def _with_wishes(pictures: Iterable[Pixels], rows: Sequence[ConditionRow]) -> Iterator[Asked]:
    made = 0
    for made, pixels in enumerate(pictures, 1):
        if made > len(rows):
            break
        yield pixels, rows[made - 1].wish
    if made != len(rows):
        got = f"more than {len(rows)} pictures" if made > len(rows) else f"{made} pictures"
        raise InputError("generator", got, f"{len(rows)}, one for each condition")


def _title(report: EvaluationReport) -> str:
    return f"{report.generated.pictures:,} generated and {report.real.pictures:,} real held-out pictures"


def _attribute_rows(generated: AttributeScores, real: AttributeScores) -> list[tuple[str, ...]]:
    shares = (
        ("category right (judge)", "category_accuracy"),
        ("category among the judge's first two", "category_in_two"),
        ("colour right (measured)", "colour_right"),
        ("colour right (measured and judge)", "colour_agreed"),
        ("no product found", "no_product"),
    )
    rows: list[tuple[str, ...]] = [
        (name, _percent(getattr(generated, key)), _percent(getattr(real, key))) for name, key in shares
    ]
    medians = (f"{scores.delta_e_median:.1f}" for scores in (generated, real))
    return [*rows, ("ΔE2000 to the colour asked for, median", *medians)]


def _distribution_rows(scores: DistributionScores) -> list[tuple[str, str]]:
    return [
        ("FID", f"{scores.fid:.3g}"),
        ("KID", f"{scores.kid:.3g} ± {scores.kid_deviation:.1g}"),
        ("precision", _percent(scores.precision)),
        ("recall", _percent(scores.recall)),
        ("density", f"{scores.density:.2f}"),
        ("coverage", _percent(scores.coverage)),
    ]


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f} %"
