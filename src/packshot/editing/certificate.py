"""The certificate of an edit: what ran, and what it did to the product, measured on the file that was written.

A certificate holds the map of regions, so that `verify` can compute every number again from the two pictures. It is
not signed: it proves what holds between two files that one has, not who made them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import packshot
from packshot.editing.diffusers import PREFIX
from packshot.editing.measures import GLASS, measure, regions
from packshot.editing.operations import OPERATIONS
from packshot.editing.pipeline import Edited
from packshot.editing.reduced import read, reference
from packshot.editing.region_map import counts, packed, unpacked
from packshot.editing.scene import Bytes, Made, Reduction
from packshot.errors import InputError
from packshot.images import Layers, open_layers, read_file
from packshot.provenance.carrying import Said, account, said_by
from packshot.provenance.origin import VIEW

Document = Mapping[str, Any]
Measuring = Callable[[Bytes, Bytes, Bytes, tuple[int, int]], dict[str, object]]

FORMAT = 2
"""Of the document; another number is refused."""

TOLERANCE = 0.001
"""Floating-point numbers that differ by less agree."""

RESAMPLED = "the photo resampled"
"""What kept pixels are compared with after a fit that scales: the photo itself is no longer in the picture."""

LEVELS = 1
"""By which a kept pixel may then differ from it: a reckoning in 32-bit floats, rounded twice."""


class BrokenPromiseError(Exception):
    """An operation changed pixels of the product that it promised to copy: a bug, found before anything was written."""


@dataclass(frozen=True, slots=True)
class Source:
    """A photo and what its file is.

    Attributes:
        name: of the file, without its folder.
        sha256: of the file.
        layers: its pixels.
        said: what it says of its making.
    """

    name: str
    sha256: str
    layers: Layers
    said: Said

    @classmethod
    def open(cls, path: Path) -> Source:
        """Read a photo.

        Raises:
            InputError: it is missing, no picture, or damaged.
        """
        data = read_file(path)
        return cls.read(data, open_layers(data, where=str(path)), path)

    @classmethod
    def read(cls, data: bytes, layers: Layers, path: Path) -> Source:
        """Read what the bytes of a photo, whose pixels are known, say of its making."""
        return cls(path.name, hashlib.sha256(data).hexdigest(), layers, said_by(data, layers.stacked, str(path)))


def certify(
    source: Source,
    edited: Edited,
    composed: Bytes,
    data: bytes,
    *,
    name: str,
    codec: Document,
    pixels: Bytes | None = None,
    measuring: Measuring = measure,
) -> dict[str, Any]:
    """The certificate of an edit.

    Args:
        source: the photo.
        edited: what came of it, and the steps.
        composed: (H, W, 3 or 4) its layers flattened, as they went into the encoder.
        data: the encoded picture, as it will be written.
        name: of the file that will be written.
        codec: format, lossless, quality.
        pixels: what `data` decodes to, where that is known already.
        measuring: `measure`, or what remembers what that gave.

    Raises:
        BrokenPromiseError: a kept pixel differs although every step promised to copy it, or to resample it once.
    """
    scene = edited.scene
    codes = regions(scene)
    steps = steps_of(edited)
    lossless = bool(codec["lossless"])
    how, compared = _comparison(source.layers.rgb, scene.placement, scene.reduced)
    promise = _promise(steps, scene.placement, how, lossless)
    written = before = None
    if compared is not None:
        written = measuring(compared[0], decoded(data, name) if pixels is None else pixels, codes, compared[1])
        before = None if lossless else measuring(compared[0], composed, codes, compared[1])
    if promise["promised"]:
        _insist(written if before is None else before, promise["tolerance"], [s["op"] for s in steps], source.name)
    height, width = codes.shape
    return {
        "format": FORMAT,
        "packshot": packshot.__version__,
        "original": {"file": source.name, "sha256": source.sha256, "notes": list(source.layers.notes)},
        "edited": {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "size": [width, height], **codec},
        "steps": steps,
        "generative": bool(scene.made),
        "models": [_model(made) for made in scene.made],
        "promise": promise,
        "origin": account(source.said, _after(source.said, data, name)),
        "placement": None if scene.placement is None else list(scene.placement),
        "reduction": None if how is None else {"box": list(how.box), "at": list(how.at)},
        "regions": {**counts(codes), "png": packed(codes)},
        "measured": written,
        "measured_before_encoding": before,
    }


def _model(made: Made) -> dict[str, Any]:
    parts = [{"made": list(size), "shown": list(shown)} for size, shown in made.sizes]
    return {
        "op": made.operation,
        "folder": made.model,
        "pipeline": made.pipeline,
        "sha256": made.sha256,
        "parts": parts,
    }


def _generative(steps: Sequence[Document]) -> list[str]:
    """The operations whose models are in the picture: of places, only the last one is."""
    places = [number for number, step in enumerate(steps) if step["op"] == "background"]
    shown = [step for number, step in enumerate(steps) if step["op"] != "background" or number == places[-1]]
    return [
        str(step["op"]) for step in shown if step["op"] == VIEW or str(step["arguments"].get("by")).startswith(PREFIX)
    ]


def steps_of(edited: Edited) -> list[dict[str, Any]]:
    """What ran, as a certificate lists it."""
    return [
        {
            "op": step.name,
            "arguments": dict(step.arguments),
            "inserted": step.inserted,
            "promise": OPERATIONS[step.name].promise,
        }
        for step in edited.steps
    ]


def promise_of(steps: Sequence[Document], in_place: bool) -> tuple[bool, str | None]:
    """Whether these steps promise to copy the kept region, or to resample it once, and if not, why.

    Args:
        steps: of the certificate.
        in_place: whether it is known where the photo's pixels are, or where the photo lies after resampling.
    """
    changing = [str(step["op"]) for step in steps if OPERATIONS[str(step["op"])].promise == "nothing"]
    if changing:
        return (
            False,
            f"the product's pixels are meant to change, or are resampled: {', '.join(dict.fromkeys(changing))}",
        )
    if not in_place:
        return False, "the picture was resampled more than once, or otherwise than by fit alone"
    return True, None


def _promise(steps: Sequence[Document], placement: object, how: Reduction | None, lossless: bool) -> dict[str, Any]:
    promised, reason = promise_of(steps, placement is not None or how is not None)
    return {
        "promised": promised,
        "reason": reason,
        "compared_with": RESAMPLED if how is not None else None if placement is None else "the photo",
        "tolerance": (0 if how is None else LEVELS) if promised else None,
        "proven_on": _proven_on(promised, lossless),
    }


def _comparison(
    photo: Bytes, placement: tuple[int, int] | None, how: Reduction | None
) -> tuple[Reduction | None, tuple[Bytes, tuple[int, int]] | None]:
    """What kept pixels are compared with, and (top, left) of it in the edited picture; None where nothing is known.

    Before it the reduction that it was made with, None where that has nothing of the photo in it.
    """
    if placement is not None:
        return None, (photo, placement)
    if how is None:
        return None, None
    try:
        return how, reference(photo, how)
    except ValueError:
        return None, None


_OTHER_FORM = (KeyError, TypeError, ValueError, AttributeError, OSError, OverflowError)
"""What reading a document raises that isn't a certificate."""


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a certificate says, as far as `verify` needs it in its types."""

    sha256: dict[str, str]
    steps: list[Document]
    models: list[str]
    generative: object
    lossless: bool
    placement: tuple[int, int] | None
    how: Reduction | None
    codes: Bytes
    size: object
    counts: object
    promise: object
    origin: object
    measured: Document | None
    before: Document | None

    @classmethod
    def read(cls, document: Document) -> _Claims:
        """Raises one of `_OTHER_FORM` where the form is another."""
        steps, placement, edited = document["steps"], document["placement"], document["edited"]
        how = document["reduction"]
        if placement is not None and how is not None:
            raise ValueError("a placement and a reduction")
        for step in steps:
            OPERATIONS[step["op"]], step["arguments"].get("by")
        for measured in (document["measured"], document["measured_before_encoding"]):
            if measured is not None:
                _broken(measured, LEVELS)
        return cls(
            {"original": document["original"]["sha256"], "edited": edited["sha256"]},
            steps,
            [str(model["op"]) for model in document.get("models", [])],
            document.get("generative", False),
            bool(edited["lossless"]),
            None if placement is None else (int(placement[0]), int(placement[1])),
            None if how is None else read(how["box"], how["at"]),
            unpacked(document["regions"]["png"]),
            edited["size"],
            {key: value for key, value in document["regions"].items() if key != "png"},
            document["promise"],
            document.get("origin"),
            document["measured"],
            document["measured_before_encoding"],
        )


def verify(edited: Path, original: Path, certificate: Document) -> list[str]:
    """Compute a certificate's numbers again from the two pictures.

    What cannot be seen in them is taken from the certificate: the steps, the map of regions, and what was measured
    before a lossy encoding.

    Returns:
        One line for each thing that does not agree; none where all does.

    Raises:
        InputError: a picture or the certificate cannot be read.
    """
    try:
        claims = _Claims.read(certificate)
    except _OTHER_FORM as error:
        raise InputError("certificate", f"another form ({error!r:.80})", "one that packshot edit wrote") from None
    return list(_disagreements(edited, original, claims))


def read_certificate(path: Path) -> dict[str, Any]:
    """A certificate from its file.

    Raises:
        InputError: missing, no JSON, or of another format.
    """
    try:
        document = json.loads(read_file(path))
    except ValueError:
        raise InputError(path, "no JSON", "a certificate that packshot edit wrote") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise InputError(path, f"a document of format {found}", f"a certificate of format {FORMAT}")
    return document


def decoded(data: bytes, where: str) -> Bytes:
    """(H, W, 3), or (H, W, 4) where something is transparent."""
    return open_layers(data, where=where).stacked


def _after(before: Said, data: bytes, name: str) -> Said | None:
    """What the edited picture says of its making; None where the photo has no label that could have been kept."""
    return said_by(data, decoded(data, name), name) if before.labels else None


def _disagreements(edited: Path, original: Path, claims: _Claims) -> Iterator[str]:
    data = {"original": read_file(original), "edited": read_file(edited)}
    for what, path in {"original": original, "edited": edited}.items():
        yield from _unequal(f"{what}.sha256", claims.sha256[what], hashlib.sha256(data[what]).hexdigest(), path)
    expected = _promise(claims.steps, claims.placement, claims.how, claims.lossless)
    yield from _compare("promise", claims.promise, expected)
    by_models = _generative(claims.steps)
    yield from _unequal("models", sorted(claims.models), sorted(by_models))
    yield from _unequal("generative", claims.generative, bool(by_models))
    yield from _compare("regions", claims.counts, counts(claims.codes))
    if (claims.codes == GLASS).any() and not any(_asks_for_glass(step) for step in claims.steps):
        yield "regions.glass: the certificate exempts glass, and no step asked for it"
    source = Source.open(original)
    yield from _compare("origin", claims.origin, account(source.said, _after(source.said, data["edited"], str(edited))))
    height, width = claims.codes.shape
    yield from _compare("edited.size", claims.size, [width, height])
    pixels, photo = decoded(data["edited"], str(edited)), source.layers.rgb
    if pixels.shape[:2] != claims.codes.shape:
        yield f"size: the certificate is about {_size(claims.codes)}, {edited.name} has {_size(pixels)}"
        return
    how, compared = _comparison(photo, claims.placement, claims.how)
    if how != claims.how:
        yield f"reduction: the certificate is about a part that {original.name} does not have"
    found = None if compared is None else measure(compared[0], pixels, claims.codes, compared[1])
    yield from _compare("measured", claims.measured, found)
    if expected["promised"]:
        broken = _broken(found if claims.lossless else claims.before, expected["tolerance"])
        yield from [] if broken is None else [f"promise: {broken}"]


def _asks_for_glass(step: Document) -> bool:
    return step["op"] == "cutout" and str(step["arguments"].get("glass", "no")) != "no"


def _compare(where: str, stated: object, found: object) -> Iterator[str]:
    """Where two documents differ, leaf by leaf."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in [*stated, *(key for key in found if key not in stated)]:
            yield from _compare(f"{where}.{key}", stated.get(key), found.get(key))
    elif isinstance(stated, float) and isinstance(found, (int, float)) and not isinstance(found, bool):
        if abs(stated - found) > TOLERANCE:
            yield from _unequal(where, stated, found)
    else:
        yield from _unequal(where, stated, found)


