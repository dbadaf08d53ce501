"""Changing one thing that a prompt says leaves all else understood as before; previews are small, upright and swept."""

from __future__ import annotations

import io
import itertools
import os
from pathlib import Path

import pytest
from PIL import Image
from server_tasks import context

from packshot.errors import InputError, RequestError
from packshot.lexicon import SLOTS
from packshot.prompt import parse
from packshot.server.previews import preview_of
from packshot.server.words import Change, reworded, vocabulary

PROMPTS = (
    "red leather handbag for women", "复古风格红色运动鞋", "women's navy blue striped scarf", "黑色真皮商务手提包",
    "black and white watch with a belt", "light blue T-shirt, striped", "一款男士棕色皮带", "brown 双肩包 #aa3344",
)  # fmt: skip


@pytest.mark.parametrize("prompt", PROMPTS)
def test_changing_one_thing_leaves_the_rest(prompt: str) -> None:
    before = parse(prompt)
    values = vocabulary(None)["slots"]
    for slot, place in itertools.product(("usage", "gender", "material", "style"), (None, 0)):
        value = None if place is None else values[slot][place]["key"]
        try:
            text, read = reworded(prompt, Change(slot, value), "zh" if slot == "style" else "en")
        except RequestError as error:
            assert error.where == f"change.{slot}"  # the product's name says it
            continue
        again = parse(text, guess=False)
        assert again.as_dict() == read.as_dict()
        assert getattr(again, slot) == value
        assert again.category == before.category
        assert [c.oklab for c in again.colours] == [c.oklab for c in before.colours]
        said = {other for other in SLOTS if other != slot and getattr(before, other) is not None}
        assert all(getattr(again, other) == getattr(before, other) for other in said), text


@pytest.mark.parametrize(
    ("prompt", "change", "wanted"),
    [
        ("red leather handbag for women", Change("colour", "navy_blue"), "navy blue leather handbag for women"),
        ("red leather handbag for women", Change("gender", "men"), "red leather handbag for men"),
        ("red leather handbag for women", Change("material", None), "red handbag for women"),
        ("红色运动鞋", Change("colour", "navy_blue"), "藏青色运动鞋"),
        ("手表", Change("gender", "women"), "女士手表"),
        ("handbag", Change("gender", "women"), "women's handbag"),
        ("black and white watch with a belt", Change("colour", None, 1), "black watch with a belt"),
        ("black and white watch", Change("colour", None, 0), "white watch"),
        ("红色手表", Change("colour", "gold", 1), "红色和金色手表"),
        ("brown leather handbag", Change("colour", "#1f3a6e"), "#1f3a6e leather handbag"),
        ("brown leather handbag", Change("category", "backpack"), "brown backpack"),
        ("zany brown handbag", Change("style", "retro"), "zany brown retro handbag"),
    ],
)
def test_words_are_replaced_where_they_stand(prompt: str, change: Change, wanted: str) -> None:
    assert reworded(prompt, change, "en")[0] == wanted


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (Change("usage", None), "change.usage"),  # running shoes are for sports
        (Change("style", "loud"), "change.value"),
        (Change("colour", "multicolour"), "change.value"),
        (Change("colour", "red", 2), "change.place"),
        (Change("price", "high"), "change.slot"),
    ],
)
def test_what_can_not_be_said_is_refused(change: Change, where: str) -> None:
    with pytest.raises(RequestError) as refused:
        reworded("running shoes", change, "en")
    assert refused.value.where == where


def test_the_vocabulary_says_what_can_be_drawn() -> None:
    found = vocabulary(["watch"])
    assert [row["key"] for row in found["slots"]["category"] if row["drawn"]] == ["watch"]
    assert set(found["slots"]) == set(SLOTS)
    assert all(row["en"] and row["zh"] and row["hex"].startswith("#") for row in found["colours"])


def _jpeg(size: tuple[int, int], orientation: int) -> bytes:
    picture = Image.new("RGB", size, "#336699")
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif)
    return file.getvalue()


def test_previews_are_small_upright_and_swept(tmp_path: Path) -> None:
    here = context(tmp_path)
    asset = here.assets.get(here.keep(_jpeg((1200, 600), 6)))
    assert asset is not None
    path = preview_of(here.assets, asset, 256)
    with Image.open(path) as image:
        assert image.format == "WEBP" and image.size == (128, 256)
    assert preview_of(here.assets, asset, 256) == path
    here.assets.delete(asset.id)
    for file in tmp_path.rglob("*"):
        if file.is_file() and asset.sha256 in file.name:
            os.utime(file, (1, 1))
    assert here.assets.sweep() == 2 and not path.exists()


def test_previews_keep_transparency_and_never_enlarge(tmp_path: Path) -> None:
    here = context(tmp_path)
    file = io.BytesIO()
    Image.new("RGBA", (40, 30), (10, 200, 30, 128)).save(file, "PNG")
    asset = here.assets.get(here.keep(file.getvalue(), "cut.png", "image/png"))
    assert asset is not None
    with Image.open(preview_of(here.assets, asset, 512)) as image:
        assert image.size == (40, 30) and image.mode == "RGBA"
    other = here.assets.get(here.keep(b"{}", "certificate.json", "application/json"))
    assert other is not None
    with pytest.raises(InputError):
        preview_of(here.assets, other, 512)
