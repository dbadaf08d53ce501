"""Every message that the source can say, as templates: what is filled in at run time stands as `{}`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "packshot"
HOLE = "{}"
HAN = re.compile(r"[一-鿿]")
QUOTED = re.compile(r"'[^']*'|“[^”]*”|`[^`]*`")
ENGLISH = re.compile(r"(?<![\w./:=-])[a-z]{2,} [a-z]{2,}(?![\w./:=-])")
"""Two words of English in a row; names of files, options and marketplaces are no words."""
COMMANDS = re.compile(r"pip install|packshot [a-z]+")
_MOST = 64
"""Ways in which one expression can be put together; none comes near."""


@dataclass(frozen=True)
class Message:
    """A template and where it stands."""

    template: str
    place: str


def messages(path: Path, calls: Mapping[str, Iterable[int | str]]) -> Iterator[Message]:
    """The texts that a file gives to these functions, by their names: positions or names of arguments."""
    tree = ast.parse(path.read_text("utf-8"))
    for scope, call in _calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {**dict(enumerate(call.args)), **{one.arg: one.value for one in call.keywords if one.arg}}
        for which in calls.get(name, ()):
            if which in given:
                place = f"{path.relative_to(SOURCE)}:{call.lineno}"
                yield from (Message(text, place) for text in templates(given[which], scope))


def returned(path: Path) -> Iterator[Message]:
    """The sentences, texts of two words or more, that a file's functions return, yield or append to lists."""
    tree = ast.parse(path.read_text("utf-8"))
    for scopes, node in _walk(tree):
        given: list[ast.expr | None] = []
        if isinstance(node, ast.Return | ast.Yield):
            given = [*node.value.elts] if isinstance(node.value, ast.Tuple) else [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            given = [*node.args]
        place = f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}"
        texts = [text for one in given if one is not None for text in templates(one, scopes)]
        yield from (Message(text, place) for text in texts if ENGLISH.search(QUOTED.sub("", text)))


def _calls(tree: ast.Module) -> Iterator[tuple[list[ast.AST], ast.Call]]:
    return ((scopes, node) for scopes, node in _walk(tree) if isinstance(node, ast.Call))


def _walk(node: ast.AST, scopes: Sequence[ast.AST] = ()) -> Iterator[tuple[list[ast.AST], ast.AST]]:
    """Every node, with the functions that it stands in, the innermost first."""
    inner = [*([node] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module) else []), *scopes]
    yield inner, node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, inner)


def templates(node: ast.expr, scopes: list[ast.AST], depth: int = 0) -> list[str]:
    """All that an expression can be, as far as its words stand in it; `{}` for what nobody can read from there."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else [HOLE]
    if isinstance(node, ast.JoinedStr):
        return _joined([templates(part, scopes, depth) for part in node.values])
    if isinstance(node, ast.FormattedValue):
        found = templates(node.value, scopes, depth)
        return found if HOLE not in found else [HOLE]
    if isinstance(node, ast.IfExp):
        return [*templates(node.body, scopes, depth), *templates(node.orelse, scopes, depth)]
    if isinstance(node, ast.BoolOp):
        return [text for part in node.values for text in templates(part, scopes, depth)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([templates(node.left, scopes, depth), templates(node.right, scopes, depth)])
    if isinstance(node, ast.Name) and depth < 3:
        return [text for value in _assigned(node.id, scopes) for text in templates(value, scopes, depth + 1)] or [HOLE]
    return [HOLE]


def _joined(parts: list[list[str]]) -> list[str]:
    found = [""]
    for part in parts:
        found = [before + text for before in found for text in part]
        assert len(found) <= _MOST
    return found


def _assigned(name: str, scopes: list[ast.AST]) -> list[ast.expr]:
    """What the nearest scope puts into a name; nothing for what comes from outside of the file."""
    for scope in scopes:
        values = []
        for node in ast.walk(scope):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        values.append(node.value)
                    elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = zip(target.elts, node.value.elts, strict=False)
                        values += [v for t, v in pairs if isinstance(t, ast.Name) and t.id == name]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
                values += [node.value] if node.value is not None else []
        if values:
            return values
    return []


def is_chinese(line: str) -> bool:
    """Whether a Chinese reader is told something, and nothing in English."""
    words = COMMANDS.sub("", QUOTED.sub("", line))
    told = HAN.search(words) is not None or not re.search("[A-Za-z]{2}", re.sub("[A-Z]{2,}", "", words))
    return told and not ENGLISH.search(words)
