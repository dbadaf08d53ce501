"""Which labels a picture gets: the rules of `labels.toml`, a user's own file after them. Knows no picture."""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

from packshot.errors import InputError, RequestError

LABELS = ("visible", "aigc", "iptc", "c2pa", "mark")
KINDS = ("edited", "composite", "generated")
"""What was done to a picture, the least first."""

FORMAT = 1
BACKGROUND = "background"
"""Value of `set`: the mark goes everywhere but into the product."""

_CONFIDENCE = ("confirmed", "reported")
_KEYS = {
    "file": {"format", "sources", "channels", "rules"},
    "source": {"title", "address", "date", "confidence"},
    "rule": {"id", "labels", "kinds", "channels", "groups", "set", "why", "source"},
}
_NEEDED = {"source": {"title", "date"}, "rule": {"id", "labels", "kinds", "set", "why", "source"}}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from.

    Attributes:
        title: of the document, and its section.
        date: as of which it was read, ISO 8601.
        confidence: "confirmed" in its own words, or "reported".
        address: public; empty where there is none.
    """

    title: str
    date: str
    confidence: str
    address: str = ""

    def as_dict(self) -> dict[str, str]:
        """Plain values, for the manifest."""
        return {"title": self.title, "date": self.date, "confidence": self.confidence, "address": self.address}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a label is set, and why.

    Attributes:
        label: one of `LABELS`.
        set: True, False, or `BACKGROUND`.
        rule: its id.
        why: in words.
        source: of the rule.
    """

    label: str
    set: bool | Literal["background"]
    rule: str
    why: str
    source: Source

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {
            "label": self.label,
            "set": self.set,
            "rule": self.rule,
            "why": self.why,
            "source": self.source.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; see `labels.toml`. Empty channels and groups: every channel."""

    id: str
    labels: frozenset[str]
    kinds: frozenset[str]
    channels: frozenset[str]
    groups: frozenset[str]
    set: bool | Literal["background"]
    why: str
    source: str

    def applies(self, label: str, kind: str, channel: str, groups: frozenset[str]) -> bool:
        """Whether it says anything about this label."""
        everywhere = not self.channels and not self.groups
        here = everywhere or channel in self.channels or bool(groups & self.groups)
        return label in self.labels and kind in self.kinds and here


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in order; the last that applies decides.

    Attributes:
        sources: by name.
        channels: groups by the channel's name.
        rules: ours, then the user's.
    """

    sources: Mapping[str, Source]
    channels: Mapping[str, frozenset[str]]
    rules: tuple[Rule, ...]

    def decide(self, channel: str, kind: str) -> tuple[Decision, ...]:
        """One decision for each of `LABELS`.

        Args:
            channel: a key of `channels`.
            kind: one of `KINDS`.

        Raises:
            RequestError: a channel that the policy has not.
        """
        if channel not in self.channels:
            raise RequestError("--channel", f"'{channel}'{_meant(channel, self.channels)}", ", ".join(self.channels))
        if kind not in KINDS:
            raise RequestError("kind", f"'{kind}'", ", ".join(KINDS))
        return tuple(self._decision(label, kind, channel) for label in LABELS)

    def _decision(self, label: str, kind: str, channel: str) -> Decision:
        groups = self.channels[channel]
        rules = [rule for rule in self.rules if rule.applies(label, kind, channel, groups)]
        rule = rules[-1]  # ours cover every label of every kind: tests/unit/test_provenance_policy.py
        return Decision(label, rule.set, rule.id, rule.why, self.sources[rule.source])


def load_policy(path: Path | None = None) -> Policy:
    """Our rules, and those of a user's file after them.

    Raises:
        InputError: the file cannot be read, is no TOML, or says what is not known.
    """
    own = resources.files(__name__.rpartition(".")[0]).joinpath("labels.toml").read_text("utf-8")
    policy = _extended(Policy({}, {}, ()), tomllib.loads(own), "labels.toml")
    if path is None:
        return policy
    try:
        return _extended(policy, tomllib.loads(path.read_text("utf-8")), str(path))
    except OSError as error:
        raise InputError(path, error.strerror or "an error", "a TOML file of label rules") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"no TOML ({error})", "a TOML file of label rules") from None


