"""The rules of marketplaces: `channels.toml` and a user's own file over it, read into frozen types. Knows no pixels."""

from __future__ import annotations

import datetime
import difflib
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packshot.errors import InputError, RequestError

ENVIRONMENT = "PACKSHOT_CHANNELS"
"""Variable that names a file of own rules where `--rules` is left out."""

FORMATS = ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif")
"""Names of file formats in rules; the ones that `images.open_picture` reads."""

WRITTEN = ("jpeg", "png", "webp")
"""Those that a repair writes."""

CONFIDENCE = ("confirmed", "reported")
MODES = ("rgb", "grey", "cmyk")
SPACES = ("srgb",)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from.

    Attributes:
        title: of the document, and its section.
        date: as of which it was read, ISO 8601.
        confidence: "confirmed" in the channel's own words, or "reported".
        address: public; empty where there is none.
    """

    title: str
    date: str
    confidence: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a channel.

    Attributes:
        name: a key of `RULES`.
        values: its limits, by the names in `RULES`.
        source: where it comes from.
    """

    name: str
    values: Mapping[str, Any]
    source: Source


@dataclass(frozen=True, slots=True)
class Fix:
    """What a repair makes for a channel.

    Attributes:
        format: one of `WRITTEN`.
        least: (width, height) of the smallest canvas, pixels.
        best: of the largest one that is worth making; a canvas in between keeps the product's own pixels.
        share: longest side of the product over the canvas's, where the background becomes white.
    """

    format: str
    least: tuple[int, int]
    best: tuple[int, int]
    share: float


@dataclass(frozen=True, slots=True)
class Channel:
    """A place where pictures are sold from.

    Attributes:
        name: as it is typed.
        title: for people.
        title_zh: the same in Chinese.
        rules: by name.
        fix: what a repair makes.
        language: of words that are drawn on its pictures.
        units: of measures that are drawn on them, the first one that its customers think in.
    """

    name: str
    title: str
    title_zh: str
    rules: Mapping[str, Rule]
    fix: Fix
    language: str
    units: tuple[str, ...]

    @property
    def takes_text(self) -> bool:
        """Whether words and numbers may be drawn beside the product."""
        rule = self.rules.get("text")
        return rule is None or bool(rule.values.get("allowed", True))


Check = Callable[[object], str | None]
"""What is accepted instead of a value, or None where the value is."""


def _number(low: float, high: float) -> Check:
    def check(value: object) -> str | None:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        return None if fits else f"a number from {low:g} to {high:g}"

    return check


def _truth(value: object) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _some_of(names: tuple[str, ...]) -> Check:
    def check(value: object) -> str | None:
        fits = isinstance(value, list) and value and all(item in names for item in value)
        return None if fits else f"a list of {', '.join(names)}"

    return check


def _one_of(names: tuple[str, ...]) -> Check:
    return lambda value: None if value in names else " or ".join(names)


def _pair(value: object) -> str | None:
    fits = isinstance(value, list) and len(value) == 2 and all(_PIXELS(item) is None for item in value)
    return None if fits else "[width, height] in pixels"


_PIXELS, _SHARE, _KB = _number(1, 99_999), _number(0, 1), _number(0, 1_000_000)
_ALLOWED: dict[str, Check] = {"allowed": _truth}
_SIZE: dict[str, Check] = {
    **{f"{end}_{side}_px": _PIXELS for end in ("min", "max") for side in ("width", "height", "longest", "shortest")},
    "max_megapixels": _number(0.01, 1000),
    "exactly": _pair,
}

RULES: dict[str, dict[str, Check]] = {
    "format": {"one_of": _some_of(FORMATS)},
    "animation": _ALLOWED,
    "size": _SIZE,
    "advised-size": _SIZE,
    "aspect": {"min": _number(0.05, 20), "max": _number(0.05, 20)},
    "file-size": {"min_kb": _KB, "max_kb": _KB},
    "colour": {"modes": _some_of(MODES), "spaces": _some_of(SPACES)},
    "transparency": _ALLOWED,
    "white": {"border_share": _SHARE, "background_share": _SHARE},
    "share": {"min": _SHARE, "max": _SHARE},
    "margin": {"min": _number(0, 0.45)},
    "product-size": {"min_px": _PIXELS},
    "items": {"max": _number(1, 100)},
    "text": _ALLOWED,
    "watermark": _ALLOWED,
    "border": _ALLOWED,
    "shadow": _ALLOWED,
    "blur": {"max_px": _number(0.3, 20)},
    "generated": {"allowed": _truth, "marked": _truth},
}
"""Every rule there is, in the order in which verdicts are given, and its limits."""

