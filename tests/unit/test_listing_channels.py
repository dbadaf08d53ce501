"""Marketplaces' rules are data with sources; a user's file changes them, and mistakes in it are one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from packshot.errors import InputError, RequestError
from packshot.listing.channels import CONFIDENCE, ENVIRONMENT, RULES, find_channel, load_channels

CHANNELS = {
    "amazon-main", "amazon-secondary", "taobao-main", "taobao-white", "tmall", "jd", "pinduoduo", "douyin", "shopify",
    "google-merchant", "ebay", "etsy", "instagram",
}  # fmt: skip


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_shipped_rule_says_where_it_comes_from_and_as_of_when() -> None:
    channels = load_channels()
    assert set(channels) == CHANNELS
    for channel in channels.values():
        assert channel.title_zh and len(channel.rules) >= 5
        assert channel.fix.format in channel.rules["format"].values["one_of"]
        for rule in channel.rules.values():
            assert rule.source.title and rule.source.confidence in CONFIDENCE
            assert date.fromisoformat(rule.source.date).year >= 2025


def test_rules_come_in_one_order() -> None:
    for channel in load_channels().values():
        assert list(channel.rules) == [name for name in RULES if name in channel.rules]


def test_own_rules_change_add_and_drop(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        """
        [channels.amazon-main.rules]
        share = { min = 0.8 }
        text = false
        [channels.my-shop]
        like = "taobao-white"
        title = "My shop"
        [channels.my-shop.rules]
        size = { exactly = [1200, 1200] }
        """,
    )
    before, after = load_channels(), load_channels(path)
    share = after["amazon-main"].rules["share"]
    assert share.values["min"] == 0.8 and str(path) in share.source.title
    assert "text" in before["amazon-main"].rules and "text" not in after["amazon-main"].rules
    assert after["amazon-main"].rules["white"] == before["amazon-main"].rules["white"]
    mine = after["my-shop"]
    assert mine.title == mine.title_zh == "My shop" and mine.rules["size"].values["exactly"] == [1200, 1200]
    assert mine.rules["shadow"].source == before["taobao-white"].rules["shadow"].source


def test_the_environment_names_own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(own(tmp_path, "[channels.ebay.rules]\nsize = { min_longest_px = 600 }")))
    assert load_channels()["ebay"].rules["size"].values["min_longest_px"] == 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[channels.ebay.rules]\nblurr = { max_px = 2 }", "did you mean 'blur'"),
        ("[channels.ebay.rules]\nblur = { max = 2 }", "'max_px'"),
        ("[channels.ebay.rules]\nsize = { min_width_px = -4 }", "a number from 1"),
        ("[channels.ebay.rules]\nsize = { min_width_px = true }", "a number from 1"),
        ("[channels.ebay.rules]\nfile-size = { min_kb = 9, max_kb = 3 }", "minimum up to the maximum"),
        ("[channels.ebay.rules]\ntext = { allowed = 'no' }", "true or false"),
        ("[channels.ebay.rules]\nformat = { one_of = ['jpg'] }", "a list of jpeg"),
        ("[channels.ebay.rules]\ntext = { allowed = false, source = 'ebay-polcy' }", "did you mean 'ebay-policy'"),
        ("[channels.x]\nlike = 'amazon-mian'", "did you mean 'amazon-main'"),
        ("[channels.x.rules]\ntext = { allowed = false }", "x.fix"),
        ("[channels.ebay.fix]\nshare = 3", "a number from 0.05 to 1"),
        ("[chanels.ebay]", "did you mean 'channels'"),
        ("[sources.a]\ntitle = 'A'\ndate = 'today'", "a date"),
        ("[channels.ebay", "no TOML"),
    ],
)
def test_a_mistake_is_one_line_with_a_suggestion(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_channels(own(tmp_path, text))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_channel_gets_a_suggestion() -> None:
    with pytest.raises(RequestError, match="did you mean 'amazon-main'"):
        find_channel("amazon_main", load_channels())


def test_missing_own_rules_are_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file of rules"):
        load_channels(tmp_path / "none.toml")
