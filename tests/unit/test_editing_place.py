"""Background, shadow and relighting: what they may change, what they may not, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from packshot.editing.background import background
from packshot.editing.light import relight
from packshot.editing.scene import SOLID, Scene, flatten
from packshot.editing.scene_words import LIGHTS, SURFACES, VIEWS, WALLS, understood
from packshot.editing.shadow import ground_under, shadow
from packshot.errors import RequestError
from packshot.images import save_picture

SIDE = 160


def scene_of(alpha: np.ndarray, seed: int = 0) -> Scene:
    product = np.random.default_rng(seed).integers(60, 200, (*alpha.shape, 3), dtype=np.uint8)
    return Scene(product, alpha)


@pytest.fixture
def box() -> Scene:
    """A box with a soft outline that stands in the lower half."""
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[58:132, 48:112] = 120
    alpha[60:130, 50:110] = 255
    return scene_of(alpha)


@pytest.fixture
def pair() -> Scene:
    """Two boxes whose feet are at different rows."""
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[50:100, 20:60] = 255
    alpha[80:130, 90:130] = 255
    return scene_of(alpha)


def kept(before: Scene, after: Scene) -> bool:
    assert before.alpha is not None and after.alpha is not None
    solid = before.alpha >= SOLID
    return np.array_equal(before.product[solid], after.product[solid]) and np.array_equal(before.alpha, after.alpha)


@pytest.mark.parametrize(
    "to", ["#fff", "navy blue", "gradient:#fff,#123456", "sweep", "sweep:#445566", "木桌 暖光", "text:marble flat lay"]
)
def test_a_background_keeps_the_product(box: Scene, to: str) -> None:
    after = background(box, to, match=1.0)
    assert after.backdrop is not None and kept(box, after)
    assert np.array_equal(after.backdrop, background(box, to, match=0.5).backdrop)


def test_transparent_takes_the_backdrop_away(box: Scene) -> None:
    assert background(background(box, "#123"), "transparent").backdrop is None


def test_colours_are_exact(box: Scene) -> None:
    assert (background(box, "#f2ede4").backdrop == np.array([0xF2, 0xED, 0xE4])).all()
    assert (background(box, "white").backdrop == 255).all()
    assert (background(box, "#1a2").backdrop == np.array([0x11, 0xAA, 0x22])).all()


def test_without_match_nothing_of_the_product_moves(box: Scene) -> None:
    assert background(box, "#ff0000").product is box.product


def test_match_moves_the_outline_towards_the_backdrop_only(box: Scene) -> None:
    after = background(box, "#ff0000", match=1.0)
    moved = (after.product != box.product).any(-1)
    band = (box.alpha > 0) & (box.alpha < SOLID)
    assert moved.any() and not (moved & ~band).any()
    assert (after.product[moved][:, 0] >= box.product[moved][:, 0]).all()


def test_a_gradient_runs_as_told_without_bands(box: Scene) -> None:
    wide = scene_of(np.zeros((64, 1200), np.uint8))
    across = background(wide, "gradient:#808080,#888888", angle=0).backdrop
    assert across is not None
    means = across[..., 0].mean(0)
    assert means[:20].mean() < 129 and means[-20:].mean() > 135
    # A ramp of 8 bytes over 1200 columns: each column's mean follows it far closer than whole bytes could.
    assert np.abs(means.reshape(-1, 20).mean(1) - np.linspace(128.07, 135.93, 60)).max() < 0.15
    down = background(box, "gradient:#000,#fff").backdrop
    assert down is not None and down[0].mean() < 5 and down[-1].mean() > 250


def test_a_sweep_is_brightest_around_the_product(box: Scene) -> None:
    paper = background(box, "sweep:#e0e0e0").backdrop
    assert paper is not None
    assert paper[125:135, 60:100].mean() > paper[:10, :10].mean() + 10
    assert paper.max() <= 0xE0 + 8


def test_a_picture_covers(box: Scene, tmp_path: Path) -> None:
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 30:70] = 200
    save_picture(picture, tmp_path / "room.png")
    seen = background(box, str(tmp_path / "room.png")).backdrop
    assert seen is not None and seen.shape == (SIDE, SIDE, 3) and seen.min() > 150
    named = background(box, f"picture:{tmp_path / 'room.png'}", blur=5).backdrop
    assert named is not None and abs(int(named[80, 80, 0]) - 200) <= 2


@pytest.mark.parametrize("surface", [*SURFACES])
def test_every_surface_is_drawn_the_same_each_time_and_has_texture(surface: str) -> None:
    small = scene_of(np.pad(np.full((30, 40), 255, np.uint8), ((50, 16), (28, 28))))
    first = background(small, f"text:{SURFACES[surface][0]}").backdrop
    again = background(small, f"text:{SURFACES[surface][-1]}").backdrop
    assert first is not None and again is not None
    assert np.array_equal(first, again)
    ground = first[-20:].astype(np.float32)
    assert ground.std((0, 1)).max() > 1.0 and 20 < ground.mean() < 252


def test_words_of_a_place() -> None:
    place = understood("dark wooden table against a blue wall", "w")
    assert (place.surface, place.wall, place.lights) == ("wood", "plain", ("dark",))
    assert place.surface_colour is None and place.wall_colour is not None
    assert (
        understood("白色大理石台面,灰色的墙", "w").surface_colour
        != understood("白色大理石台面,灰色的墙", "w").wall_colour
    )
    assert understood("concrete wall and oak planks", "w").wall == "concrete"
    assert understood("dark blue velvet", "w").lights == ()
    assert understood("亚麻布 俯拍", "w").top
    assert understood("沙滩", "w").wall == "sky"


@pytest.mark.parametrize("table", [SURFACES, WALLS, LIGHTS, VIEWS])
def test_every_word_of_a_place_is_understood(table: dict[str, tuple[str, ...]]) -> None:
    for words in table.values():
        for word in words:
            understood(word, "w")


def test_lights_change_a_place(box: Scene) -> None:
    plain, dark, warm = (background(box, f"oak{light}").backdrop for light in ("", " dark", " warm"))
    assert plain is not None and dark is not None and warm is not None
    assert dark.mean() < plain.mean() - 20
    assert warm[..., 2].mean() < plain[..., 2].mean() - 5
    assert not np.array_equal(plain, background(box, "oak with window light").backdrop)


@pytest.mark.parametrize(
    ("to", "named"),
    [
        ("in a spaceship", "'spaceship'"),
        ("#12345", "#12345"),
        ("gradient:#fff", "gradient:#fff"),
        ("gradient:#fff,rubbish", "rubbish"),
        ("sweep:rubbish", "rubbish"),
        ("text:", "text:"),
        ("of the", "of the"),
    ],
)
def test_what_is_not_understood_is_named_in_one_line(box: Scene, to: str, named: str) -> None:
    with pytest.raises(RequestError, match=r"^background\.to: ") as caught:
        background(box, to)
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_values_out_of_range(box: Scene) -> None:
    with pytest.raises(RequestError, match=r"background\.match: got 1\.5; accepted: 0 to 1"):
        background(box, "#fff", match=1.5)
    with pytest.raises(RequestError, match=r"shadow\.softness"):
        shadow(box, softness=-1)
    with pytest.raises(RequestError, match=r"shadow\.kind: got 'glow'"):
        shadow(box, "contact+glow")
    with pytest.raises(RequestError, match=r"relight\.direction: got 'sideways'"):
        relight(box, "sideways")
    with pytest.raises(RequestError, match=r"relight\.strength"):
        relight(box, strength=2)


@pytest.mark.parametrize("operation", ["background", "shadow", "relight"])
def test_a_cut_out_is_needed(operation: str) -> None:
    photo = Scene(np.zeros((8, 8, 3), np.uint8))
    steps = {
        "background": lambda: background(photo, "#fff"),
        "shadow": lambda: shadow(photo),
        "relight": lambda: relight(photo),
    }
    with pytest.raises(RequestError, match=f"^{operation}: .*not cut out"):
        steps[operation]()


@pytest.mark.parametrize("kind", ["contact", "drop", "flat", "contact+drop", "reflection"])
def test_shadows_keep_the_product(box: Scene, kind: str) -> None:
    before = background(box, "#eee")
    after = shadow(before, kind)
    assert kept(before, after) and after.product is before.product
    assert not np.array_equal(flatten(after), flatten(before))


def test_no_strength_no_shadow(box: Scene) -> None:
    assert shadow(box, "contact+drop+flat", strength=0).shade is None


def test_a_contact_shadow_is_dark_at_the_foot_and_fades(box: Scene) -> None:
    shade = shadow(box, "contact").shade
    assert shade is not None
    below = shade[130:150, 80].astype(int)
    assert below[0] < 170 and below[-1] > 250 and below[0] < below[2] < below[5]
    assert shade[:60].min() == 255 and shade[130:, :20].min() > 235


def test_each_piece_has_its_own_ground(pair: Scene) -> None:
    shade = shadow(pair, "contact").shade
    assert shade is not None
    assert shade[100, 40] < 190 and shade[130, 110] < 190 and shade[131, 40] > 240


def test_a_second_shadow_multiplies(box: Scene) -> None:
    once = shadow(box, "contact")
    twice = shadow(once, "drop", angle=90)
    assert once.shade is not None and twice.shade is not None
    assert (twice.shade.astype(int) <= once.shade.astype(int) + 2).all() and twice.shade.sum() < once.shade.sum()


def test_a_drop_shadow_falls_away_from_the_light(box: Scene) -> None:
    from_left, from_right = shadow(box, "drop", angle=180).shade, shadow(box, "drop", angle=0).shade
    assert from_left is not None and from_right is not None
    assert from_left[:, 115:].mean() < from_left[:, :45].mean() - 0.5
    assert from_right[:, :45].mean() < from_right[:, 115:].mean() - 0.5
    behind = shadow(box, "drop", angle=90).shade
    assert behind is not None and behind[140, 80] < 200


def test_a_shadow_grows_with_the_picture() -> None:
    small = np.pad(np.full((60, 80), 255, np.uint8), ((40, 40), (40, 40)))
    large = small.repeat(3, 0).repeat(3, 1)
    one, three = shadow(scene_of(small), "contact+drop").shade, shadow(scene_of(large), "contact+drop").shade
    assert one is not None and three is not None
    reduced = three.reshape(one.shape[0], 3, one.shape[1], 3).mean((1, 3))
    outside = small == 0
    assert np.abs(reduced - one)[outside].mean() < 2


def test_a_reflection_mirrors_and_needs_a_backdrop(box: Scene) -> None:
    red = replace(box, product=np.broadcast_to(np.array([200, 0, 0], np.uint8), box.product.shape).copy())
    with pytest.raises(RequestError, match=r"shadow\.kind: .*background"):
        shadow(red, "reflection")
    after = shadow(background(red, "#ffffff"), "reflection", strength=1.0)
    assert after.backdrop is not None and after.shade is None
    near, far = after.backdrop[133, 80].astype(int), after.backdrop[SIDE - 1, 80].astype(int)
    assert near[1] < 120 and near[1] < far[1] and near[0] > near[1] + 60
    assert (after.backdrop[:125] == 255).all()


def test_a_product_at_the_lower_border_has_no_room_for_a_reflection() -> None:
    alpha = np.zeros((60, 60), np.uint8)
    alpha[20:, 10:50] = 255
    before = background(scene_of(alpha), "#fff")
    assert np.array_equal(shadow(before, "reflection").backdrop, before.backdrop)


def test_the_ground_spans_feet_but_leaves_a_balls_flanks() -> None:
    feet = np.full(100, 50, np.float32)
    feet[:10] = feet[-10:] = 90
    assert np.allclose(ground_under(feet), 90)
    x = np.arange(-50, 51, dtype=np.float32)
    ball = np.sqrt(np.maximum(50.0**2 - x**2, 0)).astype(np.float32)
    ground = ground_under(ball)
    assert ground[50] == 50 and ground[0] > ball[0] + 20 and (ground >= ball - 1e-3).all()


def test_relighting_brightens_the_lit_side() -> None:
    y, x = np.mgrid[:120, :120]
    alpha = (((x - 60) ** 2 + (y - 60) ** 2 < 50**2) * 255).astype(np.uint8)
    grey = Scene(np.full((120, 120, 3), 120, np.uint8), alpha)
    from_left, above = relight(grey, "left"), relight(grey, "above")
    assert from_left.product[60, 25].mean() > from_left.product[60, 95].mean() + 12
    assert above.product[25, 60].mean() > above.product[95, 60].mean() + 12
    assert np.array_equal(relight(grey, "180").product, from_left.product)
    inside = alpha > 0
    assert abs(float(from_left.product[inside].mean()) - 120) < 4
    assert np.array_equal(from_left.product[~inside], grey.product[~inside])
    assert from_left.touched is not None and np.array_equal(from_left.touched, inside)
    # As from a soft box: no step between neighbours.
    rows = from_left.product[60, 15:105, 0].astype(int)
    assert np.abs(np.diff(rows)).max() <= 3


def test_relighting_keeps_texture_and_does_nothing_at_strength_0(box: Scene) -> None:
    assert relight(box, strength=0) is box
    after = relight(box, "right").product[65:125, 55:105, 1].astype(np.float32)
    before = box.product[65:125, 55:105, 1].astype(np.float32)
    assert np.corrcoef(after.ravel(), before.ravel())[0, 1] > 0.95
