"""The policy: what channels get by default and why, users' files over it, and how a picture came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from packshot.errors import InputError, RequestError
from packshot.images import save_picture
from packshot.provenance import origin
from packshot.provenance.policy import KINDS, LABELS, load_policy

POLICY = load_policy()


def wish(channel: str, kind: str) -> dict[str, Any]:
    return {decision.label: decision.set for decision in POLICY.decide(channel, kind)}


@pytest.mark.parametrize("channel", POLICY.channels)
@pytest.mark.parametrize("kind", KINDS)
def test_every_label_of_every_kind_is_decided_with_reason_and_dated_source(channel: str, kind: str) -> None:
    decisions = POLICY.decide(channel, kind)
    assert tuple(decision.label for decision in decisions) == LABELS
    assert all(d.why and d.rule and d.source.title and d.source.date >= "2026" for d in decisions)


@pytest.mark.parametrize("channel", POLICY.channels)
@pytest.mark.parametrize("kind", ["generated", "composite"])
def test_what_was_made_is_always_marked_for_machines(channel: str, kind: str) -> None:
    wishes = wish(channel, kind)
    assert wishes["iptc"] is wishes["c2pa"] is wishes["aigc"] is True


@pytest.mark.parametrize(
    ("channel", "kind", "visible", "mark"),
    [
        ("taobao-main", "generated", True, True),
        ("taobao-main", "composite", True, "background"),
        ("taobao-white", "generated", False, True),
        ("taobao-white", "composite", False, False),
        ("douyin", "composite", True, "background"),
        ("amazon-main", "composite", False, False),
        ("amazon-secondary", "generated", False, True),
        ("shopify", "edited", False, False),
        ("taobao-main", "edited", False, False),
    ],
)
def test_defaults(channel: str, kind: str, visible: bool, mark: object) -> None:
    wishes = wish(channel, kind)
    assert (wishes["visible"], wishes["mark"]) == (visible, mark)


def test_a_china_channel_without_text_says_what_to_do_instead() -> None:
    decision = POLICY.decide("taobao-white", "generated")[0]
    assert decision.rule == "cn-declared-instead"
    assert "article 10" in decision.why


def test_a_users_file_comes_last_and_may_add_channels(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        '[sources.us]\ntitle = "our lawyer"\ndate = 2026-11-01\n[channels]\nown-shop = ["china"]\n'
        '[[rules]]\nid = "ours"\nlabels = ["visible"]\nkinds = ["generated"]\nchannels = ["shopify"]\nset = true\n'
        'why = "we say so"\nsource = "us"\n',
        encoding="utf-8",
    )
    policy = load_policy(path)
    decision = policy.decide("shopify", "generated")[0]
    assert (decision.set, decision.rule, decision.source.title) == (True, "ours", "our lawyer")
    assert policy.decide("own-shop", "generated")[0].set is True
    assert policy.decide("shopify", "composite")[0].set is False


RULE = {"id": '"a"', "labels": '["iptc"]', "kinds": '["edited"]', "set": "true", "why": '"b"', "source": '"iptc"'}


def rule(**changes: str | None) -> str:
    rows = {**RULE, **changes}
    return "[[rules]]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items() if value is not None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labelz = 1", "the key 'labelz'"),
        (rule(sett="true"), "did you mean 'set'"),
        (rule(labels='["aigcc"]'), "did you mean 'aigc'"),
        (rule(kinds='"edited"'), "a list of words"),
        (rule(channels='["taobao"]'), "'taobao'"),
        (rule(groups='["chinese"]'), "did you mean 'china'"),
        (rule(source='"ipct"'), "did you mean 'iptc'"),
        (rule(set='"background"'), "for the mark alone"),
        (rule(why=None), "no why"),
        ("rules = 1", "no list"),
        ("format = 2", "format 2"),
        ('[sources.a]\ntitle = "t"\ndate = "today"', "a date such as"),
        ("[", "no TOML"),
    ],
)
def test_mistakes_in_a_users_file_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_policy(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_channels_kinds_and_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="did you mean 'shopify'"):
        POLICY.decide("shopfy", "edited")
    with pytest.raises(RequestError, match="generated"):
        POLICY.decide("shopify", "made")
    with pytest.raises(InputError, match="label rules"):
        load_policy(tmp_path / "none.toml")


# ---- Origin ----------------------------------------------------------------------------------------------------------


def certificate(*steps: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"steps": [{"op": op, "arguments": arguments} for op, arguments in steps]}


@pytest.mark.parametrize(
    ("to", "kind", "term"),
    [
        ("#ffffff", "edited", origin.ENHANCED),
        ("white", "edited", origin.ENHANCED),
        ("白色", "edited", origin.ENHANCED),
        ("gradient:#fff,#ddd", "edited", origin.ENHANCED),
        ("walnut table before a sage wall", "composite", origin.DRAWN),
        ("picture:not-there.jpg", "composite", origin.COMPOSITE),
    ],
)
def test_a_background_decides_what_an_edit_is(to: str, kind: str, term: str) -> None:
    found = origin.of_certificate(certificate(("cutout", {}), ("background", {"to": to})))
    assert found is not None
    assert (found.kind, found.source_type, found.steps) == (kind, term, ("cutout", "background"))


def test_a_background_from_a_file_counts_as_what_the_file_is(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    save_picture(pixels, tmp_path / "photo.png")
    save_picture(pixels, tmp_path / "made.png", recipe={"request": {}})
    terms = []
    for name in ("photo.png", "made.png"):
        found = origin.of_certificate(certificate(("background", {"to": str(tmp_path / name)})))
        assert found is not None
        terms.append((found.kind, found.source_type))
    assert terms == [("edited", origin.CAPTURED), ("composite", origin.COMPOSITE)]


def test_the_most_that_is_said_is_believed() -> None:
    edited = origin.of_certificate(certificate(("crop", {})))
    made = origin.of_recipe({"request": {}, "pack": {"name": "base"}})
    best = origin.strongest([None, edited, made, origin.of_kind("composite")])
    assert (best.kind, best.source_type) == ("generated", origin.GENERATED)
    assert "base" in best.why
    assert (
        origin.strongest([origin.of_source_type(origin.TERMS + "somethingNew"), edited]).source_type == "somethingNew"
    )


def test_nothing_known_and_nonsense_are_one_line() -> None:
    with pytest.raises(RequestError, match="--kind"):
        origin.strongest([None, origin.of_recipe({}), origin.of_certificate(None)])
    with pytest.raises(RequestError, match="--kind"):
        origin.of_kind("photo")
    with pytest.raises(InputError, match="certificate"):
        origin.of_certificate({"steps": [1]})


@pytest.mark.parametrize(
    ("op", "expected"), [("background", origin.COMPOSITE), ("erase", origin.COMPOSITE), ("view", origin.GENERATED)]
)
def test_what_a_model_put_into_a_picture_counts_as_made_by_it(op: str, expected: str) -> None:
    stated = {**certificate((op, {"to": "text: a table", "by": "diffusers:folder"})), "models": [{"op": op}]}
    found = origin.of_certificate(stated)
    assert found is not None and found.source_type == expected
