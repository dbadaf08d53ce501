"""Operations with their parameters, as a program needs them that shows forms."""

from __future__ import annotations

import inspect
import re
from typing import Any

from packshot.server.tasks.references import PACKS, PICTURES, Surroundings, offered

TYPES = {str: "string", float: "number", int: "integer", bool: "boolean"}

CHOICES: dict[str, tuple[str, ...]] = {
    "relight.direction": ("place", "left", "right", "above", "below", "above-left", "above-right", "below-left",
                          "below-right"),
    "flip.axis": ("horizontal", "vertical"),
    "enlarge.times": ("2", "4"),
    "enlarge.by": ("auto", "plain", "network"),
    "fit.scale": ("auto", "1"),
    "text.at": ("top-left", "top", "top-right", "left", "centre", "right", "bottom-left", "bottom", "bottom-right"),
    "text.align": ("auto", "left", "centre", "right"),
    "badge.at": ("top-left", "top", "top-right", "left", "centre", "right", "bottom-left", "bottom", "bottom-right"),
    "badge.shape": ("pill", "round", "ribbon"),
    "dimensions.units": ("cm", "in", "cm,in"),
    "dimensions.beside": ("auto", "none", "quarter", "yuan", "card", "phone", "a4", "person"),
    "dimensions.language": ("en", "zh"),
}  # fmt: skip
"""Words that a form can list. `relight.direction`, `text.at` and `badge.at` take numbers, too, `shadow.kind` sums."""

BOUNDS: dict[str, tuple[float, float]] = {
    "cutout.frosted": (0, 1), "background.match": (0, 1), "background.blur": (0, 20), "background.scale": (0.1, 10),
    "shadow.strength": (0, 1), "shadow.softness": (0, 1), "shadow.length": (0.1, 3), "relight.strength": (0, 1),
    "recolour.strength": (0, 1), "turn.degrees": (-360, 360), "tilt.view": (10, 60), "erase.feather": (0, 50),
    "fit.share": (0.05, 1), "fit.margin": (0, 0.45), "crop.margin": (0, 1), "recolour.tolerance": (0, 0.5),
    "tilt.yaw": (-40, 40), "tilt.pitch": (-40, 40), "sharpen.amount": (0, 3), "sharpen.radius": (0.3, 5),
    "denoise.strength": (0, 3), "text.size": (0.005, 0.5), "text.width": (0.05, 1), "text.margin": (0, 0.4),
    "badge.size": (0.005, 0.5), "badge.margin": (0, 0.4),
}  # fmt: skip
"""Least and largest of numbers. Operations check them themselves; tests compare."""

_ARGUMENT = re.compile(r"^    (\w+): (.*)$")


def described(around: Surroundings) -> list[dict[str, Any]]:
    """Every operation, in the order of the table, but for those that need a pack of a kind that is not installed.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    from packshot.editing.operations import OPERATIONS

    lacking = {name.partition(".")[0] for name in PACKS if not _packs(name, around)}
    return [_operation(name, around) for name in OPERATIONS if name not in lacking]


def _packs(parameter: str, around: Surroundings) -> frozenset[str]:
    return around.packs.get(PACKS[parameter], frozenset())


def _operation(name: str, around: Surroundings) -> dict[str, Any]:
    from packshot.editing.operations import OPERATIONS
    from packshot.editing.pipeline import parameters

    operation = OPERATIONS[name]
    text, arguments = _parsed(inspect.getdoc(operation.function) or "")
    summary, _, rest = text.partition("\n")
    return {
        "name": name,
        "promise": operation.promise,
        "needs_cut": operation.needs_cut,
        "summary": summary,
        "docs": rest.strip(),
        "parameters": [
            _parameter(name, one, arguments.get(one.name, ""), around)
            for one in parameters(name)
            if offered(name, one.name, around)
        ],
    }


def _parameter(operation: str, parameter: Any, docs: str, around: Surroundings) -> dict[str, Any]:
    name = f"{operation}.{parameter.name}"
    low, high = BOUNDS.get(name, (None, None))
    choices = tuple(sorted(_packs(name, around))) if name in PACKS else CHOICES.get(name)
    return {
        "name": parameter.name,
        "type": TYPES[parameter.kind],
        "required": parameter.required,
        "default": parameter.default,
        "docs": docs,
        "asset": PICTURES.get(name),
        "choices": None if choices is None else list(choices),
        "minimum": low,
        "maximum": high,
    }


def _parsed(docs: str) -> tuple[str, dict[str, str]]:
    """A Google-style docstring before its sections, and what it says of each argument."""
    text, _, rest = docs.partition("\nArgs:\n")
    text = text.partition("\nRaises:\n")[0]
    arguments: dict[str, str] = {}
    last = ""
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            break
        if found := _ARGUMENT.match(line):
            last = found[1]
            arguments[last] = found[2]
        elif last and line.strip():
            arguments[last] += f" {line.strip()}"
    return text.strip(), arguments
