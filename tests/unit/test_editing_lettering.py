"""Lettering: real glyphs, where they were asked for, never over the edge, and nothing else changed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="needs OpenCV: pip install 'packshot[edit]'")

from packshot.editing import typeset
from packshot.editing.lettering import PLACES, badge, text
from packshot.editing.scene import Scene, flatten
from packshot.editing.typeset import font_file, opened
from packshot.errors import MissingExtraError, RequestError
from packshot.images import FONT_PACKAGE


@pytest.fixture(autouse=True)
def _needs_the_font() -> None:
    try:
        metadata.distribution(FONT_PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip("needs the font: pip install 'packshot[edit]'")


def white(height: int = 200, width: int = 300) -> Scene:
    return Scene(np.full((height, width, 3), 255, np.uint8))


def inked(scene: Scene) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what the overlay covers."""
    assert scene.overlay is not None
    ys, xs = np.nonzero(scene.overlay[..., 3])
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def test_only_the_overlay_changes_and_the_first_stays_under_the_second() -> None:
    scene = white()
    once = text(scene, "新品上市", colour="#ff0000")
    twice = badge(once, "NEW")
    assert once.product is scene.product and scene.overlay is None and once.placement == (0, 0)
    assert once.overlay is not None and twice.overlay is not None
    left, top, right, bottom = inked(once)
    np.testing.assert_array_equal(twice.overlay[top:bottom, left:right], once.overlay[top:bottom, left:right])
    assert (flatten(twice)[once.overlay[..., 3] == 255] == (255, 0, 0)).all()
    np.testing.assert_array_equal(text(scene, "新品上市", colour="#ff0000").overlay, once.overlay)


@pytest.mark.parametrize("at", PLACES)
def test_words_stand_where_they_were_asked_for(at: str) -> None:
    for made in (text(white(), "Sale 特惠", at=at), badge(white(), "特惠", at=at, shape="round")):
        left, top, right, bottom = inked(made)
        x, y = PLACES[at]
        margin = (10, 8)
        assert {0.0: left, 0.5: (left + right) / 2 - 140, 1.0: 300 - right}[x] == pytest.approx(margin[0], abs=2.6)
        assert {0.0: top, 0.5: (top + bottom) / 2 - 90, 1.0: 200 - bottom}[y] == pytest.approx(margin[0], abs=2.6)


def test_a_point_is_the_middle_and_moves_inside() -> None:
    left, top, right, bottom = inked(text(white(), "middle", at="30%,60%"))
    assert (left + right) / 2 == pytest.approx(90, abs=1) and (top + bottom) / 2 == pytest.approx(120, abs=1)
    left, top, right, bottom = inked(text(white(), "corner", at="100,100"))
    assert right <= 290 and bottom <= 190


def test_long_text_is_broken_and_shrinks_but_never_leaves_the_picture() -> None:
    chinese = "透气速干面料，适合夏季户外运动，轻薄柔软，不易变形，机洗不褪色。" * 2
    for words in (chinese, "breathable fabric for summer sports " * 5, "Donaudampfschifffahrtsgesellschaftskapitän"):
        for scene in (white(), white(90, 500), white(400, 270)):
            left, top, right, bottom = inked(text(scene, words, size=0.12, width=0.9))
            height, width = scene.size
            short = min(height, width)
            assert left >= 0.05 * short - 1 and right <= width - 0.05 * short + 1
            assert top >= 0.05 * short - 1 and bottom <= height - 0.05 * short + 1


def test_no_line_begins_with_a_comma_or_ends_with_an_opening_bracket() -> None:
    font = opened(font_file("", "text.font"), 20)
    for width in range(60, 240, 7):
        lines = typeset._lines("真实颜色，无滤镜！（仅供参考）“高级”面料，50% off", font, width)
        assert lines is not None
        assert not any(line[0] in typeset._CLOSING or line[-1] in typeset._OPENING for line in lines)
        assert "".join(lines).replace(" ", "") == "真实颜色，无滤镜！（仅供参考）“高级”面料，50%off"


def test_lines_end_where_they_are_told_to() -> None:
    one, two = inked(text(white(), "AA")), inked(text(white(), r"AA\nAA"))
    assert two[3] - two[1] > 1.8 * (one[3] - one[1]) and two[2] - two[0] == one[2] - one[0]
    assert inked(text(white(), "AA\nAA")) == two


