"""Plans depend on their arguments alone: keys on what a picture depends on, names safe and each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from packshot.catalogue.rows import Place
from packshot.errors import RequestError
from packshot.listing.names import TEMPLATE, check_template, name_of, safe_part
from packshot.listing.plan import PlannedPicture, Refused, Target, plan
from packshot.listing.products import Path_, Photo, Product
from packshot.listing.sets import PictureSet, load_sets, set_of

ALL = {"default": PictureSet("default", {"main": 1, "colourway": 3, "detail": 3, "size": 1, "scene": 2}, "jpg")}
OPEN, STRICT = Target("c", False), Target("c", True)


def photo(name: str) -> Photo:
    return Photo(Path(name), name, f"{name}-hash", 1600, 1200)


def product(sku: str, *photos: str, **others: object) -> Product:
    plain = Product(Place("a.csv", "line", 2), sku, f"shoe {sku}", "", {"category": None}, "", "", "", "", (), ())
    return replace(plain, photos=tuple(map(photo, photos)), **others)  # type: ignore[arg-type]


def planned(products: Sequence[Product], target: Target = OPEN, **options: object) -> list[PlannedPicture]:
    return [p for p in plan(products, [target], ALL, **options) if isinstance(p, PlannedPicture)]  # type: ignore[arg-type]


def refused(products: Sequence[Product], target: Target = OPEN) -> list[Refused]:
    return [p for p in plan(products, [target], ALL) if isinstance(p, Refused)]


def test_a_set_of_a_product_with_photos() -> None:
    pictures = planned([product("A", "1.jpg", "2.jpg", size_cm=(3.0, 2.0))])
    assert [(p.role, p.number, p.means, p.photo and p.photo.name) for p in pictures] == [
        ("main", 1, "photo", "1.jpg"),
        ("detail", 1, "photo", "2.jpg"),
        ("detail", 2, "crop", "1.jpg"),
        ("detail", 3, "crop", "1.jpg"),
        ("size", 1, "photo", "1.jpg"),
        ("scene", 1, "photo", "1.jpg"),
        ("scene", 2, "photo", "1.jpg"),
    ]
    assert {p.path for p in pictures} == {Path_.IDENTITY} and pictures[0].name == "A/c/main-1.jpg"
    assert len({p.key for p in pictures}) == len({p.name for p in pictures}) == 7
    assert pictures[0].as_dict()["photo"] == {"name": "1.jpg", "sha256": "1.jpg-hash"}


def test_small_photos_have_no_parts_to_show() -> None:
    small = replace(photo("1.jpg"), width_px=1599)

    both = replace(product("A"), photos=(small, photo("2.jpg")))
    assert [(p.means, p.number) for p in planned([both]) if p.role == "detail"] == [("photo", 1)]
    assert [(r.missing, "1,599 pixels" in r.reason) for r in refused([both]) if r.role == "detail"] == [(2, True)]


def test_synthetic_main_pictures_are_refused_where_the_channel_refuses_them() -> None:
    words = product("A", size_cm=(3.0, 2.0))
    assert [(p.role, p.path, p.means) for p in planned([words])] == [
        ("main", Path_.GENERATIVE, "words"),
        ("scene", Path_.GENERATIVE, "words"),
        ("scene", Path_.GENERATIVE, "words"),
    ]
    assert [(r.role, r.missing) for r in refused([words])] == [("detail", 3), ("size", 1)]
    assert "main" not in {p.role for p in planned([words], STRICT)}
    assert [(r.role, "no wholly synthetic" in r.reason) for r in refused([words], STRICT)[:1]] == [("main", True)]
    assert {p.role for p in planned([product("A", "1.jpg")], STRICT)} >= {"main"}


def test_colourways_come_from_photos_else_from_recolouring() -> None:
    family = [
        product("A-red", "r.jpg", parent="A", colour="red", colour_hex="#ff0000"),
        product("A-blue", "b.jpg", parent="A", colour="blue", colour_hex="#0000ff"),
        product("A-n", parent="A", colour="Navy", colour_hex="#000080"),
        product("A-odd", parent="A", colour="sunset", colour_hex=""),
        product("A-red2", "r2.jpg", parent="A", colour="Red", colour_hex="#ff0000"),
        product("B", "x.jpg", parent="B", colour="green"),
    ]
    ways = [p for p in planned(family) if p.role == "colourway" and p.sku == "A-red"]
    assert [(p.colour, p.means, p.photo and p.photo.name) for p in ways] == [
        ("blue", "photo", "b.jpg"),
        ("Navy", "recolour", "r.jpg"),
    ]
    assert ways[1].request == "Navy shoe A-n"
    assert [r.reason for r in refused(family) if r.role == "colourway" and r.sku == "A-red"] == [
        "no photo of the colour sunset, and no value known for its name"
    ]
    assert not [p for p in planned(family) if p.role == "colourway" and p.sku == "B"]


def test_keys_change_with_what_pictures_depend_on_and_with_nothing_else() -> None:
    base = product("A", "1.jpg")
    key = planned([base])[0].key
    assert planned([replace(base, place=Place("b.csv", "line", 9))])[0].key == key
    assert planned([product("0", "0.jpg"), base], template="{n}/{role}/{channel}/{sku}.{ext}")[-6].key == key
    changed = [
        planned([replace(base, title="boot")])[0].key,
        planned([product("A", "2.jpg")])[0].key,
        planned([base], recipe={"pack": "x"})[0].key,
        next(p.key for p in plan([base], [Target("d", False)], load_sets()) if isinstance(p, PlannedPicture)),
    ]
    assert len({key, *changed}) == 5
    assert list(plan([base], [OPEN], ALL)) == list(plan([base], [OPEN], ALL))


def test_names_are_safe_and_collisions_are_refused() -> None:
    pictures = list(
        plan(
            [product("a/b", "1.jpg"), product("A_b", "2.jpg"), product("a b", "3.jpg")],
            [OPEN],
            {"default": PictureSet("default", {"main": 1}, "png")},
        )
    )
    assert [p.name for p in pictures if isinstance(p, PlannedPicture)] == ["a_b/c/main-1.png"]
    assert [(r.sku, r.role) for r in pictures if isinstance(r, Refused)] == [("A_b", "main"), ("a b", "main")]


@pytest.mark.parametrize(
    ("sku", "part"),
    [
        ("../../etc", "__.._etc"),
        ("..", "_"),
        (".hidden", "_hidden"),
        ("货号 1/红", "货号_1_红"),
        ("a\0b\n", "a_b_"),
        ("e\u0301", "é"),
        ("{sku}", "_sku_"),
        ("CON", "CON"),
        ("", "_"),
    ],
)
def test_safe_parts(sku: str, part: str) -> None:
    assert safe_part(sku) == part


def test_long_and_reserved_names() -> None:
    long = safe_part("鞋" * 99)
    assert len(long.encode()) <= 80 and long != safe_part("鞋" * 100)
    values = {"sku": "con", "channel": "c", "role": "main", "n": "1", "ext": "jpg"}
    assert name_of(TEMPLATE, values) == "_con/c/main-1.jpg"


@pytest.mark.parametrize(
    "template",
    [
        "{sku}/{role}-{n}.{ext}",
        "../{sku}/{channel}/{role}-{n}.{ext}",
        "/{sku}/{channel}/{role}-{n}.{ext}",
        "{sku}/{channel}/{role}-{n}",
        "{sku}/{channel}/{role}-{n}.{ext}.{ext",
        "{sku.__class__}/{channel}/{role}-{n}.{ext}",
        "{sku!r}/{channel}/{role}-{n}.{ext}",
        "{sku:>400}/{channel}/{role}-{n}.{ext}",
        "{price}/{key}.{ext}",
        "a\\{key}.{ext}",
        "a b/{key}.{ext}",
        "{}{key}.{ext}",
    ],
)
def test_templates_that_cannot_work_are_refused(template: str) -> None:
    with pytest.raises(RequestError, match="name template"):
        check_template(template)
    check_template("{parent}/{path}/{key}.{ext}")


def test_sets_of_channels_and_the_users_own(tmp_path: Path) -> None:
    sets = load_sets()
    assert set_of("amazon-main", sets).counts == {"main": 1}
    assert set_of("taobao-white", sets).form == "jpg" and set_of("unknown", sets).channel == "default"
    own = tmp_path / "sets.toml"
    own.write_text("[shopify]\nmain = 1\nscene = 0\n[mine]\ndetail = 2\nform = 'webp'\n", encoding="utf-8")
    mine = load_sets(own)
    assert mine["shopify"].counts == {"main": 1} and mine["mine"].form == "webp" and mine["ebay"] == sets["ebay"]
    wrong = [
        "[a]\nmain = 2",
        "[a]\nmian = 1",
        "[a]\ndetail = 21",
        "[a]\ndetail = true",
        "[a]\nform = 'gif'",
        "a = 1",
        "[",
    ]
    for text in wrong:
        own.write_text(text, encoding="utf-8")
        with pytest.raises(RequestError, match=r"sets\.toml"):
            load_sets(own)
    with pytest.raises(RequestError, match="No such file"):
        load_sets(tmp_path / "none.toml")


def test_channels_stand_once() -> None:
    for targets in ([], [OPEN, STRICT]):
        with pytest.raises(RequestError, match="channels"):
            list(plan([], targets, ALL))
