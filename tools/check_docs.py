"""Check that what the documents point to exists: linked files, `make` targets, `packshot` commands and options.

Prints one line for each thing that does not and exits with 1, so that a renamed option cannot stay in the README.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")
FENCE = re.compile(r"^```(?:bash|sh|console|shell)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("http:", "https:", "mailto:", "#")


def documents() -> list[Path]:
    """Every Markdown file that belongs to the project."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.md")])


def broken_links(document: Path) -> Iterator[str]:
    """Links and pictures that lead to no file."""
    for match in LINK.finditer(document.read_text(encoding="utf-8")):
        target = match.group(1) or match.group(2)
        if not target.startswith(ELSEWHERE) and not (document.parent / target.partition("#")[0]).exists():
            yield f"link to {target}"


def commands(document: Path) -> Iterator[list[str]]:
    """The words of every `make …` and `packshot …` line in the document's code blocks."""
    for block in FENCE.finditer(document.read_text(encoding="utf-8")):
        for line in block.group(1).replace("\\\n", " ").splitlines():
            stripped = line.strip().removeprefix("$ ")
            if stripped.startswith(("make ", "packshot ")):
                yield shlex.split(stripped, comments=True)


def broken_commands(document: Path) -> Iterator[str]:
    """Targets, commands and long options that the programs do not know."""
    for words in commands(document):
        if words[0] == "make":
            unknown = [w for w in words[1:] if "=" not in w and not w.startswith("-") and w not in make_targets()]
            yield from (f"make {target}" for target in unknown)
        else:
            yield from _unknown_of_packshot(words[1:])


def _unknown_of_packshot(words: list[str]) -> Iterator[str]:
    path: tuple[str, ...] = ()
    while words and not words[0].startswith("-") and words[0] in subcommands(path):
        path, words = (*path, words[0]), words[1:]
    if not path and words and not words[0].startswith("-"):
        yield f"packshot {words[0]}"
        return
    text = help_text(path)
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and not re.search(rf"{re.escape(option)}(?![\w-])", text):
            yield f"{option} of packshot {' '.join(path)}"


@cache
def make_targets() -> frozenset[str]:
    """Targets that the Makefile describes."""
    return frozenset(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@cache
def help_text(path: tuple[str, ...]) -> str:
    """What `packshot PATH --help` prints, wide enough that no option is cut."""
    program = Path(sys.executable).with_name("packshot")
    plain = {"COLUMNS": "240", "TERM": "dumb", "NO_COLOR": "1", "PYTHONUTF8": "1", "PATH": ""}
    run = subprocess.run([program, *path, "--help"], env=plain, capture_output=True, text=True, check=True)
    return run.stdout


@cache
def subcommands(path: tuple[str, ...]) -> frozenset[str]:
    """Names listed in the panel of commands of `packshot PATH --help`."""
    listing = help_text(path).partition("Commands")[2]
    return frozenset(re.findall(r"^[│|\s]{1,4}([a-z][a-z0-9-]*)(?=\s|$)", listing, re.MULTILINE))


def main() -> int:
    """Check every document; 0 when all is well, 1 otherwise."""
    broken = [
        f"{document.relative_to(ROOT)}: {what} does not exist"
        for document in documents()
        for what in [*broken_links(document), *broken_commands(document)]
    ]
    print("\n".join(broken) or f"{len(documents())} documents, nothing broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
