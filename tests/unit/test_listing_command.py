"""`packshot check`: exit codes, folders, channels, languages; originals stay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import packshot
from listing_checker import complaints

pytest.importorskip("cv2")

from listing_pictures import FAULTS, jpeg, perfect_network, product

pytestmark = pytest.mark.usefixtures(perfect_network.__name__)


def run(arguments: list[object]) -> tuple[int, str]:
    done = packshot(*arguments)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout or done.stderr


def test_the_command_checks_folders_and_repairs(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    (folder / "good.jpg").write_bytes(jpeg(product()))
    (folder / "sub" / "small.jpg").write_bytes(jpeg(product(share=0.7)))
    before = (folder / "sub" / "small.jpg").read_bytes()
    assert run(["check", folder / "good.jpg", "--channel", "amazon-main"])[0] == 0
    code, text = run(["check", folder, "--channel", "amazon-main", "--json"])
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 1 and [row["good"] for row in rows] == [True, False]
    assert {v["rule"] for v in rows[1]["verdicts"] if v["status"] == "fail"} == {"share"}
    code, text = run(["check", folder, "--channel", "amazon-main", "--fix", "--out", out])
    assert code == 0 and (out / "good.jpg").read_bytes() == (folder / "good.jpg").read_bytes()
    assert complaints((out / "sub" / "small.jpg").read_bytes(), "amazon-main") == []
    assert (out / "sub" / "small.jpg.certificate.json").exists()
    assert (folder / "sub" / "small.jpg").read_bytes() == before and not list(out.rglob("*.tmp"))


def test_the_command_speaks_chinese(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(product(share=0.7)))
    code, text = run(["check", tmp_path / "a.jpg", "--channel", "amazon-main", "--language", "zh"])
    assert code == 1 and "不合格 主体占比：最长边占画面 70" in text


@pytest.mark.parametrize(
    "arguments",
    [["--channel", "amazon"], [], ["--channel", "ebay", "--fix"], ["--channel", "ebay", "--language", "fr"]],
)
def test_mistakes_of_the_user(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(product(200)))
    assert run(["check", tmp_path / "a.jpg", *arguments])[0] == 2


def test_never_over_the_original(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(product(200)))
    assert run(["check", tmp_path / "a.jpg", "--channel", "ebay", "--fix", "--out", tmp_path])[0] == 2


def test_a_damaged_picture_among_others_does_not_stop_them(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "b.jpg").write_bytes(jpeg(product()))
    code, text = run(["check", tmp_path, "--channel", "amazon-main", "--json"])
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 1 and "error" in rows[0] and rows[1]["good"]
    assert run(["check", tmp_path / "a.jpg", "--channel", "amazon-main"])[0] == 2


def test_channels_with_commas_and_ones_own_rules(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(product(share=0.7)))
    (tmp_path / "own.toml").write_text("[channels.amazon-main.rules]\nshare = { min = 0.6 }")
    asked = ["check", tmp_path / "a.jpg", "--channel", "amazon-main,taobao-white", "--rules", tmp_path / "own.toml"]
    code, text = run([*asked, "--fix", "--out", tmp_path / "out", "--json"])
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 0 and [row["passed"] for row in rows] == [True, False] and all(row["good"] for row in rows)
    assert (tmp_path / "out" / "amazon-main" / "a.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert complaints((tmp_path / "out" / "taobao-white" / "a.jpg").read_bytes(), "taobao-white") == []


def test_what_cannot_be_repaired_is_said_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(FAULTS["blur"]())
    code, text = run(["check", tmp_path / "a.jpg", "--channel", "amazon-main", "--fix", "--out", tmp_path / "out"])
    assert code == 1 and "not repaired: blur: detail that the photo does not have" in text
    assert not list((tmp_path / "out").glob("*.jpg"))


def test_every_rule_is_explained_with_its_source() -> None:
    code, text = run(["check", "--explain", "--channel", "jd"])
    assert code == 0 and text.count("2026-11-26") >= 10 and "reported" in text


@pytest.mark.parametrize(
    "words",
    [("listing", "shop.csv", "--channels", "amazon-main", "--out", "out"), ("check", "a.jpg", "--channel", "ebay")],
)
def test_without_opencv_one_line_says_what_to_install(words: tuple[str, ...]) -> None:
    """In an interpreter in which there is no cv2."""
    hidden = (
        "import importlib.util as u, sys; f = u.find_spec; sys.modules['cv2'] = None; "
        "u.find_spec = lambda name, *more: None if name == 'cv2' else f(name, *more); "
        "from packshot.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", hidden, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "packshot[edit]" in done.stderr, done.stderr
