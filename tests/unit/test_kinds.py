"""A seller's own kinds of product: read, added to the lexicon, refused where they would change what words mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from packshot.errors import InputError, RequestError
from packshot.lexicon import CATEGORY_VALUES, lexicon, set_own_kinds, shipped_categories
from packshot.lexicon.kinds import install_kinds, own_kinds_as_rows, read_kinds
from packshot.prompt import captions, entry_for_catalogue_name, parse, slot_index, slot_size

KETTLE = {"key": "kettle", "en": ["kettle", "electric kettle"], "zh": ["水壶", "电热水壶"], "names": ["Kettles & Pots"]}
LAMP = {"key": "lamp", "en": ["table lamp"], "zh": ["台灯"]}


@pytest.fixture(autouse=True)
def only_shipped() -> Iterator[None]:
    set_own_kinds({})
    yield
    set_own_kinds({})


def test_words_of_an_added_kind_are_understood_and_others_stay_what_they_are() -> None:
    before = {key: slot_index("category", key) for key in lexicon().slots["category"]}
    with pytest.raises(RequestError):
        parse("电热水壶", guess=False)
    install_kinds([KETTLE, LAMP], "test")
    assert parse("红色电热水壶").category == "kettle" and parse("white table lamp").category == "lamp"
    assert entry_for_catalogue_name("category", "kettles & pots") == "kettle"
    assert entry_for_catalogue_name("category", "Table Lamp") == "lamp"  # without names its words will do
    assert any("水壶" in text for text in captions({"category": "kettle"}, "red", key="1")["zh"])
    assert {key: slot_index("category", key) for key in before} == before
    assert [slot_index("category", key) for key in ("kettle", "lamp")] == [CATEGORY_VALUES - 1, CATEGORY_VALUES - 2]
    assert slot_size("category") == CATEGORY_VALUES


def test_a_colour_in_the_name_of_an_own_kind_is_none_and_its_words_mean_nothing_else() -> None:
    install_kinds([{"key": "foundation", "en": ["foundation", "face cream"], "zh": ["粉底"]}], "test")
    for text in ("粉底", "face cream"):
        got = parse(text, guess=False)
        assert (got.category, got.colours, got.unknown) == ("foundation", (), ()), text
    assert [colour.name for colour in parse("white face cream").colours] == ["white"]


def test_an_unknown_word_is_guessed_among_own_kinds_too() -> None:
    parse("teacup watch")  # the words to compare with are read, and must be read anew
    install_kinds([KETTLE], "test")
    guessed = parse("red teakettle")
    assert guessed.category == "kettle" and guessed.guessed == ("teakettle ~ kettle",)


def test_values_stay_with_the_kind_whatever_else_is_added() -> None:
    install_kinds([LAMP], "first")
    rows = own_kinds_as_rows()
    set_own_kinds({})
    install_kinds([KETTLE], "other pack")
    install_kinds(rows, "pack")  # both say 47: each is only asked of its own pack
    assert slot_index("category", "lamp") == slot_index("category", "kettle") == CATEGORY_VALUES - 1
    install_kinds([KETTLE, *rows], "again")
    assert [row["key"] for row in own_kinds_as_rows(["lamp"])] == ["lamp"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**KETTLE, "en": ["handbag"]}, "'handbag', a word for handbag already"),
        ({**KETTLE, "zh": ["手表"]}, "'手表', a word for watch already"),
        ({**KETTLE, "key": "watch"}, "the name 'watch' of a kind that ships"),
        ({**KETTLE, "key": "Kettle 1"}, "accepted: small letters"),
        ({**KETTLE, "zh": []}, "no words in 'zh'"),
        ({**KETTLE, "en": "kettle"}, "a list of words"),
        ({**KETTLE, "en": ["kettle", 3]}, "a list of words"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(row: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match="test: got") as error:
        install_kinds([row], "test")
    assert message in str(error.value)
    assert not own_kinds_as_rows()


def test_there_is_room_for_so_many_and_each_name_means_one_thing() -> None:
    room = CATEGORY_VALUES - 1 - len(shipped_categories())
    rows = [{"key": f"thing{k}", "en": [f"thingy{k}"], "zh": [f"物品{k}"]} for k in range(room)]
    install_kinds(rows, "test")
    assert min(slot_index("category", row["key"]) for row in rows) == len(shipped_categories()) + 1
    with pytest.raises(InputError, match=f"more than {room} kinds"):
        install_kinds([KETTLE], "test")
    with pytest.raises(InputError, match="another kind 'thing0'"):
        install_kinds([{**rows[0], "en": ["other"]}], "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no kind"),
        ("[kettle", "a TOML file of kinds"),
        ("kettle = 3", "a value outside a table"),
        ('[kettle]\nen=["kettle"]\nzh=["水壶"]\ncolour="red"', "'colour'"),
    ],
)
def test_files_that_are_no_kinds_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "kinds.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_kinds(file)
    assert message in str(error.value) and str(file) in str(error.value)
    with pytest.raises(InputError, match="No such file"):
        read_kinds(tmp_path / "none.toml")
