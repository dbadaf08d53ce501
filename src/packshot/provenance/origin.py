"""How a picture came about, as far as its recipe, its certificate and the labels that it already has tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ImageColor

from packshot.errors import InputError, RequestError
from packshot.images import PICTURE_SUFFIXES, read_recipe
from packshot.provenance import xmp
from packshot.provenance.metadata import properties_of
from packshot.provenance.policy import KINDS

TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""Before each name of IPTC's vocabulary."""

GENERATED, COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
DRAWN, CAPTURED, ENHANCED = "compositeSynthetic", "compositeCapture", "algorithmicallyEnhanced"

_RANK = (
    "digitalCapture",
    "negativeFilm",
    "positiveFilm",
    "print",
    "computationalCapture",
    "humanEdits",
    "minorHumanEdits",
    ENHANCED,
    CAPTURED,
    "composite",
    "digitalArt",
    "digitalCreation",
    "algorithmicMedia",
    DRAWN,
    COMPOSITE,
    GENERATED,
)
"""The least made first. A term that stands in a picture is never replaced by one before it."""

VIEW = "view"
"""The operation whose model draws the product itself anew."""

_KIND_OF = {GENERATED: "generated", COMPOSITE: "composite", DRAWN: "composite"}


@dataclass(frozen=True, slots=True)
class Origin:
    """How a picture came about.

    Attributes:
        kind: one of `policy.KINDS`.
        source_type: name in IPTC's vocabulary of digital source types.
        why: what tells so.
        steps: operations that ran, in order; empty where none are known.
    """

    kind: str
    source_type: str
    why: str
    steps: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {"kind": self.kind, "source_type": self.source_type, "why": self.why, "steps": list(self.steps)}


def of_kind(kind: str) -> Origin:
    """What a user says of a picture.

    Raises:
        RequestError: no such kind.
    """
    types = {"generated": GENERATED, "composite": COMPOSITE, "edited": ENHANCED}
    if kind not in types:
        raise RequestError("--kind", f"'{kind}'", ", ".join(reversed(KINDS)))
    return Origin(kind, types[kind], "the user says so")


def of_recipe(recipe: Mapping[str, Any] | None) -> Origin | None:
    """What the recipe inside of a picture says; None without one."""
    if not recipe or "request" not in recipe:
        return None
    pack = recipe.get("pack")
    named = f" of pack {pack['name']}" if isinstance(pack, Mapping) and "name" in pack else ""
    return Origin("generated", GENERATED, f"its recipe{named}", ("generate",))


def of_certificate(certificate: Mapping[str, Any] | None) -> Origin | None:
    """What the steps of `packshot edit` say; None without a certificate.

    A background from a file counts as made by a model unless the file is there and carries no such sign.

    Raises:
        InputError: another form of certificate.
    """
    if certificate is None:
        return None
    try:
        steps = [(str(step["op"]), dict(step["arguments"])) for step in certificate["steps"]]
    except (KeyError, TypeError, ValueError):
        raise InputError("certificate", "another form", "one that packshot edit wrote") from None
    names = tuple(name for name, _ in steps)
    before = _before(certificate.get("origin"), names)
    grounds = [_ground(str(values.get("to", ""))) for name, values in steps if name == "background"]
    found = Origin("edited", ENHANCED, "its certificate", names)
    by_models = [str(made.get("op")) for made in certificate.get("models") or []]
    if by_models:
        term = GENERATED if VIEW in by_models else COMPOSITE
        found = Origin(_KIND_OF[term], term, f"its certificate: {', '.join(by_models)} by a model", names)
    for term in grounds:
        told = Origin(_KIND_OF.get(term, "edited"), term, "its certificate", names)
        found = strongest([found, told])
    return strongest([found, before])


def _before(stated: object, names: tuple[str, ...]) -> Origin | None:
    """What a certificate says of the picture that was edited."""
    if not isinstance(stated, Mapping) or stated.get("kind") not in KINDS:
        return None
    return Origin(str(stated["kind"]), str(stated.get("source_type")), "what its certificate says it was", names)


def of_source_type(term: str | None) -> Origin | None:
    """What a DigitalSourceType that already stands in a picture says."""
    if not term:
        return None
    name = term.rstrip("/").rpartition("/")[2]
    return Origin(_KIND_OF.get(name, "edited"), name, "the label that it already has")


def strongest(origins: Iterable[Origin | None]) -> Origin:
    """The origin that says most; its steps are those of all.

    Raises:
        RequestError: nothing is known.
    """
    known = [origin for origin in origins if origin is not None]
    if not known:
        accepted = "a picture of packshot, its certificate beside it, or --kind generated, composite or edited"
        raise RequestError("--kind", "nothing that tells how the picture came about", accepted)
    best = max(known, key=lambda origin: (KINDS.index(origin.kind), rank(origin.source_type)))
    steps = best.steps or next((origin.steps for origin in known if origin.steps), ())
    return Origin(best.kind, best.source_type, best.why, steps)


def rank(term: str) -> int:
    """How much of a picture was made by machines, of a term's name; terms that we don't know rank highest."""
    return _RANK.index(term) if term in _RANK else len(_RANK)


def _ground(to: str) -> str:
    """The source type that a background's first argument amounts to."""
    word = to.strip()
    if word.startswith("picture:") or word.lower().endswith(PICTURE_SUFFIXES):
        return _of_file(Path(word.removeprefix("picture:")))
    plain = word.startswith(("#", "gradient:", "sweep", "rgb")) or word.casefold() in ("white", "transparent", "")
    return ENHANCED if plain or _is_colour(word) else DRAWN


def _is_colour(word: str) -> bool:
    """Whether a word alone names a colour; what is doubtful counts as a described place."""
    from packshot.lexicon import lexicon

    known = {name.casefold() for entry in lexicon().colours.values() for name in (*entry.en, *entry.zh)}
    return word.casefold() in known or word.casefold() in ImageColor.colormap


def _of_file(path: Path) -> str:
    """What a background that was taken from a file amounts to: made by a model, unless it is there and says nothing."""
    try:
        data = path.read_bytes()
        recipe, found = read_recipe(data, where=str(path)), properties_of(data, str(path))
    except (InputError, OSError):
        return COMPOSITE
    term = of_source_type(found.get(xmp.SOURCE_TYPE))
    made = recipe is not None or xmp.AIGC in found or (term is not None and term.kind != "edited")
    return COMPOSITE if made else CAPTURED
