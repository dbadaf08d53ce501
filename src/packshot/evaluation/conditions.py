"""What a pack is asked for when it is evaluated: conditions of products it was not trained on, categories balanced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from packshot.errors import InputError
from packshot.evaluation.attributes import Wish
from packshot.prompt import EMBEDDING_LENGTH, SLOTS, colour_vector_of, embed, slot_index
from packshot.shards import ShardRow, read_shards

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """The condition of one picture, taken from a real product of the test split.

    Attributes:
        id: of the product.
        slots: slot -> name of its value, or None where nothing is said; see `packshot.prompt.SLOTS`.
        colours: (C, 4) OKLab and share of the product, largest first, C <= 2.
        caption: an English caption, empty where the row has none.
        seed: of the picture; differs between rows of one draw.
    """

    id: str
    slots: dict[str, str | None]
    colours: Array = field(compare=False)
    caption: str
    seed: int

    @property
    def wish(self) -> Wish:
        """What the picture is judged by."""
        return Wish(self.slots.get("category"), self.colours[0, :3] if len(self.colours) else None)


def draw_conditions(rows: Iterable[ConditionRow], count: int, seed: int) -> list[ConditionRow]:
    """Draw conditions one from each category in turn, until there are enough.

    A row is not drawn again before every row of every category has been: the pictures of the drawn products are then a
    fair reference for the pictures made for them.

    Args:
        rows: of the test split; rows without a category are passed over.
        count: wanted, 1 or more.
        seed: of the order; also of the rows' new seeds.

    Raises:
        InputError: no row has a category.
    """
    by_category: dict[str, list[ConditionRow]] = defaultdict(list)
    for row in rows:
        if category := row.slots.get("category"):
            by_category[category].append(row)
    if not by_category:
        raise InputError("test split", "no row with a category", "shards with test rows; see 'packshot data prepare'")
    random = np.random.default_rng(seed)
    queues = [[pool[k] for k in random.permutation(len(pool))] for _, pool in sorted(by_category.items())]
    order: list[ConditionRow] = []
    for turn in range(max(map(len, queues))):
        order += [queue[turn] for queue in queues if turn < len(queue)]
    return [
        ConditionRow(row.id, row.slots, row.colours, row.caption, seed * 1_000_003 + index)
        for index, row in enumerate(order[k % len(order)] for k in range(count))
    ]


def network_inputs(rows: Sequence[ConditionRow]) -> Iterator[tuple[NDArray[np.int64], Array, Array, int]]:
    """Conditions as generators' networks take them, one at a time.

    Yields:
        (S,) slot values, (8,) colour vector, (512,) sentence embedding (zeros without a caption), and the seed.

    Raises:
        InputError: a row has a slot value that the lexicon does not know.
    """
    for row in rows:
        try:
            slots = np.array([slot_index(slot, row.slots.get(slot)) for slot in SLOTS], np.int64)
        except KeyError as error:
            raise InputError(f"product {row.id}", error.args[0], "values of this version's lexicon") from None
        text = embed([row.caption])[0] if row.caption else np.zeros(EMBEDDING_LENGTH, np.float32)
        yield slots, colour_vector_of(row.colours.tolist()), text, row.seed


def condition_of(row: ShardRow) -> ConditionRow:
    """The condition that a shard's row stands for."""
    colours = np.asarray(row.colours, np.float32).reshape(-1, 4)
    captions = row.captions.get("en", ())
    return ConditionRow(row.id, dict(row.slots), colours, captions[0] if captions else "", 0)


def read_split(data: Path, split: str, keep: Callable[[str], bool] = lambda _: True) -> Iterator[ShardRow]:
    """Rows of one split whose id is wanted, streamed from shards.

    Raises:
        InputError: see `packshot.shards.read_shards`.
    """
    for row in read_shards(data):
        if row.split == split and keep(row.id):
            yield row
