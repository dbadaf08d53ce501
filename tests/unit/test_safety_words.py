"""Names are found however they are spelt, and words that only look like them are let pass."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import pytest

from packshot.lexicon import lexicon
from packshot.safety.folding import fold, view_of
from packshot.safety.rules import load_rules, shipped
from packshot.safety.words import Hit, Matcher

STRONG = ("Nike", "Gucci", "Louis Vuitton", "Taylor Swift", "Balenciaga", "耐克", "爱马仕", "周杰伦")
WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(shipped())


def keys(hits: list[Hit]) -> list[str]:
    return [hit.entry.key for hit in hits]


def lines(repository: Path, name: str) -> list[str]:
    text = (repository / "benchmarks" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def disguises(name: str, dice: random.Random) -> list[str]:
    """Spellings that readers take for the name at once."""
    letters = [dice.choice((letter.upper(), letter.lower())) for letter in name]
    accents = "".join(letter + dice.choice(("", "\u0301", "\u0308")) if letter.isalpha() else letter for letter in name)
    hidden = "".join(letter + dice.choice(("", "\u200b", "\u00ad", "\u2060")) for letter in name)
    return [
        "".join(letters),
        name.translate(WIDE),
        unicodedata.normalize("NFC", accents),
        hidden,
        dice.choice(".-_ /·").join(name.replace(" ", "")),
        name.replace(" ", ""),
    ]


@pytest.mark.parametrize("name", STRONG)
def test_a_disguise_hides_no_name_wherever_it_stands(matcher: Matcher, name: str) -> None:
    dice = random.Random(name)
    (key,) = keys(matcher.find(name))
    for disguise in disguises(name, dice):
        for text in (disguise, f"red {disguise} shoe", f"一只{disguise}，红色", f"({disguise})"):
            assert key in keys(matcher.find(text)), text


def test_every_spelling_of_the_lists_is_found_as_it_stands_or_beside_its_context(matcher: Matcher) -> None:
    rules = shipped()
    for entry in rules.entries.values():
        for name in entry.names:
            assert entry in [hit.entry for hit in matcher.find(f"red {name}, new")], (entry.key, name)
        for name in entry.common:
            beside = {"people": "{} portrait", "brands": "{} logo"}[entry.category]
            assert entry in [hit.entry for hit in matcher.find(beside.format(name))], (entry.key, name)
            assert not matcher.find(f"the {name.lower()}" if name.isascii() else f"看见{name}了")


def test_lists_against_a_list_are_mostly_refused(matcher: Matcher, repository: Path) -> None:
    rows = [line.split("\t") for line in lines(repository, "safety_spellings.txt")]
    missed = [(key, text) for key, text in rows if key not in keys(matcher.find(text))]
    assert len(rows) > 300 and len(missed) <= 0.04 * len(rows), missed


def test_nothing_innocent_is_refused(matcher: Matcher, repository: Path) -> None:
    terms = [(" " if all(map(str.isascii, term)) else "").join(term) for term in lexicon().terms]
    texts = [*lines(repository, "safety_innocent.txt"), *terms]
    assert len(texts) > 3000
    assert {text: keys(matcher.find(text)) for text in texts if matcher.find(text)} == {}


def test_a_word_that_begins_or_ends_with_a_name_is_another_word(matcher: Matcher) -> None:
    dice = random.Random(3)
    for name in ("puma", "nike", "gucci", "zara", "audi", "obama", "cocaine"):
        for _ in range(20):
            more = "".join(dice.choices("bdfghjkmpqvwxz", k=dice.randint(2, 5)))
            assert not matcher.find(f"{name}{more} bag") and not matcher.find(f"{more}{name} bag")


def test_a_hit_names_what_was_typed(matcher: Matcher) -> None:
    (hit,) = matcher.find("鞋 Ｎ.ｉ-ｋ.ｅ，黑色")
    assert (hit.entry.category, hit.entry.key, hit.spelling, hit.said) == ("brands", "nike", "Nike", "Ｎ.ｉ-ｋ.ｅ")
    assert [hit.said for hit in matcher.find("gucci bag, Nike shoes and 爱马仕")] == ["gucci", "Nike", "爱马仕"]


@pytest.mark.parametrize(
    ("meant", "not_meant"),
    [
        ("apple phone", "apple green phone"),
        ("苹果手机", "苹果绿手机壳"),
        ("coach brown leather handbag", "coach jacket"),
        ("a handbag by Coach", "a handbag for the coach"),
        ("photo of Adele", "adele"),
        ("T-shirt with Trump on it", "trump card"),
        ("马云", "马云纹木盒"),
        ("a gun", "a hot glue gun"),
        ("色情", "红色情侣鞋"),
    ],
)
def test_context_decides_about_common_words(matcher: Matcher, meant: str, not_meant: str) -> None:
    assert matcher.find(meant) and not matcher.find(not_meant)


def test_any_text_is_read(matcher: Matcher) -> None:
    dice = random.Random(1)
    for _ in range(300):
        text = "".join(chr(dice.choice((dice.randrange(0x250), dice.randrange(0x110000)))) for _ in range(40))
        folded = fold(text)
        assert len(folded.view) == len(folded.at) == len(folded.capitals) == len(folded.gaps) - 1
        assert all(0 <= start < end <= len(folded.view) for start, end in folded.pieces)
        matcher.find(text)
    assert matcher.find("") == []


def test_the_quick_view_is_the_slow_one() -> None:
    rules = load_rules('[brands]\nmine = ["愛馬仕", "Ａbc", "Häagen-Dazs", "H&M"]', "own.toml")
    for entry in rules.entries.values():
        for spelling in (*entry.names, *entry.common, *entry.exceptions):
            assert view_of(spelling) == fold(spelling).view
