"""Geometry: what only moves is copied, what is resampled keeps its colours to the rim, products stay in the frame."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install 'packshot[edit]'")

from packshot.editing.angle import flip, straighten, tilt, turn  # noqa: E402
from packshot.editing.enlarge import enlarge, enlarged, network_enlarged  # noqa: E402
from packshot.editing.frame import crop, fit  # noqa: E402
from packshot.editing.scene import Scene, flatten  # noqa: E402
from packshot.editing.upright import estimate_tilt  # noqa: E402
from packshot.editing.warp import product_box, resized, resized_product, spread  # noqa: E402
from packshot.errors import RequestError  # noqa: E402

HIDDEN = (0, 255, 0)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def box_scene(height: int = 90, width: int = 120, box: tuple[int, int, int, int] = (30, 20, 80, 70)) -> Scene:
    """A red product, green wherever it does not cover, on white; every layer is there."""
    product = np.full((height, width, 3), HIDDEN, np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    left, top, right, bottom = box
    product[top:bottom, left:right] = (200, 30, 40)
    alpha[top:bottom, left:right] = 255
    overlay = np.zeros((height, width, 4), np.uint8)
    overlay[2:8, 2:8] = (0, 0, 255, 255)
    return Scene(
        product,
        alpha,
        np.full((height, width, 3), 255, np.uint8),
        np.full((height, width), 200, np.uint8),
        overlay,
        (0, 0),
        alpha > 0,
    )


def leaning(degrees: float, rectangle: bool) -> Scene:
    """A product that leans clockwise: a box, or a pear."""
    mask = np.zeros((400, 400), np.uint8)
    if rectangle:
        mask[110:290, 150:250] = 255
    else:
        cv2.ellipse(mask, (200, 250), (70, 60), 0, 0, 360, 255, -1)
        cv2.ellipse(mask, (200, 160), (30, 80), 0, 0, 360, 255, -1)
    matrix = cv2.getRotationMatrix2D((199.5, 199.5), -degrees, 1)
    mask = cv2.warpAffine(mask, matrix, (400, 400), flags=cv2.INTER_CUBIC)
    return Scene(np.full((400, 400, 3), 90, np.uint8), mask)


LAYERS = ("product", "alpha", "backdrop", "shade", "overlay", "touched")


def test_flips_and_quarter_turns_are_permutations_of_every_layer() -> None:
    scene = replace(box_scene(), product=noise(90, 120))
    for back in (
        flip(flip(scene)),
        flip(flip(scene, "vertical"), "vertical"),
        turn(turn(scene, 90), -90),
        turn(turn(scene, 180), 180),
        turn(turn(scene, 270), 90),
    ):
        for layer in LAYERS:
            np.testing.assert_array_equal(getattr(back, layer), getattr(scene, layer))
        assert back.placement is None
    np.testing.assert_array_equal(turn(scene, 90).product[:, -1], scene.product[0])  # clockwise: the top goes right
    np.testing.assert_array_equal(flip(scene).product[:, 0], scene.product[:, -1])
    assert turn(scene, 360) is scene


@pytest.mark.parametrize("degrees", [7.0, -33.0, 120.0])
def test_a_turn_cuts_nothing_and_brings_no_background_into_the_rim(degrees: float) -> None:
    scene = box_scene()
    turned = turn(scene, degrees)
    assert turned.alpha is not None and scene.alpha is not None and turned.backdrop is not None
    assert int(turned.alpha.sum()) == pytest.approx(int(scene.alpha.sum()), rel=0.01)
    assert np.abs(turned.product[turned.alpha > 16].astype(int) - (200, 30, 40)).max() <= 2
    assert turned.alpha[0, 0] == 0 and (turned.backdrop == 255).all()
    seen = flatten(replace(turned, overlay=None, shade=None)).astype(int)
    assert (seen[..., 1] - seen[..., 0]).max() <= 2  # no green


def test_a_turn_of_a_photo_goes_on_from_its_edges() -> None:
    turned = turn(Scene(np.full((40, 60, 3), 77, np.uint8)), 20)
    assert turned.size[0] > 40 and (turned.product == 77).all() and turned.alpha is None


def test_a_strip_of_a_large_turn_meets_the_next_without_a_seam() -> None:
    height = 1200  # several strips
    ramp = np.repeat(np.linspace(0, 255, height)[:, None], 200, 1).round().astype(np.uint8)
    scene = Scene(np.dstack([ramp] * 3), np.full((height, 200), 255, np.uint8))
    turned = turn(scene, 3)
    middle = turned.product[150:-150, turned.size[1] // 2, 0].astype(int)
    assert np.abs(np.diff(middle)).max() <= 1


@pytest.mark.parametrize("rectangle", [True, False])
@pytest.mark.parametrize("lean", [-9.0, 2.0, 17.0])
def test_a_leaning_product_is_straightened(rectangle: bool, lean: float) -> None:
    scene = leaning(lean, rectangle)
    found = estimate_tilt(scene)
    assert found == pytest.approx(lean, abs=0.3)
    left = estimate_tilt(straighten(scene))
    assert left is None or abs(left) < 0.4


def test_what_is_upright_or_cannot_be_told_is_left_alone() -> None:
    upright = leaning(0.1, True)
    assert straighten(upright) is upright
    disc = np.zeros((200, 200), np.uint8)
    cv2.circle(disc, (100, 100), 60, 255, -1)
    blob = Scene(np.zeros((200, 200, 3), np.uint8), disc)
    assert straighten(blob) is blob
    cut = leaning(9, True)
    assert cut.alpha is not None
    cropped = crop(cut, "150,150,100,100")  # the frame is its outline
    assert straighten(cropped) is cropped
    grain = Scene(noise(120, 120))
    assert straighten(grain) is grain


def test_lines_straighten_a_photo_that_is_not_cut_out() -> None:
    photo = np.full((300, 400, 3), 200, np.uint8)
    for y in range(-100, 400, 60):
        cv2.line(photo, (0, y), (400, round(y + 400 * np.tan(np.radians(4)))), (60, 60, 60), 3, cv2.LINE_AA)
    assert estimate_tilt(Scene(photo)) == pytest.approx(4, abs=0.3)


def test_straighten_by_degrees_is_a_turn() -> None:
    scene = box_scene()
    np.testing.assert_array_equal(straighten(scene, "5").product, turn(scene, 5).product)
    assert straighten(scene, "0") is scene


@pytest.mark.parametrize(("yaw", "pitch"), [(25.0, 0.0), (-40.0, 0.0), (0.0, 30.0), (40.0, -40.0)])
def test_a_tilt_stays_in_the_frame_with_the_product_s_share(yaw: float, pitch: float) -> None:
    scene = box_scene(box=(5, 20, 95, 80))
    tilted = tilt(scene, yaw, pitch=pitch, view=60)
    assert tilted.size == scene.size and tilted.placement is None
    left, top, right, bottom = product_box(tilted, "tilt")
    assert max((right - left) / 120, (bottom - top) / 90) == pytest.approx(90 / 120, abs=0.035)
    assert tilted.backdrop is scene.backdrop and tilted.overlay is scene.overlay
    assert tilted.alpha is not None
    assert tilted.alpha[0].max() == 0 or top > 0


def test_a_positive_yaw_brings_the_left_nearer_and_a_positive_pitch_the_top() -> None:
    alpha = tilt(box_scene(), 30).alpha
    assert alpha is not None
    columns = (alpha > 127).sum(0)
    columns = columns[columns > 0]
    assert columns[3] > columns[-4] + 3
    alpha = tilt(box_scene(), 0, pitch=30).alpha
    assert alpha is not None
    rows = (alpha > 127).sum(1)
    rows = rows[rows > 0]
    assert rows[3] > rows[-4] + 3


def test_no_angle_is_no_change() -> None:
    scene = box_scene()
    assert tilt(scene, 0) is scene


def test_fit_at_scale_1_copies_and_keeps_the_place() -> None:
    scene = replace(box_scene(), product=noise(90, 120), placement=(3, -4))
    framed = fit(scene, "200x160", scale="1")
    assert framed.size == (160, 200) and framed.placement is not None and scene.placement is not None
    dy, dx = framed.placement[0] - scene.placement[0], framed.placement[1] - scene.placement[1]
    np.testing.assert_array_equal(framed.product[20 + dy : 70 + dy, 30 + dx : 80 + dx], scene.product[20:70, 30:80])
    assert product_box(framed, "fit") == (75, 55, 125, 105)
    assert framed.alpha is not None and framed.alpha[0].max() == 0
    assert framed.backdrop is not None and (framed.backdrop == 255).all()
    same = fit(scene, "200x160")  # would have to be enlarged
    np.testing.assert_array_equal(same.product, framed.product)


@pytest.mark.parametrize("size", ["40", "30x64", "64x30"])
@pytest.mark.parametrize("share", [0.85, 0.5])
def test_fit_gives_the_product_its_share_in_the_middle_and_white_stays_white(size: str, share: float) -> None:
    framed = fit(box_scene(), size, share=share)
    left, top, right, bottom = product_box(framed, "fit")
    height, width = framed.size
    assert max((right - left) / width, (bottom - top) / height) == pytest.approx(share, abs=2.1 / min(width, height))
    assert (left + right) / 2 == pytest.approx(width / 2, abs=1) and (top + bottom) / 2 == pytest.approx(
        height / 2, abs=1
    )
    assert framed.backdrop is not None and (framed.backdrop == 255).all() and framed.placement is None
    assert framed.alpha is not None
    assert np.abs(framed.product[framed.alpha > 16].astype(int) - (200, 30, 40)).max() <= 2


def test_fit_keeps_a_margin_and_enlarges_only_when_told() -> None:
    assert product_box(fit(box_scene(), "500", upscale=True), "fit")[0] == pytest.approx(37, abs=4)
    left, top, right, bottom = product_box(fit(box_scene(), "400", share=1, margin=0.2, upscale=True), "fit")
    assert min(left, top) >= 77 and max(right, bottom) <= 323


def test_fit_covers_the_canvas_with_a_backdrop_that_has_a_picture() -> None:
    rows = np.repeat(np.arange(90, dtype=np.uint8)[:, None], 120, 1)
    scene = replace(box_scene(), backdrop=np.dstack([rows + 50] * 3))
    for size in ("200x300", "60", "120x90"):
        backdrop = fit(scene, size).backdrop
        assert backdrop is not None and backdrop.min() >= 48 and backdrop.max() <= 141
        assert (np.diff(backdrop[:, 5, 0].astype(int)) >= 0).all()


def test_fit_and_crop_without_room_are_refused() -> None:
    with pytest.raises(RequestError, match=r"fit.scale: got a product of 50×50 pixels; accepted: at scale 1"):
        fit(box_scene(), "40", scale="1")
    with pytest.raises(RequestError, match=r"crop.box: got a product of 110×50"):
        crop(box_scene(box=(5, 20, 115, 70)), "1:2")


def test_a_crop_copies_its_window() -> None:
    scene = replace(box_scene(), product=noise(90, 120), placement=(1, 2))
    cropped = crop(scene, "10,20,30,40")
    np.testing.assert_array_equal(cropped.product, scene.product[20:60, 10:40])
    assert cropped.placement == (-19, -8)
    np.testing.assert_array_equal(crop(scene, "50%,0%,50%,100%").product, scene.product[:, 60:])
    left, top, right, bottom = product_box(crop(scene, "product", margin=0.1), "crop")
    assert (left, top) == (5, 5) and (right, bottom) == (55, 55)


@pytest.mark.parametrize("box", ["4:5", "1:1", "16:9"])
def test_a_crop_to_a_format_keeps_the_product(box: str) -> None:
    cropped = crop(box_scene(), box)
    wide, high = (float(part) for part in box.split(":"))
    assert cropped.size[1] / cropped.size[0] == pytest.approx(wide / high, rel=0.03)
    assert cropped.alpha is not None and cropped.alpha.sum() == 50 * 50 * 255
    photo = crop(Scene(noise(90, 120)), box)
    assert photo.size[0] == 90 or photo.size[1] == 120


def test_reductions_average_light() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(resized(stripes, (16, 16)).astype(int)[4:-4, 4:-4] - 188).max() <= 3  # 50 % of the light
    flat = np.full((50, 70, 3), (255, 31, 7), np.uint8)
    for size in ((13, 20), (90, 111)):
        assert (resized(flat, size) == (255, 31, 7)).all()


def test_a_resized_product_keeps_its_colour_to_the_rim() -> None:
    scene = box_scene()
    assert scene.alpha is not None
    for size in ((37, 51), (200, 300)):
        product, alpha = resized_product(scene.product, scene.alpha, size)
        assert np.abs(product[alpha > 16].astype(int) - (200, 30, 40)).max() <= 2


def test_colours_spread_where_nothing_covers() -> None:
    scene = box_scene()
    assert scene.alpha is not None
    filled = spread(scene.product, scene.alpha)
    assert np.abs(filled.astype(int) - (200, 30, 40)).max() <= 3


@pytest.mark.parametrize("times", [2, 4])
def test_an_enlarged_photo_reduces_to_itself(times: int) -> None:
    for photo in (noise(20, 300), cv2.GaussianBlur(noise(280, 30), (0, 0), 2)):
        large = enlarged(photo, times)
        assert large.shape == (photo.shape[0] * times, photo.shape[1] * times, 3)
        np.testing.assert_array_equal(cv2.resize(large, photo.shape[1::-1], interpolation=cv2.INTER_AREA), photo)


def test_tiles_of_an_enlargement_meet_without_a_seam() -> None:
    x, y = np.meshgrid(np.arange(600), np.arange(280))
    wave = (127 + 100 * np.sin(x / 9) * np.cos(y / 7)).round().astype(np.uint8)
    large = enlarged(np.dstack([wave] * 3), 2)[..., 0].astype(int)
    bend = np.abs(np.diff(large, 2, axis=1)).max(0)
    assert bend[509:515].max() <= bend.max() and bend[509:515].max() <= np.quantile(bend, 0.9) + 2


def test_enlarge_takes_every_layer_along() -> None:
    large = enlarge(box_scene(), "2", by="plain")
    assert large.size == (180, 240) and large.placement is None and large.alpha is not None
    assert (large.backdrop == 255).all() and (large.shade == 200).all()
    assert large.touched is not None and large.touched.sum() == 4 * 2500
    assert np.abs(large.product[large.alpha > 0].astype(int) - (200, 30, 40)).max() <= 3


def test_what_glass_lets_through_never_leaves_its_range() -> None:
    tint = np.full((90, 120, 3), 255, np.uint8)
    tint[20:70, 30:90] = 90
    tint[30:60, 50:70] = 200
    alpha = np.full((90, 120), 40, np.uint8)
    scene = Scene(np.full((90, 120, 3), 128, np.uint8), alpha, tint=tint)
    for made in (enlarge(scene, "2", by="plain"), fit(scene, "300x300", upscale=True), fit(scene, "60")):
        assert made.tint is not None
        assert made.tint.min() == 90
        inside = made.tint[made.tint < 255]
        assert np.quantile(inside, 0.05) == 90  # and no ring of its own beside the edge


def test_the_network_adds_detail_and_no_change_at_the_photo_s_resolution() -> None:
    photo = Scene(cv2.GaussianBlur(noise(20, 26), (0, 0), 1))
    fine = enlarge(photo, "2", by="network").product
    assert (fine != enlarge(photo, "2", by="plain").product).any()
    np.testing.assert_array_equal(cv2.resize(fine, (26, 20), interpolation=cv2.INTER_AREA), photo.product)
    np.testing.assert_array_equal(fine, enlarge(photo, "2").product)  # small pictures get it by themselves


@pytest.mark.parametrize(("factor", "times", "asked"), [(4, 4, 1), (4, 2, 1), (2, 2, 1), (2, 4, 2)])
def test_a_stage_is_asked_as_often_as_its_factor_takes(factor: int, times: int, asked: int) -> None:
    sides: list[tuple[int, ...]] = []

    def run(_: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        sides.append(inputs["x"].shape[2:])
        return [inputs["x"].repeat(factor, 2).repeat(factor, 3)]

    pack = SimpleNamespace(session=lambda _: SimpleNamespace(run=run))
    small = noise(20, 26).astype(np.float32)
    found = network_enlarged(small, times, pack)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, small.repeat(times, 0).repeat(times, 1), atol=1e-3)
    assert len(sides) == asked and not any(side % 8 for pair in sides for side in pair)


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (lambda s: straighten(s, "up"), "straighten.by"),
        (lambda s: straighten(s, "nan"), "straighten.by"),
        (lambda s: straighten(s, "60"), "straighten.by"),
        (lambda s: flip(s, "diagonal"), "flip.axis"),
        (lambda s: turn(s, 400), "turn.degrees"),
        (lambda s: tilt(s, 41), "tilt.yaw"),
        (lambda s: tilt(s, 0, pitch=-50), "tilt.pitch"),
        (lambda s: tilt(s, 10, view=5), "tilt.view"),
        (lambda s: enlarge(s, "3"), "enlarge.times"),
        (lambda s: enlarge(s, "2", by="magic"), "enlarge.by"),
        (lambda s: enlarge(Scene(np.broadcast_to(np.uint8(0), (4000, 4000, 3))), "2"), "enlarge.times"),
        (lambda s: fit(s, "big"), "fit.size"),
        (lambda s: fit(s, "0"), "fit.size"),
        (lambda s: fit(s, "9000x9000"), "fit.size"),
        (lambda s: fit(s, "100", share=2), "fit.share"),
        (lambda s: fit(s, "100", margin=0.5), "fit.margin"),
        (lambda s: fit(s, "100", scale="2"), "fit.scale"),
        (lambda s: fit(replace(s, alpha=np.zeros(s.size, np.uint8)), "100"), "fit"),
        (lambda s: crop(s, "1,2,3"), "crop.box"),
        (lambda s: crop(s, "100,0,50,50"), "crop.box"),
        (lambda s: crop(s, "0:1"), "crop.box"),
        (lambda s: crop(s, "product", margin=-1), "crop.margin"),
        (lambda s: crop(replace(s, alpha=None), "product"), "crop"),
    ],
)
def test_mistakes_are_named(call, where: str) -> None:
    with pytest.raises(RequestError) as caught:
        call(box_scene())
    assert caught.value.where == where and "\n" not in str(caught.value)