def _unequal(where: str, stated: object, found: object, path: Path | None = None) -> Iterator[str]:
    if stated != found:
        subject = "" if path is None else f" of {path.name}"
        yield f"{where}: the certificate says {_short(stated)}, found{subject} {_short(found)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:20]}…{text[-8:]}"


def _insist(measured: Document | None, tolerance: int, steps: Sequence[object], name: str) -> None:
    broken = _broken(measured, tolerance)
    if broken:
        done = ", ".join(str(step) for step in steps)
        raise BrokenPromiseError(f"{name}: a promise is broken: {broken} after {done}; nothing was written")


def _broken(measured: Document | None, tolerance: int) -> str | None:
    if measured is None:
        return "nothing was measured"
    kept = measured["kept"]
    if kept["outside_photo"]:
        return f"{kept['outside_photo']:,} kept pixels lie outside of the photo"
    if kept["differing"] and not 0 < kept["max_difference"] <= tolerance:
        found = f"{kept['differing']:,} of {kept['pixels']:,} kept pixels differ, by up to {kept['max_difference']}"
        return f"{found} where {tolerance} is promised" if tolerance else found
    return None


def _proven_on(promised: bool, lossless: bool) -> str | None:
    if not promised:
        return None
    return "the edited file" if lossless else "the pixels before encoding; the codec loses some of them"


def _size(pixels: Bytes) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"
