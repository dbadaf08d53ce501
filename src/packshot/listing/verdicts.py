"""What a verdict is, and how it is said in one line; other languages than English come from `packshot.phrases`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from packshot.listing.channels import Source
from packshot.phrases import Language, in_language

Status = Literal["pass", "fail", "unsure", "not-applicable"]
STATUSES: tuple[Status, ...] = ("pass", "fail", "unsure", "not-applicable")

COPIED = "passes as it is, copied"
"""Of a repair that had nothing to do."""


class Judgement(NamedTuple):
    """What one rule says of a picture: what was measured, what is accepted, and why one can't be sure (or nothing)."""

    status: Status
    measured: str
    accepted: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement and the rule it comes from."""

    rule: str
    judgement: Judgement
    source: Source

    @property
    def status(self) -> Status:
        """Of the judgement."""
        return self.judgement.status

    def line(self, language: Language = "en") -> str:
        """All of it in one line."""
        _, measured, accepted, why = self.judgement
        told = "" if self.source.confidence == "confirmed" else " (as reported)"
        head = f"{self.status} {self.rule}: {measured}; accepted: {accepted}{told}"
        return in_language(f"{head}; {why}" if why else head, language)

    def as_dict(self, language: Language = "en") -> dict[str, Any]:
        """For JSON."""
        _, measured, accepted, why = (in_language(text, language) for text in self.judgement)
        return {
            "rule": self.rule,
            "status": self.status,
            "measured": measured,
            "accepted": accepted,
            **({"why": why} if why else {}),
            "source": self.source.title,
            "date": self.source.date,
            "confidence": self.source.confidence,
        }


def share_of(value: float) -> str:
    """A share as per cent, rounded down, so that 100 % is all of it."""
    return f"{int(value * 1000 + 1e-9) / 10:g} %"


def status_of(fits: bool) -> Status:
    """Pass or fail."""
    return "pass" if fits else "fail"
