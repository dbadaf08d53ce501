"""Steps: from words or a file to calls of operations, in the order in which the user gives them."""

from __future__ import annotations

import difflib
import inspect
import json
import math
import re
import shlex
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from packshot.editing.operations import OPERATIONS
from packshot.editing.scene import Scene
from packshot.errors import InputError, MissingExtraError, RequestError
from packshot.images import write_atomically

Value = str | float | int | bool
CUT = "cutout"
"""The operation that is put in before a step that needs a cut-out where there is none."""
LIT = ("shadow", "relight")
"""Operations that take the light of the place where the user names none."""

_TRUTH = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_SPOKEN = {str: "text", float: "a number", int: "a whole number", bool: "yes or no"}
_NAMED = re.compile(r"""(?<!\S)(?P<key>[A-Za-z_]\w*)=(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|\S*)(?!\S)""")
_QUOTED = re.compile(r"""\s*(?:"(?:[^"\\]|\\.)*"|'[^']*')\s*""")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with its arguments.

    Attributes:
        name: of the operation.
        arguments: by the names of the function's parameters; those left out have their defaults.
        inserted: whether it was put in because a later step needs it, not asked for.
    """

    name: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    inserted: bool = False

    def __str__(self) -> str:
        """As one would write it on the command line, without the leading dashes."""
        return " ".join([self.name, *(f"{key}={_quoted(_plain(v))}" for key, v in self.arguments.items())])


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a function's signature says of one parameter.

    Attributes:
        name: in the signature.
        kind: its type.
        required: whether a value must be given.
        default: the value where none is given; None where one must be.
    """

    name: str
    kind: type
    required: bool
    default: object


def parameters(operation: str) -> list[Parameter]:
    """The parameters of an operation after the scene, the one that may be given without its name first.

    Raises:
        RequestError: there is no such operation.
        MissingExtraError: OpenCV is not installed.
    """
    if operation not in OPERATIONS:
        raise RequestError("step", f"'{operation}'{_nearest(operation, OPERATIONS)}", ", ".join(OPERATIONS))
    function = _function(operation)
    kinds = typing.get_type_hints(function)
    return [
        Parameter(p.name, _kind(kinds[p.name]), p.default is p.empty, None if p.default is p.empty else p.default)
        for p in list(inspect.signature(function).parameters.values())[1:]
    ]


def parse_step(operation: str, text: str) -> Step:
    """Read one step as it stands on the command line: a first value, then `key=value` pairs, in quotes where needed.

    What is no pair with the name of a parameter belongs to the first value, so that it may hold spaces; a first value
    wholly in quotes is taken as it is.

    Raises:
        RequestError: an unknown operation or parameter, a value of another type, a value that is missing.
        MissingExtraError: OpenCV is not installed.
    """
    known = {parameter.name: parameter for parameter in parameters(operation)}
    given: dict[str, str] = {}
    rest, end = [], 0
    quoted = _QUOTED.match(text)
    start = quoted.end() if quoted else 0  # pairs inside a quoted first value are part of it
    for match in _NAMED.finditer(text, start):
        key = match["key"]
        if key not in known:
            _refuse_misspelt(operation, key, known)
            continue
        if key in given:
            raise RequestError(f"{operation}.{key}", "two values", "one")
        given[key] = _unquoted(match["value"])
        rest.append(text[end : match.start()])
        end = match.end()
    first = " ".join(part for part in (piece.strip() for piece in [*rest, text[end:]]) if part)
    if first:
        if not known:
            raise RequestError(operation, f"'{first}'", "no value")
        name = next(iter(known))
        if name in given:
            raise RequestError(f"{operation}.{name}", f"'{first}' and '{given[name]}'", "one value")
        given = {name: _unquoted(first) if _QUOTED.fullmatch(first) else first, **given}
    return Step(operation, checked(operation, given, known.values()))


def checked(
    operation: str, given: Mapping[str, object], known: Iterable[Parameter] | None = None, where: str = ""
) -> dict[str, Value]:
    """Arguments in their parameters' types and order.

    Args:
        operation: its name.
        given: by parameter; words are read as the type that the parameter has.
        known: its parameters, if already looked up.
        where: what stands before the operation's name in errors.

    Raises:
        RequestError: an unknown parameter, a value of another type, a value that is missing.
    """
    table = {parameter.name: parameter for parameter in (parameters(operation) if known is None else known)}
    for key in given:
        if key not in table:
            accepted = ", ".join(table) or "no parameters"
            raise RequestError(f"{where}{operation}", f"the parameter '{key}'{_nearest(key, table)}", accepted)
    arguments: dict[str, Value] = {}
    for name, parameter in table.items():
        if name in given:
            arguments[name] = _value(given[name], parameter.kind, f"{where}{operation}.{name}")
        elif parameter.required:
            raise RequestError(f"{where}{operation}.{name}", "nothing", _SPOKEN[parameter.kind])
    return arguments


