"""Places around a photographed product, and its measures: the whole of it, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2")

from listing_pictures import jpeg, product

from packshot.editing.certificate import Source, certify
from packshot.editing.scene import flatten
from packshot.images import encode_picture
from packshot.listing.channels import Channel, load_channels
from packshot.listing.drawn import cut_drawing
from packshot.listing.measures import Look
from packshot.listing.plan import PlannedPicture
from packshot.listing.products import Path_
from packshot.listing.rules import failed, judge
from packshot.listing.staging import NotStagedError, staged
from packshot.matte import over

SCENE = PlannedPicture("k", "A/c/scene-1.png", "A", "c", "scene", 1, Path_.IDENTITY, "photo", None, "", "a bag")
SIZE = replace(SCENE, name="A/c/size-1.png", role="size", size_cm=(33.2, 40.0, 12.0))


def test_a_product_that_the_photo_cuts_off_gets_no_scene() -> None:
    channel, whole = load_channels()["taobao-main"], product(1000, 0.8)
    edited = staged(Look(jpeg(whole), "whole.jpg"), SCENE, channel)
    assert edited.steps[0].name == "cutout"
    assert {"fit", "background", "shadow"} <= {step.name for step in edited.steps}
    cut = Look(jpeg(whole.crop((0, 0, 760, 1000))), "cut.jpg")
    with pytest.raises(NotStagedError, match=r"^the photo cuts the product off at the right$"):
        staged(cut, SCENE, channel)


@pytest.mark.parametrize("name", ["amazon-secondary", "shopify", "etsy", "pinduoduo", "taobao-main"])
def test_measures_pass_the_channels_own_check_and_the_certificate_proves_the_pixels(name: str) -> None:
    channel, photo = load_channels()[name], jpeg(product(1000, 0.8))
    look = Look(photo, "whole.jpg")
    edited = staged(look, SIZE, channel)
    (step,) = (step for step in edited.steps if step.name == "dimensions")
    western = name in ("amazon-secondary", "shopify", "etsy")
    assert (step.arguments["units"], step.arguments["language"]) == (("cm,in", "en") if western else ("cm", "zh"))
    least, best = channel.fix.least, channel.fix.best
    width, height = map(int, str(step.arguments["canvas"]).split("x"))
    assert least <= (width, height) <= best and width == height
    pixels = flatten(edited.scene)
    data = encode_picture(pixels, Path("a.png"))
    wrong = failed(judge(Look(data, "a.png"), channel))
    assert [verdict.rule for verdict in wrong] == []
    codec = {"codec": "png", "quality": None, "lossless": True}
    source = Source.read(photo, look.layers, Path("whole.jpg"))
    document = certify(source, edited, pixels, data, name="a.png", codec=codec)
    assert document["promise"]["promised"] and document["measured"]["kept"]["pixels"] > 10_000


def test_channels_without_text_get_no_measures_and_wrong_ones_are_refused() -> None:
    channels, look = load_channels(), Look(jpeg(product(1000, 0.8)), "whole.jpg")
    silent = {name for name, channel in channels.items() if not channel.takes_text}
    assert silent == {"amazon-main", "taobao-white", "tmall", "jd", "google-merchant", "ebay"}
    with pytest.raises(NotStagedError, match="takes no text"):
        staged(look, SIZE, channels["ebay"])
    with pytest.raises(NotStagedError, match=r"as wide as high; accepted: measures of which two have that ratio"):
        staged(look, replace(SIZE, size_cm=(30.0, 90.0)), channels["shopify"])
    with pytest.raises(NotStagedError, match="too small: it would have to be enlarged"):
        staged(Look(jpeg(product(200, 0.8)), "small.jpg"), SIZE, channels["etsy"])


def test_a_drawing_for_a_scene_is_cut_out_without_a_rim_and_with_the_loop_of_its_handle() -> None:
    soft = product(200, 0.8).resize((800, 800), Image.Resampling.BICUBIC)  # as soft as what a small network draws
    rgba = cut_drawing(Look(encode_picture(np.asarray(soft), Path("a.png")), "a.png"))
    assert rgba[240, 400, 3] < 10 and rgba[500, 400, 3] == 255  # inside of the handle; the bag
    on_black = over(rgba, np.zeros((800, 800, 3), np.uint8))
    assert int(on_black.max()) < 175  # its lightest colour is 150


def channel_of(tmp_path: Path, text: str) -> Channel:
    (tmp_path / "own.toml").write_text(f"[channels.mine]\nlike = 'taobao-main'\n{text}", encoding="utf-8")
    return load_channels(tmp_path / "own.toml")["mine"]


def test_language_and_units_are_data_of_the_channel(tmp_path: Path) -> None:
    assert (channel_of(tmp_path, "").language, channel_of(tmp_path, "").units) == ("zh", ("cm",))
    mine = channel_of(tmp_path, "language = 'en'\nunits = ['in', 'cm']")
    assert (mine.language, mine.units) == ("en", ("in", "cm"))
    for wrong in ("language = 'fr'", "units = ['ft']", "units = []"):
        with pytest.raises(Exception, match=r"own\.toml: channels\.mine\.(language|units): got"):
            channel_of(tmp_path, wrong)
