"""Glass: what passes through it shows a new background, its own background shows the photo again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("cv2")

from packshot.editing.glass import with_glass
from packshot.editing.measures import GLASS, regions
from packshot.editing.scene import SOLID, Bytes, Scene, flatten
from packshot.errors import RequestError

SIDE = 160
WHITE = (246, 246, 246)


def bottle() -> tuple[Scene, Bytes]:
    """A vessel of clear glass with a solid cap, before white, and the photo; the glass lets 80 % through."""
    photo = np.full((SIDE, SIDE, 3), WHITE, np.uint8)
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[20:140, 50:110] = 255
    photo[50:140, 50:110] = np.uint8(0.8 * WHITE[0])
    photo[20:50, 50:110] = (40, 30, 90)
    return Scene(photo.copy(), alpha), photo


def placed(scene: Scene, colour: tuple[int, int, int]) -> Bytes:
    return flatten(replace(scene, backdrop=np.full((SIDE, SIDE, 3), colour, np.uint8)))


def test_glass_lets_a_new_background_through_and_the_cap_does_not() -> None:
    cut, photo = bottle()
    seen = placed(with_glass(cut, photo, "auto"), (120, 30, 30)).astype(int)
    body, cap = seen[80:120, 65:95].mean((0, 1)), seen[25:45, 60:100]
    assert body[0] > body[1] + 40  # the backdrop is red
    assert np.array_equal(cap, photo[25:45, 60:100])
    assert np.array_equal(placed(cut, (120, 30, 30))[80:120, 65:95], photo[80:120, 65:95])  # as a solid it does not


def test_before_its_own_background_the_glass_is_the_photo() -> None:
    cut, photo = bottle()
    seen = placed(with_glass(cut, photo, "auto"), WHITE).astype(int)
    assert np.abs(seen - photo)[55:135, 55:105].max() <= 3


def test_only_the_place_that_is_named_becomes_glass() -> None:
    cut, photo = bottle()
    half = with_glass(cut, photo, "50,50,60,45")
    assert half.glass is not None
    assert half.glass[60:90, 60:100].all()
    assert not half.glass[100:].any()


def test_solid_pixels_stay_and_glass_is_not_promised() -> None:
    cut, photo = bottle()
    made = with_glass(cut, photo, "auto")
    assert made.alpha is not None
    solid = made.alpha >= SOLID
    assert np.array_equal(made.product[solid], photo[solid])
    assert (regions(made)[60:130, 60:100] == GLASS).all()


def test_without_a_backdrop_glass_looks_right_on_white() -> None:
    cut, photo = bottle()
    made = flatten(with_glass(cut, photo, "auto"))
    cover = made[..., 3:].astype(float) / 255
    on_white = made[..., :3] * cover + 255 * (1 - cover)
    assert np.abs(on_white - photo)[60:130, 60:100].mean() < 8


@pytest.mark.parametrize(("ground", "got"), [((20, 20, 20), "dark"), ((90, 160, 90), "coloured")])
def test_glass_before_what_is_not_light_is_refused(ground: tuple[int, int, int], got: str) -> None:
    cut, photo = bottle()
    assert cut.alpha is not None
    photo[cut.alpha == 0] = ground
    with pytest.raises(RequestError, match=rf"cutout\.glass: got a background that is .*{got}"):
        with_glass(cut, photo, "auto")
    with pytest.raises(RequestError, match=r"cutout\.glass: got '1,2'"):
        with_glass(cut, photo, "1,2")


def test_a_reflection_on_the_floor_is_no_product() -> None:
    cut, photo = bottle()
    assert cut.alpha is not None
    photo[128:140, 50:110] = 120  # a thick base
    photo[140:158, 50:110] = (246 - np.linspace(40, 8, 18))[:, None, None]
    alpha = cut.alpha.copy()
    alpha[140:156, 50:110] = 255  # cut out with it
    made = with_glass(Scene(photo.copy(), alpha), photo, "auto")
    assert made.alpha is not None
    assert not made.alpha[143:].any()
    assert made.alpha[130:139, 55:105].all() and (made.alpha[60:120, 55:105] > 0).all()
    named = with_glass(Scene(photo.copy(), alpha), photo, "50,50,60,45")
    assert named.alpha is not None and named.alpha[145, 80] == 255  # what is named is all that changes


def test_frosted_glass_hides_more_of_the_backdrop_and_is_still_the_photo_before_its_own() -> None:
    cut, photo = bottle()
    body = np.s_[60:130, 60:100]
    away = [
        np.abs(placed(with_glass(cut, photo, "auto", frosted), (20, 60, 20))[body].astype(int) - photo[body]).mean()
        for frosted in (0.0, 0.5, 1.0)
    ]
    assert away[0] > 60 and away[1] < 0.6 * away[0] and away[2] < 2
    half = placed(with_glass(cut, photo, "auto", 0.5), WHITE).astype(int)
    assert np.abs(half - photo)[55:135, 55:105].max() <= 3
    with pytest.raises(RequestError, match=r"cutout\.frosted: got 1\.5; accepted: 0 to 1"):
        with_glass(cut, photo, "auto", 1.5)


@pytest.mark.parametrize(("spot", "glass"), [((240, 214, 214), False), (WHITE, True)])
def test_a_highlight_on_a_coloured_part_stays_and_a_clear_window_in_it_is_glass(
    spot: tuple[int, int, int], glass: bool
) -> None:
    cut, photo = bottle()
    photo[20:140, 50:110] = (200, 40, 40)
    photo[70:100, 65:95] = spot
    made = with_glass(Scene(photo.copy(), cut.alpha), photo, "auto")
    assert (made.glass is not None and bool(made.glass[80, 80])) == glass