def read_pipeline(path: Path) -> list[Step]:
    """The steps of a pipeline file: TOML with a table `[[step]]` for each, `op` naming the operation.

    Raises:
        InputError: the file is missing or no TOML of that form.
        RequestError: a step in it is not acceptable.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "an error", "a pipeline file") from None
    except ValueError as error:  # not UTF-8, or no TOML
        raise InputError(path, f"no TOML ({str(error).splitlines()[0]})", "tables [[step]] with op = …") from None
    rows = document.get("step")
    if set(document) != {"step"} or not isinstance(rows, list):
        raise InputError(path, f"the keys {', '.join(document) or 'none'}", "tables [[step]] and nothing else")
    steps = []
    for number, row in enumerate(rows, 1):
        where = f"{path}: step {number}: "
        if not isinstance(row, dict) or not isinstance(row.get("op"), str):
            raise InputError(path, f"step {number} without an operation", 'op = "…"')
        name = row["op"]
        if name not in OPERATIONS:
            raise RequestError(f"{where}op", f"'{name}'{_nearest(name, OPERATIONS)}", ", ".join(OPERATIONS))
        steps.append(Step(name, checked(name, {k: v for k, v in row.items() if k != "op"}, where=where)))
    return steps


def pipeline_text(steps: Iterable[Step]) -> str:
    """What `read_pipeline` reads as the same steps."""
    blocks = []
    for step in steps:
        lines = [f"{key} = {_toml(value)}" for key, value in {"op": step.name, **step.arguments}.items()]
        blocks.append("\n".join(["[[step]]", *lines]) + "\n")
    return "\n".join(blocks)


def save_pipeline(steps: Iterable[Step], path: Path) -> None:
    """Write a pipeline file whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomically(path, pipeline_text(steps).encode())


@dataclass(frozen=True, slots=True)
class Edited:
    """What came of a scene.

    Attributes:
        scene: after the last step.
        steps: that ran, in order, with those that were put in.
    """

    scene: Scene
    steps: tuple[Step, ...]


def run(scene: Scene, steps: Iterable[Step]) -> Edited:
    """Apply steps in order; a cut-out is put in before the first one that needs it, where nothing is cut out yet.

    Shadows and relighting before the step that places the product know the light of that place, too.

    Raises:
        PackshotError: what an operation refuses.
    """
    ran: list[Step] = []
    wanted = list(steps)
    for number, step in enumerate(wanted, 1):
        if OPERATIONS[step.name].needs_cut:
            scene, added = with_cut(scene)
            ran += added
        if step.name in LIT and scene.light is None:
            from packshot.editing.foresight import light_to_come  # OpenCV comes with it

            scene = replace(scene, light=light_to_come(scene, wanted[number:]))
        scene = _function(step.name)(scene, **step.arguments)
        ran.append(step)
    return Edited(scene, tuple(ran))


def with_cut(scene: Scene) -> tuple[Scene, list[Step]]:
    """The scene cut out, and the step that was needed for it: none where it came with its alpha."""
    if scene.alpha is not None:
        return scene, []
    return _function(CUT)(scene), [Step(CUT, {}, inserted=True)]


def summary(operation: str) -> str:
    """The first sentence of an operation's description, and its parameters with their defaults."""
    first = (inspect.getdoc(_function(operation)) or "").partition("\n")[0]
    optional = [p for p in parameters(operation) if not p.required]
    named = " ".join(f"{p.name}={'…' if p.default is None else _quoted(_plain(p.default))}" for p in optional)
    return f"{first} [{named}]" if named else first


def _function(operation: str) -> typing.Callable[..., Scene]:
    try:
        return OPERATIONS[operation].function
    except ModuleNotFoundError as error:
        raise not_installed(str(error.name)) from None


def not_installed(module: str) -> MissingExtraError:
    """The line that says how to install what editing needs."""
    return MissingExtraError("packshot edit", f"no module {module}", "pip install 'packshot[edit]'")


def _kind(annotation: object) -> type:
    """str, float, int or bool; of `kind | None` the kind."""
    if isinstance(annotation, types.UnionType):
        (annotation,) = (part for part in typing.get_args(annotation) if part is not type(None))
    if annotation not in _SPOKEN:
        raise TypeError(f"an operation's parameter is str, float, int or bool, not {annotation}")
    return annotation


def _value(given: object, kind: type, where: str) -> Value:
    wrong = RequestError(where, f"'{_plain(given)}'", _SPOKEN[kind])
    try:
        read = _read(given, kind) if isinstance(given, str) else given
    except (ValueError, KeyError):
        raise wrong from None
    if kind is float and type(read) is int:
        read = float(read)
    if type(read) is not kind or (isinstance(read, float) and not math.isfinite(read)):
        raise wrong
    return typing.cast(Value, read)


def _read(text: str, kind: type) -> object:
    if kind is bool:
        return _TRUTH[text.strip().lower()]
    return text if kind is str else kind(text.strip())


def _refuse_misspelt(operation: str, key: str, known: Mapping[str, Parameter]) -> None:
    """A word before an equals sign may be part of a text or path, unless it looks like a parameter misspelt."""
    takes_text = bool(known) and next(iter(known.values())).kind is str
    if not takes_text or difflib.get_close_matches(key, known, n=1, cutoff=0.7):
        accepted = ", ".join(known) or "no parameters"
        raise RequestError(operation, f"the parameter '{key}'{_nearest(key, known)}", accepted)


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _quoted(value: str) -> str:
    if value and not re.search(r"[\s'\"]", value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(value: str) -> str:
    return shlex.split(value)[0] if value[:1] in "'\"" and len(value) > 1 and value[-1] == value[0] else value


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) and f"{value:g}" == f"{value}".removesuffix(".0") else str(value)


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # a JSON string is a TOML basic string but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
