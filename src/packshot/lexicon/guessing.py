"""What product an unknown word may be, by sentence embedding. Only asked where the known words name no product.

Measured at `THRESHOLD` with words that neither the lexicon nor the decoys hold: of 87 names of other things and noise
none was taken for a product (of 68 at 0.68: one; at 0.66: five); of 53 rare names of products 31 were, 22 as the right
one and the rest as a neighbour (雨靴 as flat shoes). Misspellings are mostly missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from packshot.embedding import embed
from packshot.lexicon import Entry, lexicon, own_kinds
from packshot.lexicon.tokens import normalise, tokenise

THRESHOLD = 0.70
"""Cosine similarity from which a word is taken for a product."""
_COLLISION = 0.995
"""From here two different words are one to the encoder: it has no piece for their rare characters (锤子 and 袜子)."""
_OF_CATEGORIES, _OF_OTHERS = 8, 3
_LONGEST_RUN = 32
"""Unknown words looked at, so that a long text of nonsense stays cheap."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A word taken for a product.

    Attributes:
        word: as typed.
        category: the entry's key.
        term: the known word it is nearest to.
        similarity: cosine, `THRESHOLD` to 1.
    """

    word: str
    category: str
    term: str
    similarity: float


def guess_category(words: Sequence[str]) -> Guess | None:
    """The likeliest product among unknown words, or None where none is near enough to a known one.

    A word counts only where the nearest of all known terms and decoys is a product's.
    """
    words = words[:_LONGEST_RUN]
    if not words:
        return None
    terms, categories, vectors = _known(tuple(entry for entry, _ in own_kinds().values()))
    similarity = embed(list(words)) @ vectors.T
    nearest = similarity.argmax(1)
    best: Guess | None = None
    for word, index, row in zip(words, nearest, similarity, strict=True):
        category, value = categories[int(index)], float(row[index])
        if category is not None and THRESHOLD <= value < _COLLISION and (best is None or value > best.similarity):
            best = Guess(word, category, terms[int(index)], min(value, 1.0))
    return best


@cache
def _known(_own: tuple[Entry, ...]) -> tuple[list[str], list[str | None], NDArray[np.float32]]:
    """Terms, the category of each (None for whatever is no product), and their embeddings (N, 512)."""
    words = lexicon()
    pairs: dict[str, str | None] = dict.fromkeys(words.decoys)
    for entries in (*(words.slots[slot] for slot in words.slots if slot != "category"), words.colours):
        for entry in entries.values():
            pairs |= dict.fromkeys((*entry.en[:_OF_OTHERS], *entry.zh[:_OF_OTHERS]))
    for entry in words.slots["category"].values():
        pairs |= dict.fromkeys((*entry.en[:_OF_CATEGORIES], *entry.zh[:_OF_CATEGORIES]), entry.key)
    pairs = {word: key for word, key in pairs.items() if _is_telling(word)}
    terms = list(pairs)
    return terms, list(pairs.values()), embed(terms)


def _is_telling(word: str) -> bool:
    """False for words the encoder hardly sees: a single Han character, and mixtures such as T恤, near to any noise."""
    kinds = [token.kind for token in tokenise(normalise(word))]
    return len(set(kinds)) == 1 and (kinds[0] != "han" or len(kinds) > 1)
