"""Tokens -> spans with meanings: the segmentation that leaves the least text unexplained, in the fewest terms.

That is longest match first, made safe against greedy mistakes (运动|鞋子 rather than 运动鞋|子). Ties go to the longer
first term.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from packshot.lexicon import SLOTS, Lexicon, Meaning
from packshot.lexicon.tokens import Token, tokenise

_FILLER = (Meaning("filler", ""),)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the text.

    Attributes:
        forms: of its tokens.
        text: as typed.
        meanings: empty where it is not understood.
        kind: of its tokens; see `Token`.
    """

    forms: tuple[str, ...]
    text: str
    meanings: tuple[Meaning, ...]
    kind: str

    def key(self, role: str) -> str | None:
        """The entry it stands for in a role, None where it has no such meaning."""
        return next((m.key for m in self.meanings if m.role == role), None)


def segment(text: str, words: Lexicon) -> list[Span]:
    """Split a normalised text into spans, in order."""
    tokens = tokenise(text)
    spans = list(_joined(_best_cover(tokens, text, words), text))
    has_category = any(span.key("category") is not None for span in spans)
    return _without_weak(spans, has_category)


def parts_of(span: Span, words: Lexicon) -> list[Meaning]:
    """Attributes and colours named inside a product's term: 'leather shoes' says leather. Longer parts win."""
    found: list[Meaning] = []
    taken: set[int] = set()
    count = len(span.forms)
    roles = SLOTS[1:] if span.key("category") in words.own else (*SLOTS[1:], "colour")
    for length in range(count - 1, 0, -1):
        for start in range(count - length + 1):
            places = set(range(start, start + length))
            meanings = words.terms.get(span.forms[start : start + length], ())
            useful = [m for m in meanings if m.role in roles]
            if useful and not places & taken:
                found += useful
                taken |= places
    return found


def _best_cover(tokens: Sequence[Token], text: str, words: Lexicon) -> Iterator[Span]:
    """Dynamic programme from the right over (unexplained tokens, terms)."""
    count = len(tokens)
    costs: list[tuple[int, int]] = [(0, 0)] * (count + 1)
    choices: list[tuple[int, tuple[Meaning, ...]]] = [(1, ())] * count
    for start in range(count - 1, -1, -1):
        unknown, terms = costs[start + 1]
        open_ = tokens[start].kind in ("word", "han") and not tokens[start].form.isdecimal()
        costs[start], choices[start] = (unknown + open_, terms), (1, ())
        for length in range(min(words.longest, count - start), 0, -1):
            meanings = _meanings(tokens[start : start + length], words)
            unknown, terms = costs[start + length]
            if meanings and (unknown, terms + 1) < costs[start]:
                costs[start], choices[start] = (unknown, terms + 1), (length, meanings)
    start = 0
    while start < count:
        length, meanings = choices[start]
        piece = tokens[start : start + length]
        if not meanings and piece[0].form.isdecimal():
            meanings = _FILLER
        yield Span(tuple(t.form for t in piece), text[piece[0].start : piece[-1].end], meanings, piece[0].kind)
        start += length


def _meanings(tokens: Sequence[Token], words: Lexicon) -> tuple[Meaning, ...]:
    """Look a run of tokens up as it is, then without possessives, then with its last word in the singular."""
    forms = tuple(t.form for t in tokens)
    found = words.terms.get(forms)
    if found is not None or tokens[-1].kind != "word":
        return found or ()
    plain = tuple(form.removesuffix("'s") for form in forms)
    if plain != forms and plain in words.terms:
        return words.terms[plain]
    for last in _singulars(plain[-1]):
        found = words.terms.get((*plain[:-1], last))
        if found is not None:
            return found
    return ()


def _singulars(word: str) -> Iterator[str]:
    if len(word) > 4 and word.endswith("ies"):
        yield word[:-3] + "y"
    if len(word) > 4 and word.endswith("es"):
        yield word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]


def _joined(spans: Iterator[Span], text: str) -> Iterator[Span]:
    """Join neighbouring Han characters that are not understood into one word."""
    held: Span | None = None
    for span in spans:
        loose = span.kind == "han" and not span.meanings
        if held is not None and loose:
            held = _merged(held, span)
            continue
        if held is not None:
            yield held
        held = span if loose else None
        if not loose:
            yield span
    if held is not None:
        yield held


def _without_weak(spans: Sequence[Span], has_category: bool) -> list[Span]:
    """Take back single Han characters that begin a word we do not know: 表 in 表妹 is no watch.

    Colours and genders are taken back only where the prompt names no product, so that 红鳄纹包 stays red while 红茶 is
    unknown.
    """
    result: list[Span] = []
    for span in reversed(spans):
        after = result[-1] if result else None
        lone = span.kind == "han" and len(span.forms) == 1 and bool(span.meanings)
        if lone and after is not None and after.kind == "han" and not after.meanings and _is_weak(span, has_category):
            result[-1] = _merged(replace(span, meanings=()), after)
        else:
            result.append(span)
    return result[::-1]


def _is_weak(span: Span, has_category: bool) -> bool:
    roles = {m.role for m in span.meanings}
    if roles <= {"filler", "preposition", "background"}:
        return False
    return not (has_category and roles & {"colour", "gender"})


def _merged(first: Span, second: Span) -> Span:
    return Span(first.forms + second.forms, first.text + second.text, (), "han")
