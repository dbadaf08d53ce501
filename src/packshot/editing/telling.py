"""What a certificate says, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def origin(stated: dict[str, Any]) -> str:
    """What the photo said of its making, and what became of its labels, in one line."""
    kept, lost = ", ".join(stated["kept"]), ", ".join(stated["lost"])
    parts = [f"the photo says {stated['kind']} ({stated['why']})"] if stated["kind"] else []
    parts += [f"labels kept: {kept}"] if kept else []
    parts += [f"lost: {lost}; packshot label sets them again"] if lost else []
    parts += [f"its metadata is damaged: {text}" for text in stated["damaged"]]
    return "; ".join(parts)


def proof(certificate: dict[str, Any]) -> str:
    """The steps that ran and what became of the product, in one line."""
    steps = [f"{s['op']}{' (put in)' if s['inserted'] else ''}" for s in certificate["steps"]]
    promise, measured = certificate["promise"], certificate["measured"]
    if not promise["promised"]:
        told = f"no promise ({promise['reason']})"
    elif certificate["reduction"] is not None:
        told = _resampled(certificate)
    else:
        kept = measured["kept"]
        told = f"{kept['pixels'] - kept['differing']:,} of {kept['pixels']:,} kept pixels identical"
        if certificate["measured_before_encoding"] is not None:
            before = certificate["measured_before_encoding"]["kept"]
            told += f" ({before['pixels'] - before['differing']:,} before encoding)"
    edge = f"; halo {measured['halo']['score']}" if measured and measured["halo"] else ""
    return f"{', '.join(steps)}: {told}{_glass(certificate)}{edge}"


def _glass(certificate: dict[str, Any]) -> str:
    """How much of the product no promise is about, since it is glass; nothing where none is."""
    shares = certificate["regions"]["shares"]
    return f"; {100 * shares['glass']:.3g} % of the product is glass and exempt" if shares["glass"] else ""


def models(certificate: dict[str, Any]) -> Iterator[str]:
    """One line for each part of the picture that a model made."""
    for model in certificate.get("models", []):
        for part in model["parts"]:
            (w, h), (width, height) = part["made"], part["shown"]
            done = "reduced" if w * h > width * height else "enlarged"
            scaled = "" if part["made"] == part["shown"] else f", {done} to {width}×{height}"
            yield f"{model['op']} made by '{model['folder']}' ({model['pipeline']}) at {w}×{h}{scaled}"


def _resampled(certificate: dict[str, Any]) -> str:
    """How near the kept pixels are to the photo as it was resampled."""
    kept, before = certificate["measured"]["kept"], certificate["measured_before_encoding"]
    box, at = certificate["reduction"]["box"], certificate["reduction"]["at"]
    factor = (at[2] - at[0]) / (box[2] - box[0])
    done = f"{'reduced' if factor <= 1 else 'enlarged'} to {100 * factor:.3g} %"
    levels = certificate["promise"]["tolerance"]
    encoded = "" if before is None else f" before encoding, {kept['max_difference']} after it"
    return f"{kept['pixels']:,} kept pixels within {levels} level of the photo {done}{encoded}"
