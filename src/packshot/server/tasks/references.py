"""What a client's words may name on the server: assets by id, installed packs and the operator's models by name.

Every text parameter of every operation stands in one of the tables below; one that does not is refused, so that an
operation which learns to open files is not open to clients before somebody has looked at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packshot.errors import RequestError
from packshot.images import PICTURE_SUFFIXES
from packshot.server.ids import is_id

PLAIN = frozenset({
    "shadow.kind", "relight.direction", "white_balance.to", "exposure.stops", "straighten.by", "flip.axis",
    "erase.words", "enlarge.times", "enlarge.by", "fit.size", "fit.scale", "crop.box",
    "text.words", "text.at", "text.colour", "text.align", "text.outline", "text.plate",
    "badge.words", "badge.at", "badge.colour", "badge.shape", "badge.ink",
    "dimensions.size", "dimensions.canvas", "dimensions.units", "dimensions.beside", "dimensions.language",
})  # fmt: skip
"""Operations open nothing by these; tests/unit/test_server_references.py watches them."""

PICTURES = {
    "background.to": "picture:", "recolour.to": "photo:", "recolour.part": "mask:", "erase.mask": "",
    "cutout.glass": "",
}  # fmt: skip
"""May be a picture: the word before its id."""

PACKS = {"cutout.pack": "matting", "view.pack": "view"}
"""Name an installed pack of that kind."""

MODELS = frozenset({"background.by", "erase.by"})
"""Name a diffusers pipeline of the operator's."""

CLOSED = frozenset({"text.font", "badge.font", "dimensions.font"})
"""Files of the server's that clients can't choose."""

_MODEL = "diffusers:"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}")
_SHAPE = re.compile(r"\s*(circle:)?[-+0-9.,\s]*", re.IGNORECASE)
_GLASS = ("no", "auto", "yes")
_PLACES = ("text", "gradient", "sweep", "transparent")
_AN_ID = "asset_…, the id of an uploaded or made picture"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where names lead.

    Attributes:
        file_of: a file with the content of an asset; raises RequestError where there is none of that id.
        packs: names of those installed, by kind.
        models: the operator's folder of diffusers pipelines; None where clients may use none.
    """

    file_of: Callable[[str, str], Path]
    packs: Mapping[str, frozenset[str]]
    models: Path | None


def offered(operation: str, parameter: str, around: Surroundings) -> bool:
    """Whether clients can say anything for a parameter."""
    name = f"{operation}.{parameter}"
    return name not in CLOSED and (name not in MODELS or around.models is not None)


def resolved(operation: str, arguments: Mapping[str, object], around: Surroundings) -> dict[str, object]:
    """Arguments in which ids and names have become the paths that the operation opens.

    Args:
        operation: its name.
        arguments: as the client sent them, in their parameters' types.
        around: where names lead.

    Raises:
        RequestError: a text that could name a file of the server's, or an id that is none.
    """
    return {
        parameter: _resolved(f"{operation}.{parameter}", value, around) if isinstance(value, str) else value
        for parameter, value in arguments.items()
    }


def _resolved(name: str, said: str, around: Surroundings) -> str:
    if name in PLAIN:
        return said
    if name in PICTURES:
        return _picture_or_words(name, said.strip(), around)
    if name in PACKS:
        known = around.packs.get(PACKS[name], frozenset())
        if said not in known:
            raise RequestError(name, _short(said), ", ".join(sorted(known)) or f"none: no pack of kind {PACKS[name]}")
        return said
    if name in MODELS:
        return said and _MODEL + str(_model(name, said.strip(), around.models))
    if name in CLOSED and not said:
        return said
    raise RequestError(name, _short(said), "nothing: it would name a file on the server")


def _picture_or_words(name: str, said: str, around: Surroundings) -> str:
    prefix = PICTURES[name]
    named = said[len(prefix) :].strip() if prefix and said.lower().startswith(prefix) else said
    if is_id(named, "asset"):
        return prefix + str(around.file_of(named, name))
    if named is not said:
        raise RequestError(name, _short(said), f"{prefix}{_AN_ID}")
    return _WORDS[name](name, said)


def _place(name: str, said: str) -> str:
    """Words of a place, said in a way that `background` never takes for the name of a file."""
    from packshot.editing.background import flat_colour  # OpenCV comes with it

    _refuse_paths(name, said, ":")
    kind, colon, _ = said.partition(":")
    if colon and kind.lower() not in _PLACES:
        raise RequestError(name, _short(said), f"a colour, gradient:…, sweep, words, or picture:{_AN_ID}")
    if kind.lower() in _PLACES or flat_colour(said) is not None:
        return said
    return f"text:{said}"


def _colour(name: str, said: str) -> str:
    _refuse_paths(name, said)
    return said


def _shapes(name: str, said: str) -> str:
    if all(map(_SHAPE.fullmatch, said.split(";"))) or (name == "cutout.glass" and said.lower() in _GLASS):
        return said
    raise RequestError(name, _short(said), f"boxes x,y,w,h and circles circle:x,y,r joined by ;, or {_AN_ID}")


_WORDS = {
    "background.to": _place, "recolour.to": _colour, "recolour.part": _colour, "erase.mask": _shapes,
    "cutout.glass": _shapes,
}  # fmt: skip


def _refuse_paths(name: str, said: str, but: str = "") -> None:
    odd = [sign for sign in '/\\~:<>|"' if sign in said and sign not in but]
    if odd or not said.isprintable() or said.lower().endswith(PICTURE_SUFFIXES):
        raise RequestError(name, _short(said), f"words without signs of a path, or {PICTURES[name]}{_AN_ID}")


def _model(name: str, said: str, folder: Path | None) -> Path:
    wanted = said.removeprefix(_MODEL)
    known = models_in(folder)
    if wanted not in known:
        raise RequestError(name, _short(said), ", ".join(_MODEL + one for one in sorted(known)) or "nothing: no models")
    return known[wanted]


def models_in(folder: Path | None) -> dict[str, Path]:
    """The operator's diffusers pipelines, by name."""
    if folder is None or not folder.is_dir():
        return {}
    found = {path.name: path for path in folder.iterdir() if _NAME.fullmatch(path.name)}
    return {name: path for name, path in found.items() if (path / "model_index.json").is_file()}


def _short(said: str) -> str:
    return f"'{said[:80]}{'…' if len(said) > 80 else ''}'"
