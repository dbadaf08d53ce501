"""The page's texts in both languages, and that its files ask for nothing from elsewhere. Needs no browser."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest

from packshot.editing.operations import OPERATIONS
from packshot.listing.channels import RULES
from packshot.phrases import names
from packshot.server.security.scopes import SCOPES
from packshot.server.tasks.forms import CHOICES, described
from packshot.server.tasks.references import PACKS, Surroundings

PAGE = Path(str(resources.files("packshot.server").joinpath("page")))
SCRIPTS = sorted(PAGE.glob("js/**/*.js"))
_KEY = re.compile(
    r'"((?:shell|create|picture|recipe|edit|preset|group|promise|kind|brush|proof|listing|gallery|models|pack|training|job|verdict|slot)\.[\w.]+)"'
)


def table(language: str) -> dict[str, str]:
    """A language's texts: JSON behind a comment and `export default`."""
    text = (PAGE / "js" / "texts" / f"{language}.js").read_text("utf-8")
    found: dict[str, str] = json.loads(text.partition("export default")[2].strip().removesuffix(";"))
    return found


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    english, chinese = table("en"), table("zh")
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        places = re.findall(r"\{\w+\}", text)
        assert sorted(places) == sorted(re.findall(r"\{\w+\}", chinese[key])), key
        assert text.strip() and chinese[key].strip(), key


def test_chinese_texts_are_chinese() -> None:
    same = {key for key, text in table("zh").items() if text == table("en")[key]}
    assert all(not re.search("[A-Za-z]{3}", re.sub(r"\{\w+\}", "", table("en")[key])) for key in same - PROPER), same


PROPER = {"choice.a4", "training.name_example", "listing.columns_example"}


def test_every_text_that_the_scripts_name_is_there() -> None:
    known = table("en")
    named = {key for path in SCRIPTS for key in _KEY.findall(path.read_text("utf-8"))}
    assert len(named) > 200
    assert {key for key in named if key not in known} <= {"picture.png"}  # a file
    page = (PAGE / "index.html").read_text("utf-8")
    assert set(re.findall(r'data-t(?:-label)?="([^"]+)"', page)) <= known.keys()


def test_every_operation_parameter_choice_and_rule_has_words() -> None:
    known = table("en")
    packs = {kind: frozenset({"one"}) for kind in set(PACKS.values())}
    around = Surroundings(lambda identity, where: Path(identity), packs, Path("models"))
    for operation in described(around):
        name = operation["name"]
        assert {f"op.{name}", f"op.{name}.about"} <= known.keys(), name
        assert {f"op.{name}.{one['name']}" for one in operation["parameters"]} <= known.keys(), name
    words = {word for choices in CHOICES.values() for word in choices if not word.isdecimal()}
    assert {f"choice.{word}" for word in words} <= known.keys()
    assert names("rule").keys() == RULES.keys()
    assert len(OPERATIONS) >= 19
    assert {f"scope.{scope}" for scope in SCOPES} <= known.keys()


@pytest.mark.parametrize("path", [p for p in PAGE.rglob("*") if p.suffix in (".html", ".js", ".css", ".svg")])
def test_files_hold_nothing_inline_and_nothing_of_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    addresses = set(re.findall(r"https?://[^\s\"')`]+", text)) - {"http://www.w3.org/2000/svg"}
    assert addresses == set()
    if path.suffix == ".html":
        assert "default-src 'self'" in text
        assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", text)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    if path.suffix == ".js":
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


def test_the_page_stays_light() -> None:
    weight = sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file())
    assert weight < 250_000, f"{weight:,} bytes, uncompressed, all screens"
