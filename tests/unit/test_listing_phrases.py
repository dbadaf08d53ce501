"""Verdicts and repairs of real pictures, read as a Chinese shopkeeper reads them."""

from __future__ import annotations

import pytest
from messages import is_chinese
from PIL import ImageDraw

pytest.importorskip("cv2")

from listing_pictures import FAULTS, jpeg, perfect_network, product

from packshot.listing.channels import RULES, load_channels
from packshot.listing.measures import Look
from packshot.listing.repair import repair
from packshot.listing.report import report_of
from packshot.listing.rules import judge
from packshot.phrases import in_language

CHANNELS = load_channels()


def shadowed() -> bytes:
    picture = product(1200, 0.5)
    ImageDraw.Draw(picture).ellipse((300, 940, 900, 1000), (214, 214, 214))
    return jpeg(picture)


PICTURES = {
    **FAULTS,
    "good": lambda: jpeg(product()),
    "scene": lambda: jpeg(product(1200, 0.8, (90, 140, 200))),
    "small": lambda: jpeg(product(90)),
    "wide": lambda: jpeg(product().resize((1600, 700))),
    "shadow": shadowed,
}
pytestmark = pytest.mark.usefixtures(perfect_network.__name__)


def test_every_rule_of_every_channel_is_said_in_chinese() -> None:
    told: dict[str, set[str]] = {}
    for picture in PICTURES.values():
        look = Look(picture(), "p.jpg")
        for channel in CHANNELS.values():
            for verdict in judge(look, channel):
                assert is_chinese(line := verdict.line("zh")), (verdict.line(), line)
                assert verdict.as_dict("zh")["rule"] == verdict.rule
                told.setdefault(verdict.rule, set()).add(verdict.status)
    assert told.keys() == RULES.keys()
    assert {rule for rule, statuses in told.items() if not statuses & {"fail", "unsure"}} == set()


@pytest.mark.parametrize("name", PICTURES)
def test_what_a_repair_did_or_refused_is_said_in_chinese(name: str) -> None:
    look = Look(PICTURES[name](), "p.jpg")
    made = repair(look, CHANNELS["taobao-white"])
    for line in [*made.done, *made.refused]:
        assert is_chinese(in_language(line, "zh")), (line, in_language(line, "zh"))
    report = report_of(look, CHANNELS["taobao-white"], made).as_dict("zh")
    assert all(is_chinese(text) for text in (*report["done"], *report["refused"]))