_SOURCE_KEYS: dict[str, Check] = {
    "title": lambda value: None if isinstance(value, str) and value else "text",
    "address": lambda value: None if isinstance(value, str) else "text",
    "date": lambda value: None if isinstance(value, datetime.date) else "a date such as 2026-11-26",
    "confidence": _one_of(CONFIDENCE),
}
_FIX_KEYS: dict[str, Check] = {
    "format": _one_of(WRITTEN),
    "least": _pair,
    "best": _pair,
    "share": _number(0.05, 1),
}
LANGUAGES, UNITS = ("en", "zh"), ("cm", "in")
_DRAWN: dict[str, Any] = {"language": "en", "units": ["cm"]}
_CHANNEL_KEYS = ("title", "title_zh", "like", "fix", "rules", *_DRAWN)


def load_channels(own: Path | None = None) -> dict[str, Channel]:
    """All channels, a user's file merged over what ships.

    In that file a rule's keys replace those of the shipped rule, `rule = false` drops it, and a new channel says with
    `like` whose rules it begins with.

    Args:
        own: the file; None for the one that the environment variable `ENVIRONMENT` names, if it does.

    Raises:
        InputError: the file cannot be read, or has an unknown key or a value that is not accepted.
    """
    shipped = tomllib.loads(resources.files("packshot.listing").joinpath("channels.toml").read_text(encoding="utf-8"))
    document = _checked(shipped, "channels.toml", {})
    if own is None and os.environ.get(ENVIRONMENT):
        own = Path(os.environ[ENVIRONMENT])
    if own is not None:
        added = _checked(_read(own), str(own), document)
        document = _merged(document, added, own)
    return {name: _channel(name, table, document["sources"], str(own)) for name, table in document["channels"].items()}


def find_channel(name: str, channels: Mapping[str, Channel]) -> Channel:
    """The channel of that name.

    Raises:
        RequestError: there is none.
    """
    if name not in channels:
        raise RequestError("--channel", f"'{name}'{_nearest(name, channels)}", ", ".join(channels))
    return channels[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "an error", "a file of rules") from None
    except ValueError as error:  # not UTF-8, or no TOML
        raise InputError(path, f"no TOML ({str(error).splitlines()[0]})", "tables [channels.NAME]") from None


def _checked(document: dict[str, Any], where: str, below: Mapping[str, Any]) -> dict[str, Any]:
    """The document itself, every key and value of it having been looked at; `below` is what it will be merged over."""
    _known(where, document, ("sources", "channels"))
    sources = {**below.get("sources", {}), **_table(where, "sources", document.get("sources", {}))}
    for name, table in _table(where, "sources", document.get("sources", {})).items():
        _accept(f"{where}: sources.{name}", _table(where, f"sources.{name}", table), _SOURCE_KEYS)
        if not {"title", "date"} <= set(table):
            raise InputError(f"{where}: sources.{name}", ", ".join(table) or "nothing", "title and date at least")
    names = [*below.get("channels", {}), *_table(where, "channels", document.get("channels", {}))]
    for name, table in document.get("channels", {}).items():
        _check_channel(f"{where}: channels.{name}", _table(where, f"channels.{name}", table), sources, names)
    return {"sources": document.get("sources", {}), "channels": document.get("channels", {})}


