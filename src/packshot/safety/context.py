"""Whether a word that has other meanings is a name where it stands: apple in 'apple phone', not in 'apple green'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from packshot.safety.folding import STOP, Folded, is_han, view_of

_NEAR = 4
"""Words after a common word among which a product makes it a brand's name ('coach dark brown handbag')."""
_BESIDE = 2
"""Words before and after it among which 'brand', 'logo' or 'portrait' do."""
_BREAKS = frozenset(
    ("a", "an", "the", "and", "or", "on", "in", "at", "near", "with", "without", "beside", "under", "over", "for", "to",
     "of", "next", "by", "from", "like", "as", "than")
)  # fmt: skip
"""Words at which the phrase that a name stands in is over."""
_TAKES_NAME = frozenset(("by", "from"))
_BETWEEN = re.compile("(?:牌|的|新款|最新款|款|新)?(?:.{1,2}色)?(?:的)?")
"""What may stand between a Chinese name and its product."""
_OWN = {"brands": "brand", "people": "person"}
"""The context that all entries of a category have."""


class Surroundings:
    """Words of contexts, and the judgement by them."""

    def __init__(self, contexts: Mapping[str, Iterable[str]]) -> None:
        folded = {name: [view_of(word) for word in words] for name, words in contexts.items()}
        self._latin = {name: frozenset(w for w in words if not is_han(w[0])) for name, words in folded.items()}
        self._han = {name: tuple(w for w in words if is_han(w[0])) for name, words in folded.items()}
        self._products = frozenset().union(*(self._latin[name] for name in self._latin if name not in _NO_PRODUCTS))

    def knows(self, word: str) -> bool:
        """Whether a Latin word is of one of the contexts of products."""
        return word in self._products

    def mean(self, folded: Folded, start: int, end: int, category: str, contexts: Iterable[str]) -> bool:
        """Whether a stretch of a text is meant as a name.

        Args:
            folded: the text.
            start: of the stretch in its view.
            end: behind it.
            category: of the entry.
            contexts: names of those that say so.
        """
        own = _OWN.get(category, "")
        wanted = (*contexts, own)
        latin = frozenset().union(*(self._latin.get(name, frozenset()) for name in wanted))
        han = tuple(word for name in wanted for word in self._han.get(name, ()))
        after, before = _words_after(folded, end), _words_before(folded, start)
        chinese, person = is_han(folded.view[start]), category == "people"
        if self._is_shape(folded, after, end):
            return False
        if self._beside(before, after, own) or (not person and latin & set(_phrase(after)[:_NEAR])):
            return True  # 'apple logo', 'coach dark brown handbag'
        if _followed(folded, end, (*han, *latin) if chinese else han) or _led(folded, start, han):
            return True  # 苹果牌手机, 明星王菲
        if chinese:
            return person and bool(folded.gaps[start] and folded.gaps[end])  # nothing but the name
        said = (
            person or latin & {folded.view[a:b] for a, b in folded.pieces} or any(word in folded.view for word in han)
        )
        by = bool(before) and before[0] in _TAKES_NAME and folded.gaps[end] == STOP
        return bool(said) and (by or _is_proper(folded, start))  # 'a handbag by coach', 'red handbag, Coach style'

    def _beside(self, before: list[str], after: list[str], own: str) -> bool:
        words = self._latin.get(own, frozenset())
        new = after[:2] == ["brand", "new"]
        return bool(words & {*before[:_BESIDE], *(after[:_BESIDE] if not new else ())})

    def _is_shape(self, folded: Folded, after: list[str], end: int) -> bool:
        """Whether what comes right behind says that the thing itself is meant, or its colour or taste."""
        latin = bool(after) and after[0] in self._latin.get("shapes", ())
        return latin or folded.view.startswith(self._han.get("shapes", ()), end)


_NO_PRODUCTS = ("shapes", "person")


def _words_after(folded: Folded, end: int) -> list[str]:
    """The Latin words behind a stretch, as far as its phrase goes."""
    found: list[str] = []
    next_ = end
    for start, stop in folded.pieces:
        if start < end:
            continue
        if start != next_ or folded.gaps[start] == STOP:
            break
        found.append(folded.view[start:stop])
        next_ = stop
    return found


def _words_before(folded: Folded, start: int) -> list[str]:
    """The Latin words before a stretch, the nearest first."""
    found: list[str] = []
    next_ = start
    for first, stop in reversed(folded.pieces):
        if stop > start:
            continue
        if stop != next_ or folded.gaps[next_] == STOP:
            break
        found.append(folded.view[first:stop])
        next_ = first
    return found


def _phrase(words: list[str]) -> list[str]:
    for number, word in enumerate(words):
        if word in _BREAKS:
            return words[:number]
    return words


def _followed(folded: Folded, end: int, words: tuple[str, ...]) -> bool:
    """Whether a product's Chinese word comes behind, also after a colour or 牌."""
    if folded.gaps[end] == STOP:
        return False
    between = _BETWEEN.match(folded.view, end)
    places = {end, between.end() if between else end}
    return any(folded.view.startswith(words, at) for at in places if STOP not in folded.gaps[end : at + 1])


def _led(folded: Folded, start: int, words: tuple[str, ...]) -> bool:
    if folded.gaps[start] == STOP:
        return False
    before = folded.view[:start]
    return before.removesuffix("的").endswith(words)


def _is_proper(folded: Folded, start: int) -> bool:
    """Whether a capital letter inside a sentence marks a name: other words begin small, and it is not the first."""
    if not folded.capitals[start] or start == 0:
        return False
    others = [a for a, _ in folded.pieces if a != start and folded.gaps[a] and folded.view[a].isalpha()]
    small = sum(not folded.capitals[a] for a in others)
    return small > 0 and 2 * small >= len(others)
