"""`--language zh`: what commands tell people is the Chinese of the same table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import packshot
from messages import is_chinese

pytest.importorskip("cv2")

from listing_pictures import jpeg, product

TABLE = "货号,品名,图片\nA-1,红色手提包,bag.jpg\nA-2,女士手提包,gone.jpg\n"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "bag.jpg"
    path.write_bytes(jpeg(product(900, 0.7)))
    return path


def test_check_and_its_repairs(photo: Path, tmp_path: Path) -> None:
    for more in ((), ("--fix", "--out", tmp_path / "out")):
        done = packshot("check", photo, "--channel", "amazon-main,taobao-white", "--language", "zh", *more)
        lines = [line for line in done.stdout.splitlines() if line]
        assert len(lines) > 10 and done.returncode in (0, 1)
        assert [line for line in lines if not is_chinese(line)] == []


def test_verify_and_a_certificate(photo: Path, tmp_path: Path) -> None:
    edited = tmp_path / "edited.png"
    assert packshot("edit", photo, "--crop", "10,10,300,300", "--out", edited).returncode == 0
    done = packshot("verify", edited, "--original", photo, "--language", "zh")
    assert done.returncode == 0 and "相符" in done.stdout
    assert [line for line in done.stdout.splitlines() if not is_chinese(line)] == []


def test_a_listing_and_what_failed(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    photo.rename(tmp_path / "shop" / photo.name)
    table = tmp_path / "shop" / "shop.csv"
    table.write_text(TABLE, "utf-8")
    words = ["listing", table, "--channels", "shopify", "--out", tmp_path / "out", "--workers", "1", "--language", "zh"]
    plan = packshot(*words, "--dry-run")
    assert plan.returncode == 0 and "计划" in plan.stdout
    done = packshot(*words)
    assert done.returncode == 1
    said = [line for line in (plan.stdout + plan.stderr + done.stdout + done.stderr).splitlines() if line]
    assert [line for line in said if not is_chinese(line)] == []
    failures = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text("utf-8").splitlines()]
    assert "the photo 'gone.jpg' is missing" in {row["reason"] for row in failures}  # files keep the English


@pytest.mark.parametrize("command", ["check", "verify", "listing"])
def test_another_language_is_refused(command: str, photo: Path, tmp_path: Path) -> None:
    more = {"check": ["--channel", "ebay"], "verify": [], "listing": ["--channels", "ebay", "--out", tmp_path / "out"]}
    done = packshot(command, photo, *more[command], "--language", "fr")
    assert done.returncode == 2 and "--language: got 'fr'; accepted: en or zh" in done.stderr