def _check_channel(where: str, table: dict[str, Any], sources: Mapping[str, Any], names: Iterable[str]) -> None:
    _known(where, table, _CHANNEL_KEYS)
    for key in ("title", "title_zh"):
        if not isinstance(table.get(key, ""), str):
            raise InputError(f"{where}.{key}", repr(table[key]), "text")
    drawn = {key: table[key] for key in _DRAWN if key in table}
    _accept(where, drawn, {"language": _one_of(LANGUAGES), "units": _some_of(UNITS)})
    if "like" in table and table["like"] not in list(names):
        raise InputError(f"{where}.like", f"'{table['like']}'{_nearest(str(table['like']), names)}", ", ".join(names))
    _accept(f"{where}.fix", _table(where, "fix", table.get("fix", {})), _FIX_KEYS)
    rules = _table(where, "rules", table.get("rules", {}))
    _known(f"{where}.rules", rules, tuple(RULES))
    for rule, values in rules.items():
        if values is False:
            continue
        limits = {key: value for key, value in _table(where, rule, values).items() if key != "source"}
        _accept(f"{where}.rules.{rule}", limits, RULES[rule])
        source = values.get("source")
        if source is not None and source not in sources:
            raise InputError(f"{where}.rules.{rule}.source", f"'{source}'{_nearest(str(source), sources)}", "a source")
        _ordered(f"{where}.rules.{rule}", limits)


def _ordered(where: str, limits: Mapping[str, Any]) -> None:
    for key, low in limits.items():
        if key.startswith("min") and low > limits.get("max" + key[3:], low):
            raise InputError(f"{where}.{key}", f"{low:g} above its max{key[3:]}", "a minimum up to the maximum")


def _table(where: str, name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(where, f"{name} = {value!r}", f"a table {name}")
    return value


def _accept(where: str, table: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    _known(where, table, tuple(checks))
    for key, value in table.items():
        accepted = checks[key](value)
        if accepted is not None:
            raise InputError(f"{where}.{key}", repr(value), accepted)


def _known(where: str, table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for key in table:
        if key not in names:
            raise InputError(where, f"the key '{key}'{_nearest(key, names)}", ", ".join(names))


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _merged(shipped: dict[str, Any], own: dict[str, Any], path: Path) -> dict[str, Any]:
    channels = dict(shipped["channels"])
    for name, table in own["channels"].items():
        base = channels.get(table.get("like", name), {})
        rules = dict(base.get("rules", {}))
        for rule, values in table.get("rules", {}).items():
            if values is False:
                rules.pop(rule, None)
            else:  # a limit that was changed is no longer the source's
                rules[rule] = {**rules.get(rule, {}), "source": None, **values}
        fix = {**base.get("fix", {}), **table.get("fix", {})}
        if set(fix) != set(_FIX_KEYS):
            raise InputError(f"{path}: channels.{name}.fix", ", ".join(fix) or "nothing", ", ".join(_FIX_KEYS))
        titles = {key: table.get(key, base.get(key, name)) for key in ("title", "title_zh")}
        if "like" in table:
            titles = {key: table.get(key, table.get("title", name)) for key in titles}
        drawn = {key: table.get(key, base.get(key, usual)) for key, usual in _DRAWN.items()}
        channels[name] = {**titles, "rules": rules, "fix": fix, **drawn}
    return {"sources": {**shipped["sources"], **own["sources"]}, "channels": channels}


def _channel(name: str, table: Mapping[str, Any], sources: Mapping[str, Any], own: str) -> Channel:
    rules = {}
    for rule in RULES:  # in this order
        values = table["rules"].get(rule)
        if values:
            limits = {key: value for key, value in values.items() if key != "source"}
            rules[rule] = Rule(rule, MappingProxyType(limits), _source(values.get("source"), sources, own))
    fix = table["fix"]
    canvas = Fix(fix["format"], (*fix["least"],), (*fix["best"],), float(fix["share"]))
    drawn = {**_DRAWN, **table}
    units = tuple(dict.fromkeys(drawn["units"]))
    return Channel(name, table["title"], table["title_zh"], MappingProxyType(rules), canvas, drawn["language"], units)


def _changed(path: Path) -> str:
    return datetime.date.fromtimestamp(path.stat().st_mtime).isoformat()


def _source(name: str | None, sources: Mapping[str, Any], own: str) -> Source:
    if name is None:
        return Source(f"your own rules ({own})", _changed(Path(own)), "confirmed")
    table = sources[name]
    return Source(
        table["title"], table["date"].isoformat(), table.get("confidence", "reported"), table.get("address", "")
    )
