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