def _extended(policy: Policy, table: Mapping[str, Any], where: str) -> Policy:
    _known(table, "file", where)
    if table.get("format", FORMAT) != FORMAT:
        raise InputError(where, f"format {table['format']}", str(FORMAT))
    sources = dict(policy.sources)
    for name, row in _tables(table, "sources", where):
        sources[name] = _source(row, f"{where}: sources.{name}")
    channels = dict(policy.channels)
    for name, groups in _table(table, "channels", where).items():
        channels[name] = _words(groups, f"{where}: channels.{name}", None)
    rows = table.get("rules", [])
    if not isinstance(rows, list):
        raise InputError(f"{where}: rules", "no list", "[[rules]]")
    rules = policy.rules
    for number, row in enumerate(rows, 1):
        known = {group for groups in channels.values() for group in groups}
        rules = (*rules, _rule(row, f"{where}: rule {number}", sources, channels, known))
    return Policy(sources, channels, rules)


def _source(row: Mapping[str, Any], where: str) -> Source:
    _known(row, "source", where)
    date, confidence = row["date"], row.get("confidence", "reported")
    if confidence not in _CONFIDENCE:
        raise InputError(where, f"confidence '{confidence}'", " or ".join(_CONFIDENCE))
    if not isinstance(date, datetime.date):
        raise InputError(where, f"the date {date!r}", "a date such as 2026-11-26, without quotes")
    return Source(str(row["title"]), date.isoformat(), confidence, str(row.get("address", "")))


def _rule(
    row: object, where: str, sources: Mapping[str, Source], channels: Iterable[str], groups: Iterable[str]
) -> Rule:
    if not isinstance(row, dict):
        raise InputError(where, "no table", "[[rules]]")
    _known(row, "rule", where)
    wish = row["set"]
    labels = _words(row["labels"], f"{where}: labels", LABELS)
    if not (isinstance(wish, bool) or (wish == BACKGROUND and labels == {"mark"})):
        raise InputError(f"{where}: set", repr(wish), f'true or false; "{BACKGROUND}" for the mark alone')
    if row["source"] not in sources:
        raise InputError(
            f"{where}: source", f"'{row['source']}'{_meant(str(row['source']), sources)}", "a known source"
        )
    return Rule(
        str(row["id"]),
        labels,
        _words(row["kinds"], f"{where}: kinds", KINDS),
        _words(row.get("channels", []), f"{where}: channels", channels),
        _words(row.get("groups", []), f"{where}: groups", groups),
        cast("bool | Literal['background']", wish),
        str(row["why"]),
        str(row["source"]),
    )


def _known(row: Mapping[str, Any], what: str, where: str) -> None:
    for key in row:
        if key not in _KEYS[what]:
            raise InputError(where, f"the key '{key}'{_meant(key, _KEYS[what])}", ", ".join(sorted(_KEYS[what])))
    missing = sorted(_NEEDED.get(what, set()) - set(row))
    if missing:
        raise InputError(where, f"no {missing[0]}", ", ".join(sorted(_NEEDED[what])))


def _table(table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise InputError(f"{where}: {key}", "no table", f"[{key}]")
    return found


def _tables(table: Mapping[str, Any], key: str, where: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for name, row in _table(table, key, where).items():
        if not isinstance(row, dict):
            raise InputError(f"{where}: {key}.{name}", "no table", f"[{key}.NAME]")
        yield name, row


def _words(value: object, where: str, accepted: Iterable[str] | None) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InputError(where, repr(value), "a list of words")
    if accepted is not None:
        names = list(accepted)
        for word in value:
            if word not in names:
                raise InputError(where, f"'{word}'{_meant(word, names)}", ", ".join(names))
    return frozenset(value)


def _meant(word: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(names), 1)
    return f" (did you mean '{near[0]}'?)" if near else ""
