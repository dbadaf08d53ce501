"""Places around a photographed product: the whole of it, or none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("cv2")

from listing_pictures import jpeg, product

from packshot.listing.channels import load_channels
from packshot.listing.measures import Look
from packshot.listing.staging import NotStagedError, staged

SCENE = SimpleNamespace(role="scene", means="photo", number=1)


def test_a_product_that_the_photo_cuts_off_gets_no_scene() -> None:
    channel, whole = load_channels()["taobao-main"], product(1000, 0.8)
    edited = staged(Look(jpeg(whole), "whole.jpg"), SCENE, channel)  # type: ignore[arg-type]
    assert edited.steps[0].name == "cutout"
    assert {"fit", "background", "shadow"} <= {step.name for step in edited.steps}
    cut = Look(jpeg(whole.crop((0, 0, 760, 1000))), "cut.jpg")
    with pytest.raises(NotStagedError, match=r"^the photo cuts the product off at the right$"):
        staged(cut, SCENE, channel)  # type: ignore[arg-type]
