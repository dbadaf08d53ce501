"""Which entries of the lists a text names, however it spells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from packshot.safety.context import Surroundings
from packshot.safety.folding import NONE, STOP, Folded, fold, is_han, masks, ordinary, skeleton, view_of
from packshot.safety.rules import Entry, Rules

_SHORTEST = 4
"""Letters of a name from which on tricks are looked for: shorter ones are too near to other words."""
_RUNS = re.compile(r"(.)\1{2,}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A name in a text.

    Attributes:
        entry: that it is of.
        spelling: as the list has it.
        said: as it was typed.
        start: first character in the folded text.
        end: after its last one.
    """

    entry: Entry
    spelling: str
    said: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Name:
    """A spelling, ready to be looked for."""

    entry: Entry
    spelling: str
    view: str
    common: bool

    @property
    def strong(self) -> bool:
        """Whether tricks are looked for."""
        return not self.common and len(self.view) >= _SHORTEST


class Matcher:
    """Finds the names of some rules; made once for them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._plain: dict[str, list[_Name]] = {}
        self._drawn: dict[str, list[_Name]] = {}
        self._han: dict[str, list[_Name]] = {}
        self._strong: dict[str, list[_Name]] = {}
        for name in _names(rules):
            if not name.view.isascii() and any(map(is_han, name.view)):
                self._han.setdefault(name.view[0], []).append(name)
                continue
            self._plain.setdefault(name.view, []).append(name)
            if len(name.view) >= _SHORTEST:
                self._drawn.setdefault(skeleton(name.view), []).append(name)
            if name.strong:
                self._strong.setdefault(name.view, []).append(name)
        self._longest = 1 + max(map(len, self._plain), default=0)

    @cached_property
    def _surroundings(self) -> Surroundings:
        return Surroundings(self._rules.contexts)

    def find(self, text: str) -> list[Hit]:
        """Every name in a text, in order; where one lies in another, the longer alone."""
        folded = fold(text)
        found = [hit for name, start, end in self._candidates(folded) for hit in self._hit(name, folded, start, end)]
        found.sort(key=lambda hit: (hit.start, -hit.end))
        kept: list[Hit] = []
        for hit in found:
            if not kept or hit.end > kept[-1].end:
                kept.append(hit)
        return kept

    def _candidates(self, folded: Folded) -> Iterator[tuple[_Name, int, int]]:
        for start, letter in enumerate(folded.view):
            for name in self._han.get(letter, ()):
                end = start + len(name.view)
                if folded.view.startswith(name.view, start) and _whole(folded, start, end):
                    yield name, start, end
        for at in range(len(folded.pieces)):
            for last in range(at, len(folded.pieces)):
                start, end = folded.pieces[at][0], folded.pieces[last][1]
                if last > at and (end - start > self._longest or not _goes_on(folded, last)):
                    break
                for name in self._spelled(folded, start, end):
                    if _fairly_divided(name, folded, at, last):
                        yield name, start, end
            yield from self._in_compound(folded, *folded.pieces[at])

    def _spelled(self, folded: Folded, start: int, end: int) -> list[_Name]:
        """Names that a stretch of the view may be, first as they are, then in the plural, then disguised."""
        view = folded.view[start:end]
        found = list(self._plain.get(view, ()))
        for form in _forms(view)[1:]:
            found += self._strong.get(form, ())
        if _is_odd(folded, start, end):
            for form in _forms(view):
                found += self._drawn.get(skeleton(form), ())
            if masks() & set(view):
                found += self._masked(view)
        return found

    def _masked(self, view: str) -> Iterator[_Name]:
        hidden = sum(letter in masks() for letter in view)
        if view[0] in masks() or 2 * hidden > len(view):
            return
        pattern = re.compile("".join("." if letter in masks() else re.escape(letter) for letter in view))
        for spelling, names in self._strong.items():
            if pattern.fullmatch(spelling):
                yield from names

    def _in_compound(self, folded: Folded, start: int, end: int) -> Iterator[tuple[_Name, int, int]]:
        """Names that are run together with a word of a context: nikeshoes."""
        view = folded.view[start:end]
        for cut in range(_SHORTEST, len(view) - 2):
            if view[:cut] in self._strong and self._surroundings.knows(view[cut:]):
                yield from ((name, start, start + cut) for name in self._strong[view[:cut]])
            if view[-cut:] in self._strong and self._surroundings.knows(view[:-cut]):
                yield from ((name, end - cut, end) for name in self._strong[view[-cut:]])

    def _hit(self, name: _Name, folded: Folded, start: int, end: int) -> Iterator[Hit]:
        entry = name.entry
        if any(_covers(fold(phrase), folded, start, end) for phrase in entry.exceptions):
            return
        disguised = not folded.view.startswith(name.view, start)
        if not name.common or disguised or self._surroundings.mean(folded, start, end, entry.category, entry.contexts):
            yield Hit(entry, name.spelling, folded.said(start, end), start, end)


def _names(rules: Rules) -> Iterator[_Name]:
    for entry in rules.entries.values():
        for spellings, common in ((entry.names, False), (entry.common, True)):
            for spelling in spellings:
                if view := view_of(spelling):
                    yield _Name(entry, spelling, view, common)


def _forms(view: str) -> list[str]:
    """A word as it is, in the singular, and with letters that are drawn out (niiike) only once or twice."""
    forms = [view]
    if len(view) > _SHORTEST and view.endswith("s"):
        forms.append(view[:-1])
    if _RUNS.search(view):
        forms += [_RUNS.sub(r"\1", view), _RUNS.sub(r"\1\1", view)]
    return forms


def _is_odd(folded: Folded, start: int, end: int) -> bool:
    """Whether digits, signs or capitals inside a word say that it may be disguised."""
    for at in range(start, end):
        if not folded.view[at].isalpha():
            return True
        if at > start and folded.gaps[at] == NONE and folded.capitals[at] != folded.capitals[at - 1]:
            first = at - 1 == start or folded.gaps[at - 1] != NONE
            if folded.capitals[at] or not first:
                return True
    return False


def _whole(folded: Folded, start: int, end: int) -> bool:
    """Whether a Chinese name is not torn by the end of a phrase, and Latin letters at its ends are whole words."""
    if STOP in folded.gaps[start + 1 : end]:
        return False
    return not any(
        0 < at < len(folded.view)
        and folded.gaps[at] == NONE
        and not is_han(folded.view[at - 1])
        and not is_han(folded.view[at])
        for at in (start, end)
    )


def _goes_on(folded: Folded, last: int) -> bool:
    """Whether a piece belongs to the phrase of the piece before."""
    start = folded.pieces[last][0]
    return folded.pieces[last - 1][1] == start and folded.gaps[start] != STOP


def _fairly_divided(name: _Name, folded: Folded, at: int, last: int) -> bool:
    """Whether the gaps in a stretch are the name's own, or look like a name that was pulled apart."""
    pieces = folded.pieces[at : last + 1]
    origin, own = pieces[0][0], {start for start, _ in fold(name.spelling).pieces}
    if all(folded.gaps[start] == NONE or start - origin in own for start, _ in pieces[1:]):
        return True
    words = [folded.view[start:end] for start, end in pieces]
    if not name.strong or all(word in ordinary() for word in words):
        return False
    return len(words) > 2 or not any(len(word) == 1 and word in ordinary() for word in words)


def _covers(exception: Folded, folded: Folded, start: int, end: int) -> bool:
    """Whether an exception's phrase lies over a stretch, with gaps between the same Latin letters."""
    at = folded.view.find(exception.view, max(0, end - len(exception.view)))
    while 0 <= at <= start:
        same = all(
            is_han(exception.view[offset]) or bool(folded.gaps[at + offset]) is bool(exception.gaps[offset])
            for offset in range(1, len(exception.view))
        )
        if same:
            return True
        at = folded.view.find(exception.view, at + 1)
    return False
