"""Rejected pictures: lists are read strictly, and orders hold whatever was made before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from packshot.errors import InputError, RequestError
from packshot.listing.plan import PlannedPicture
from packshot.listing.products import Path_
from packshot.listing.rejecting import Obeyed, Orders, as_remade, obeyed, read_list, read_orders

PHOTO = PlannedPicture("a" * 64, "A/c/main-1.jpg", "A", "c", "main", 1, Path_.IDENTITY, "photo", None, "", "bag")
SCENE = replace(PHOTO, key="b" * 64, name="A/c/scene-1.jpg", role="scene")
DRAWN = replace(PHOTO, key="c" * 64, name="D/c/main-1.jpg", sku="D", means="words", path=Path_.GENERATIVE)
ALL = [PHOTO, SCENE, DRAWN]
Line = dict[str, Any]


def lines(*pictures: PlannedPicture) -> dict[str, Line]:
    return {picture.key: {**picture.as_dict(), "certificate": None} for picture in pictures}


def asked(
    reject: str = "", remake: str = "", failures: tuple[Line, ...] = (), made: tuple[PlannedPicture, ...] = ()
) -> Obeyed:
    orders = Orders(dict.fromkeys(reject.split(), "ugly"), dict.fromkeys(remake.split(), ""))
    return obeyed(ALL, lines(*(made or ALL)), failures, set(), orders)


def test_a_list_is_keys_with_reasons() -> None:
    text = "\ufeff# of Monday\n" + "a" * 64 + "\n\n" + "b" * 12 + "  the  table is\tbent \r\n"
    assert read_list(text.encode(), "x") == {"a" * 64: "", "b" * 12: "the table is bent"}
    for wrong in (b"A/c/main-1.jpg", b"abc", b"g" * 64, b"a" * 65, b"\xff\xfe", b"<script>"):
        with pytest.raises(InputError, match=r"^r\.txt"):
            read_list(b"a" * 64 + b"\n" + wrong, "r.txt")


def test_files_of_orders_are_read_and_must_not_contradict(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("a" * 20 + " blurred\n")
    other.write_text("b" * 20)
    assert read_orders(one, other) == Orders({"a" * 20: "blurred"}, {"b" * 20: ""})
    assert read_orders(None, None) == Orders()
    with pytest.raises(RequestError, match="--rejected names too"):
        read_orders(one, one)
    with pytest.raises(InputError, match="No such file"):
        read_orders(tmp_path / "none.txt", None)


def test_what_is_rejected_goes_and_stands_in_the_failures() -> None:
    state = asked(reject=f"{'a' * 12} {'c' * 64}", made=(PHOTO, SCENE))
    assert set(state.kept) == {SCENE.key} and state.planned == ALL and not state.said
    assert [line["name"] for line in state.gone] == [PHOTO.name]
    assert {key: (row["kind"], row["reason"]) for key, row in state.failed.items()} == {
        PHOTO.key: ("rejected", "ugly"),
        DRAWN.key: ("rejected", "ugly"),  # not made yet, and not to be made
    }


def test_rejections_hold_even_if_a_killed_run_left_the_file() -> None:
    row = {"kind": "rejected", **PHOTO.as_dict(), "reason": "ugly"}
    state = asked(failures=(row, {"kind": "row", "sku": "X", "reason": "no title"}))
    assert state.failed == {PHOTO.key: row} and [line["key"] for line in state.gone] == [PHOTO.key]
    assert asked(reject=PHOTO.key, failures=(row,)).failed.keys() == state.failed.keys()
    refused = {**row, "kind": "refused"}
    assert asked(failures=(refused,)).failed == {}  # made since


def test_what_is_made_anew_gets_another_key_and_no_way_back() -> None:
    state = asked(remake=f"{SCENE.key} {DRAWN.key}")
    assert [line["key"] for line in state.gone] == [SCENE.key, DRAWN.key] and set(state.kept) == {PHOTO.key}
    assert [picture.take for picture in state.planned] == [0, 1, 1]
    assert [picture.name for picture in state.planned] == [picture.name for picture in ALL]
    assert len({picture.key for picture in [*ALL, *state.planned]}) == 5
    given_up = {line["key"] for line in state.remade}
    assert as_remade(ALL, given_up) == state.planned
    again = obeyed(state.planned, {}, [], given_up, Orders({}, dict.fromkeys(given_up, "")))
    assert again.planned == state.planned and not again.remade and not again.said  # the same command repeated
    twice = obeyed(state.planned, {}, [], given_up, Orders({}, {state.planned[1].key: ""}))
    assert [picture.take for picture in twice.planned] == [0, 2, 1]


def test_a_photo_has_nothing_to_vary_but_a_rejected_one_comes_back() -> None:
    state = asked(remake=PHOTO.key)
    assert state.planned == ALL and not state.gone and not state.remade
    assert state.said == ["1 pictures come from a photo alone and would be the same again: they stay as they are"]
    row = {"kind": "rejected", **PHOTO.as_dict(), "reason": "ugly"}
    back = asked(remake=PHOTO.key, failures=(row,), made=(SCENE, DRAWN))
    assert back.failed == {} and not back.said and PHOTO.key not in back.kept


def test_keys_of_no_picture_are_said_and_short_ones_must_be_clear() -> None:
    assert "1 keys belong to no picture" in asked(reject="d" * 64).said[0]
    near = replace(PHOTO, key="a" * 13 + "b" * 51)
    with pytest.raises(InputError, match="with which 2 keys begin"):
        obeyed([PHOTO, near], {}, [], set(), Orders({"a" * 13: ""}))
    assert obeyed([PHOTO, near], {}, [], set(), Orders({"a" * 14: ""})).failed.keys() == {PHOTO.key}
