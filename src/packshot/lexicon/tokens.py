"""Text -> tokens. A Han character is a token of its own, other letters and digits make words, `#rrggbb` is one."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Kind = Literal["word", "han", "hex", "gap", "stop"]

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_ONE_HAN = re.compile(f"[{_HAN}]")
_LETTER = rf"(?:(?![{_HAN}])[^\W_])"
_APOSTROPHE = "['\u2019\u02bc]"
_SCANNER = re.compile(
    rf"(?P<hex>\#(?:[0-9a-f]{{6}}|[0-9a-f]{{3}})(?![^\W_]))|(?P<han>[{_HAN}])"
    rf"|(?P<word>{_LETTER}+(?:{_APOSTROPHE}{_LETTER}+)*)|(?P<gap>[\s_\-\u2010-\u2013&+{_APOSTROPHE[1:-1]}]+)|(?P<stop>.)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a normalised text.

    Attributes:
        kind: 'gap' is a space or hyphen between two Han characters and ends a term; 'stop' is punctuation, which ends a
            phrase.
        form: folded for look-up: lower case, simplified characters, plain apostrophe.
        start: first character in the normalised text.
        end: after its last character.
    """

    kind: Kind
    form: str
    start: int
    end: int


def normalise(text: str) -> str:
    """Compatibility forms to their plain ones (full width letters, ligatures): Unicode NFKC (UAX #15)."""
    return unicodedata.normalize("NFKC", text)


def tokenise(text: str) -> list[Token]:
    """The tokens of a text that `normalise` has passed."""
    tokens: list[Token] = []
    for match in _SCANNER.finditer(text):
        kind: Kind = match.lastgroup  # type: ignore[assignment]  # every alternative is one of the named groups
        if kind == "gap" and not _between_han(text, match.start(), match.end()):
            continue
        tokens.append(Token(kind, _folded(match.group()), match.start(), match.end()))
    return tokens


def _between_han(text: str, start: int, end: int) -> bool:
    return bool(start > 0 and _ONE_HAN.match(text, start - 1) and _ONE_HAN.match(text, end))


def _folded(word: str) -> str:
    return re.sub(_APOSTROPHE, "'", word).casefold().translate(_simplified())


@cache
def _simplified() -> dict[int, str]:
    table = tomllib.loads(resources.files(__package__).joinpath("other.toml").read_text("utf-8"))["traditional"]
    return {ord(a): b for a, b in zip(table["from"], table["to"], strict=True)}
