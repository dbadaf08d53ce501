"""The light of a place: passed on to shadows and relighting, carried through geometry, estimated with doubt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from packshot.editing.angle import flip, turn
from packshot.editing.background import background, place_light
from packshot.editing.foresight import cautions, light_to_come
from packshot.editing.frame import crop, fit
from packshot.editing.light import relight
from packshot.editing.pipeline import parse_step, run
from packshot.editing.place_light import light_in, light_of
from packshot.editing.scene import SOLID, Light, Scene
from packshot.editing.scene_words import SIDES, understood
from packshot.editing.scenes import Stand, draw
from packshot.editing.shadow import shadow
from packshot.images import save_picture

SIDE = 120
RIGHT = Light((1.0, 1.0, 0.0), 0.2)


@pytest.fixture
def box() -> Scene:
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[40:100, 40:80] = 255
    return Scene(np.random.default_rng(0).integers(60, 200, (SIDE, SIDE, 3), dtype=np.uint8), alpha)


def darker_side(scene: Scene) -> str:
    assert scene.shade is not None
    return "left" if scene.shade[:, : SIDE // 2].mean() < scene.shade[:, SIDE // 2 :].mean() else "right"


def room(fall: float, side: float = 1.0) -> np.ndarray:
    """A wall over a darker table, with texture, lit from the left (side 1) or the right (-1)."""
    rng = np.random.default_rng(3)
    base = np.where(np.arange(90)[:, None] < 55, 0.42, 0.22) * rng.uniform(0.9, 1.1, (90, 120))
    light = np.exp(-side * fall * np.linspace(-0.5, 0.5, 120))
    return np.rint(255 * np.clip(base * light, 0, 1)[..., None].repeat(3, 2) ** (1 / 2.2)).astype(np.uint8)


def test_angles_of_a_light() -> None:
    assert Light((0, 1, -1)).ground_angle == 90 and Light((-1, 0, 0)).ground_angle == 180
    assert Light((0, 1, 0)).picture_angle == 90 and RIGHT.picture_angle == pytest.approx(45)


def test_a_described_place_lights_shadow_from_its_side(box: Scene) -> None:
    for words, side in (("oak, light from the right", "left"), ("橡木 左侧光", "right")):
        assert darker_side(shadow(background(box, words), "drop")) == side
    back = shadow(background(box, "oak backlit"), "drop").shade
    assert back is not None and back[108:].mean() < 250  # it falls to the viewer


def test_an_explicit_parameter_wins(box: Scene) -> None:
    lit = replace(box, light=RIGHT)
    assert np.array_equal(
        shadow(lit, "drop", angle=180, softness=0.4).shade, shadow(box, "drop", angle=180, softness=0.4).shade
    )
    assert np.array_equal(relight(lit, "left").product, relight(box, "left").product)
    assert not np.array_equal(shadow(lit, "drop", angle=180).shade, shadow(box, "drop", angle=180).shade)


def test_without_a_light_defaults_are_the_studio_ones(box: Scene) -> None:
    for to in ("#fff", "gradient:#fff,#ddd", "sweep", "transparent"):
        assert background(replace(box, light=RIGHT), to).light is None
    assert np.array_equal(shadow(box, "drop+flat").shade, shadow(box, "drop+flat", angle=215, softness=0.5).shade)
    assert np.array_equal(relight(box).product, relight(box, "left").product)


def test_relight_follows_the_place_and_shadow_keeps_the_product(box: Scene) -> None:
    placed = background(box, "oak, light from the right")
    assert placed.light is not None
    lit = relight(placed)
    assert np.array_equal(lit.product, relight(box, str(placed.light.picture_angle)).product)
    assert lit.product[40:100, 70:80].mean() > lit.product[40:100, 40:50].mean() + 3
    shaded = shadow(placed, "contact+drop+flat")
    solid = box.alpha >= SOLID
    assert np.array_equal(shaded.product[solid], box.product[solid])


def test_geometry_carries_the_light(box: Scene) -> None:
    lit = replace(box, light=RIGHT)
    assert flip(lit).light == RIGHT.mirrored("horizontal") and flip(flip(lit)).light == RIGHT
    mirrored = flip(lit, "vertical").light
    assert mirrored is not None and mirrored.picture_angle == pytest.approx(315)
    for degrees in (90.0, 30.0):
        turned = turn(lit, degrees).light
        assert turned is not None and turned.picture_angle == pytest.approx((45 - degrees) % 360)
    assert fit(lit, "80").light == crop(lit, "product").light == RIGHT


def test_a_shadow_before_its_place_knows_the_light(box: Scene) -> None:
    words = "oak, light from the right"
    plain = run(box, [parse_step("background", words), parse_step("shadow", "drop")]).scene
    early = run(box, [parse_step("shadow", "drop"), parse_step("background", words)]).scene
    assert np.array_equal(plain.shade, early.shade) and plain.light == early.light
    flipped = run(box, [parse_step("shadow", "drop"), parse_step("flip", ""), parse_step("background", words)]).scene
    assert darker_side(flipped) == "left"


@pytest.mark.parametrize(
    ("steps", "back"),
    [
        (["straighten"], 12),
        (["straighten 12"], -12),
        (["turn 5", "straighten"], 12),
        (["flip", "straighten"], None),
        (["turn -12", "straighten"], 12),
    ],
)
def test_a_straightening_before_the_place_turns_its_light(box: Scene, steps: list[str], back: float | None) -> None:
    words = "oak, light from the right"
    leaning = turn(box, 12)
    later = [parse_step(*step.partition(" ")[::2]) for step in [*steps, f"background {words}"]]
    there, found = place_light({"to": words}, leaning.size), light_to_come(leaning, later)
    assert there is not None and found is not None
    for step in later[:-1]:  # what the steps truly do to that light brings it where the place has it
        leaning = run(replace(leaning, light=found), [step]).scene
        found = leaning.light
        assert found is not None
    assert found.towards == pytest.approx(there.towards, abs=0.01)
    if back is not None:
        told = light_to_come(turn(box, 12), later)
        assert told is not None
        assert told.picture_angle == pytest.approx(there.turned(back).picture_angle, abs=0.7)


def test_a_shadow_that_a_later_turn_moves_is_said() -> None:
    def said(*steps: str) -> list[str]:
        return cautions([parse_step(*step.partition(" ")[::2]) for step in steps])

    assert said("shadow", "background oak", "turn 8") == [
        "turn after shadow: that moves along with the product; put turn before it"
    ]
    assert len(said("relight left", "shadow", "straighten", "tilt 10")) == 2
    assert said("straighten", "turn 8", "shadow", "flip", "fit 80") == []


def test_a_drawn_place_is_brighter_where_it_says() -> None:
    stand = Stand(0.8, 0.5, 0.4)
    for side in ("left", "right"):
        seen = draw(understood(f"paper from the {side}", "w"), (96, 96), stand).mean(-1)
        assert (seen[:, :32].mean() > seen[:, 64:].mean()) == (side == "left")


@pytest.mark.parametrize("side", [*SIDES])
def test_every_word_of_a_side(side: str) -> None:
    for word in SIDES[side]:
        assert understood(f"marble {word}", "w").side == side


def test_softness_of_drawn_light() -> None:
    assert light_of(understood("oak window light", "w")).softness < light_of(understood("oak", "w")).softness


@pytest.mark.parametrize("fall", [0.5, 1.2])
def test_light_of_a_picture_has_its_side(fall: float) -> None:
    left, right = light_in(room(fall)), light_in(room(fall, -1))
    assert left is not None and right is not None
    assert left.towards[0] < 0 < right.towards[0] and left.towards[0] == pytest.approx(-right.towards[0], abs=0.02)


def test_stronger_falls_come_more_from_the_side() -> None:
    weak, strong = light_in(room(0.4)), light_in(room(1.0))
    assert weak is not None and strong is not None and weak.ground_angle > strong.ground_angle > 180


def test_unsure_where_nothing_falls_or_bands_differ() -> None:
    assert light_in(room(0.0)) is None
    mixed = room(0.8)
    mixed[45:] = room(0.8, -1)[45:]
    assert light_in(mixed) is None
    assert light_in(np.full((9, 300, 3), 255, np.uint8)) is None and light_in(np.zeros((1, 1, 3), np.uint8)) is None


def test_an_edge_of_shadow_is_harder_than_a_fall() -> None:
    edge = np.full((80, 120, 3), 200, np.uint8)
    edge[:, 60:] = 110
    hard, gentle = light_in(edge), light_in(room(0.9))
    assert hard is not None and gentle is not None and hard.softness < 0.35 < gentle.softness


def test_a_picture_passes_its_light_on(box: Scene, tmp_path: Path) -> None:
    save_picture(room(0.9, -1), tmp_path / "room.png")
    placed = background(box, f"picture:{tmp_path / 'room.png'}")
    assert placed.light == light_in(room(0.9, -1)) and darker_side(shadow(placed, "drop")) == "left"
