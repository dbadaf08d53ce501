"""Places of scenes: every one can be drawn, each product has its own, and a run repeated has the same."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("cv2")

from packshot.editing.scene_words import understood
from packshot.editing.shadow import KINDS
from packshot.lexicon import lexicon
from packshot.listing.places import OTHER, group_of, groups, stage_for


def test_every_place_is_understood_and_every_category_has_one_group() -> None:
    named = Counter(category for group in groups().values() for category in group.categories)
    assert set(named) == set(lexicon().slots["category"]) and set(named.values()) == {1}
    for name, group in groups().items():
        assert len(set(group.places)) == len(group.places) >= 5, name
        assert group.shadow in KINDS
        for place in group.places:
            assert understood(place, "x").top is (group.shadow == "flat"), place


@pytest.mark.parametrize(
    ("category", "title", "group"),
    [
        ("heels", "a phone", "shoes"),
        ("", "Wireless Headphones, black", "electronics"),
        ("", "两只陶瓷马克杯", "home"),
        ("", "Set of 6 mugs", "home"),
        ("phone_case", "thing", OTHER),
        ("", "Humbug", OTHER),
        ("", "面包机", OTHER),
    ],
)
def test_products_are_grouped_by_category_else_by_words(category: str, title: str, group: str) -> None:
    assert group_of(category, title) == group


def test_a_product_has_places_of_its_own() -> None:
    skus = [f"SKU-{number}" for number in range(60)]
    first = Counter(stage_for(sku, "handbag", "bag", 1).place for sku in skus)
    assert len(first) == len(groups()["bags"].places) and max(first.values()) < 30
    for sku in skus[:10]:
        stages = [stage_for(sku, "handbag", "bag", number) for number in (1, 2, 3)]
        assert len({stage.place for stage in stages}) == 3
        assert stages == [stage_for(sku, "handbag", "bag", number) for number in (1, 2, 3)]
    assert len({stage_for(sku, "handbag", "bag", 1).seed for sku in skus}) == len(skus)


def test_a_scene_made_anew_is_another_one_and_meets_no_other_of_its_set() -> None:
    old, anew = (stage_for("A", "watch", "watch", 1, take) for take in (0, 1))
    assert old.place != anew.place and old.seed != anew.seed
    assert anew.place not in {stage_for("A", "watch", "watch", number).place for number in (1, 2, 3)}