def test_alignment_moves_the_shorter_line() -> None:
    def gap(align: str) -> int:
        overlay = text(white(), r"HHHHHHHH\nHH", align=align, at="centre").overlay
        assert overlay is not None
        lower = overlay[100:, :, 3].any(0)
        return int(np.flatnonzero(lower)[0])

    assert gap("left") < gap("centre") < gap("right")


def test_an_outline_and_a_plate_lie_under_the_letters() -> None:
    plain = text(white(), "特惠", colour="#ff0000").overlay
    lined = text(white(), "特惠", colour="#ff0000", outline="#0000ff").overlay
    plated = text(white(), "特惠", colour="#ff0000", plate="#00ff0080").overlay
    assert plain is not None and lined is not None and plated is not None
    blue = (lined[..., 2] > 200) & (lined[..., 3] > 200)
    red = (lined[..., 0] > 200) & (lined[..., 3] > 200)
    assert blue.any() and red.any() and 128 in plated[..., 3]
    assert (plated[..., 3] > 0).sum() > 3 * (plain[..., 3] > 0).sum()


@pytest.mark.parametrize("shape", ["pill", "round", "ribbon"])
def test_a_badge_holds_its_words(shape: str) -> None:
    for words in ("新品", "50% OFF", "limited edition, while stocks last", r"第二件\n半价"):
        overlay = badge(white(), words, shape=shape, colour="#0000ff", ink="#ffff00").overlay
        assert overlay is not None
        inside = overlay[..., 3] == 255
        letters = (overlay[..., 0] > 200) & inside
        assert letters.any()
        ys, xs = np.nonzero(letters)
        assert inside[ys.min() - 2 : ys.max() + 3, xs.min() - 2 : xs.max() + 3].all()


def test_a_ribbon_grows_out_of_the_edge() -> None:
    assert inked(badge(white(), "新品", shape="ribbon"))[2] == 300
    assert inked(badge(white(), "新品", shape="ribbon", at="bottom-left"))[0] == 0


def test_ink_is_chosen_to_be_read() -> None:
    def lightest(colour: str) -> int:
        overlay = badge(white(), "新品", colour=colour).overlay
        assert overlay is not None
        return int(overlay[overlay[..., 3] == 255].min(-1).max())

    assert lightest("#d0021b") == 255 and lightest("#ffd800") < 60


def test_glyphs_that_the_font_lacks_are_named() -> None:
    with pytest.raises(RequestError, match=r"text.words: got .*🎁 \(U\+1F381\)") as caught:
        text(white(), "礼物🎁")
    assert "礼" not in str(caught.value.got)


def test_no_font_is_said_with_the_way_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(MissingExtraError, match=r"packshot\[edit\]"):
        text(white(), "x")


def test_a_font_of_one_s_own(tmp_path: Path) -> None:
    made = text(white(), "新品", font=str(font_file("", "text.font")))
    np.testing.assert_array_equal(made.overlay, text(white(), "新品").overlay)
    broken = tmp_path / "font.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(RequestError, match="font"):
        text(white(), "x", font=str(broken))


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda s: text(s, "  "), "text.words"),
        (lambda s: text(s, "x", at="nowhere"), "text.at"),
        (lambda s: text(s, "x", at="120,5"), "text.at"),
        (lambda s: text(s, "x", size=0.9), "text.size"),
        (lambda s: text(s, "x", colour="reddish"), "text.colour"),
        (lambda s: text(s, "x", plate="#12"), "text.plate"),
        (lambda s: text(s, "x", align="up"), "text.align"),
        (lambda s: text(s, "x", width=0), "text.width"),
        (lambda s: text(s, "x", margin=0.5), "text.margin"),
        (lambda s: text(s, "x", font="/nowhere.ttf"), "text.font"),
        (lambda s: text(s, "字" * 3000), "text.words"),
        (lambda s: badge(s, "x", shape="star"), "badge.shape"),
        (lambda s: badge(s, "x", ink="reddish"), "badge.ink"),
        (lambda s: badge(s, "字" * 3000), "badge.words"),
    ],
)
def test_mistakes_are_named(call, where: str) -> None:
    with pytest.raises(RequestError) as caught:
        call(white())
    assert caught.value.where == where and "\n" not in str(caught.value)
