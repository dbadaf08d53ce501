"""What a listing run writes for each of the thirteen channels passes a checker that shares no code with it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from command_line import packshot
from listing_checker import CHANNELS, complaints

pytest.importorskip("cv2")

from listing_pictures import FAULTS, jpeg, product

from packshot.listing.channels import load_channels

FOUND_BY = {
    "white": {"white edge", "white ground"},
    "share": {"fill"},
    "size": {"size"},
    "border": {"frame"},
    "items": {"items"},
    "blur": {"blur"},
    "colour": {"mode"},
    "transparency": {"transparency"},
    "format": {"format"},
    "animation": {"frames"},
    "margin": {"cut off"},
}
"""The second checker's word for each fault; text, watermarks and generated pictures it can't see in these pixels."""


@pytest.mark.parametrize("fault", FOUND_BY)
def test_the_second_checker_finds_each_fault_by_itself(fault: str) -> None:
    found = set(complaints(FAULTS[fault](), "amazon-main" if fault != "size" else "taobao-main"))
    assert FOUND_BY[fault] <= found


def test_both_tables_of_limits_agree_where_they_can_be_compared() -> None:
    ours = load_channels()
    assert set(ours) == set(CHANNELS)
    for name, theirs in CHANNELS.items():
        rules = {rule: limits.values for rule, limits in ours[name].rules.items()}
        formats = {form.upper() for form in rules["format"]["one_of"]}
        assert set(theirs["formats"]) == formats, name
        assert theirs["kb"] == (rules["file-size"].get("min_kb", 0), rules["file-size"]["max_kb"]), name
        assert ("white" in rules, "border" in rules) == (bool(theirs.get("white")), bool(theirs.get("plain"))), name
        assert bool(theirs.get("moving")) is ("animation" not in rules or rules["animation"]["allowed"]) or (
            theirs["formats"] == ("JPEG",)
        ), name


@pytest.mark.slow
def test_every_picture_of_a_run_over_all_channels_passes_the_second_checker(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "A1.jpg").write_bytes(jpeg(product(1200, 0.75, (205, 200, 190))))
    (tmp_path / "shop.csv").write_text("sku,title\nA1,brown bag\nW1,red shoe\n", encoding="utf-8")
    scenes = ("taobao-main",)
    sets = "".join(f"[{name}]\nmain = 1\n" + "scene = 1\n" * (name in scenes) for name in CHANNELS)
    (tmp_path / "sets.toml").write_text(sets, encoding="utf-8")
    options = ["--photos", tmp_path / "photos", "--sets", tmp_path / "sets.toml", "--backend", "fake"]
    command = ["listing", tmp_path / "shop.csv", *options, "--channels", ",".join(CHANNELS), "--out", tmp_path / "out"]
    done = packshot(*command, "--json")
    rows = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text("utf-8").splitlines()]
    failures = [json.loads(line) for line in (tmp_path / "out" / "failures.jsonl").read_text("utf-8").splitlines()]
    made = Counter(row["channel"] for row in rows if row["sku"] == "A1" and row["role"] == "main")
    assert made == Counter(list(CHANNELS)), (done.stderr, [row["reason"] for row in failures])
    assert {row["channel"] for row in rows if row["role"] == "scene"} == set(scenes)
    assert sum(row["path"] == "generative" for row in rows) >= 10
    for row in rows:
        assert complaints((tmp_path / "out" / row["name"]).read_bytes(), row["channel"]) == [], row["name"]
