"""Requests, samplers, backgrounds, the colour lock, and the contract that every back-end keeps."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_packs import write_tiny_flow_pack

from packshot.colour import main_colours, oklab_from_srgb
from packshot.errors import InputError, PackError, RequestError
from packshot.framing import find_product
from packshot.generation import Backend, GenerationRequest, open_backend
from packshot.generation.backgrounds import painter
from packshot.generation.colour_lock import lock_colour
from packshot.generation.sampling import prolonged, sample_flow, sample_renoised, times
from packshot.matte import cut_out, over
from packshot.packs import Pack


@pytest.fixture(scope="module")
def tiny_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_flow_pack(tmp_path_factory.mktemp("packs") / "tiny").folder


@pytest.fixture(params=["fake", "embedded"])
def backend(request: pytest.FixtureRequest, tiny_pack: Path) -> Backend:
    return open_backend(request.param, str(tiny_pack))


def disc(colour: tuple[int, int, int], side: int = 96) -> np.ndarray:
    """An anti-aliased disc on white."""
    large = np.full((side * 4, side * 4, 3), 255, np.uint8)
    y, x = np.mgrid[: side * 4, : side * 4] - side * 2
    large[x**2 + y**2 < (side * 1.4) ** 2] = colour
    return np.array(Image.fromarray(large).resize((side, side), Image.Resampling.BOX))


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"count": 0}, "count"),
        ({"count": 1001}, "count"),
        ({"size": 0}, "size"),
        ({"size": 100_000}, "size"),
        ({"seed": -1}, "seed"),
        ({"steps": 0}, "steps"),
        ({"guidance": float("nan")}, "guidance"),
        ({"colour_lock": 1.5}, "colour lock"),
        ({"background": " "}, "background"),
    ],
)
def test_a_request_checks_itself_in_one_line(values: dict[str, object], where: str) -> None:
    with pytest.raises(RequestError, match=f"^{where}: got .*; accepted: ") as caught:
        GenerationRequest(**{"prompt": "red shoe", **values})
    assert "\n" not in str(caught.value)


def test_one_request_gives_the_same_bytes_alone_and_among_others(backend: Backend) -> None:
    wanted = GenerationRequest("red running shoe", count=2, seed=7, size=64)
    other = GenerationRequest("银色手表", count=1, seed=7, size=64)
    alone = [r.pixels.tobytes() for r in backend.generate([wanted])]
    among = [r.pixels.tobytes() for r in backend.generate([other, wanted, other]) if r.request is wanted]
    single = next(iter(backend.generate([GenerationRequest("red running shoe", count=1, seed=7, size=64)])))
    assert alone == among
    assert single.pixels.tobytes() == alone[0]
    assert alone[0] != alone[1]


def test_results_stream_in_order_with_their_recipes(backend: Backend) -> None:
    requests = [GenerationRequest("red running shoe", 2, 3, 80), GenerationRequest("手提包", 1, 3, 96)]
    results = list(backend.generate(requests))
    assert [(r.request.prompt, r.index) for r in results] == [
        ("red running shoe", 0),
        ("red running shoe", 1),
        ("手提包", 0),
    ]
    assert [r.pixels.shape for r in results] == [(80, 80, 3), (80, 80, 3), (96, 96, 3)]
    for result in results:
        assert result.recipe["request"] == result.request.as_dict()
        assert result.recipe["index"] == result.index


def test_other_seeds_and_other_prompts_give_other_pictures(backend: Backend) -> None:
    def first(prompt: str, seed: int) -> bytes:
        return next(iter(backend.generate([GenerationRequest(prompt, 1, seed, 64)]))).pixels.tobytes()

    assert len({first("red running shoe", 1), first("red running shoe", 2), first("blue watch", 1)}) == 3


def test_transparent_pictures_have_alpha(backend: Backend) -> None:
    result = next(iter(backend.generate([GenerationRequest("red handbag", 1, 1, 64, background="transparent")])))
    assert result.pixels.shape == (64, 64, 4)


def test_a_product_the_pack_has_not_learned_is_refused_with_what_it_knows(tiny_pack: Path) -> None:
    backend = open_backend("embedded", str(tiny_pack))
    with pytest.raises(RequestError, match=r"necklace.*accepted: .*watch"):
        next(iter(backend.generate([GenerationRequest("gold necklace")])))


def test_unknown_backends_and_packs_are_named_with_what_there_is() -> None:
    with pytest.raises(RequestError, match=r"'nope'; accepted: embedded, fake"):
        open_backend("nope")
    with pytest.raises(PackError, match="'nope'"):
        open_backend("embedded", "nope")


def test_a_changed_pack_file_is_refused_by_its_hash(tmp_path: Path) -> None:
    folder = write_tiny_flow_pack(tmp_path / "tiny").folder
    graph = folder / "generator.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(bytes(data))
    with pytest.raises(PackError, match=re.escape(str(graph)) + r": got sha256 .*; accepted: "):
        list(open_backend("embedded", str(folder)).generate([GenerationRequest("red handbag", 1)]))


def test_times_run_from_noise_to_picture() -> None:
    for shift in (0.5, 1.0, 3.0):
        schedule = times(8, shift)
        assert schedule[0] == 0 and schedule[-1] == 1
        assert (np.diff(schedule) > 0).all()
    assert times(8, 3.0)[4] < 0.5 < times(8, 0.5)[4]


def test_a_sampler_with_a_perfect_denoiser_returns_the_picture() -> None:
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32)
    noise = np.random.default_rng(1).standard_normal((1, 3, 8, 8), np.float32)
    found = sample_flow(lambda x, t: picture, noise, times(5, 1.0))
    np.testing.assert_allclose(found, picture, atol=1e-6)


def test_renoising_ends_with_the_prediction_and_forgets_a_little_less_each_time() -> None:
    picture, seen, draws = np.full((1, 3, 4, 4), 0.25, np.float32), [], []

    def noise() -> np.ndarray:
        draws.append(1)
        return np.full_like(picture, 2.0)

    def predict(x: np.ndarray, t: float) -> np.ndarray:
        seen.append((round(t, 3), float(x.mean())))
        return picture

    found = sample_renoised(predict, np.zeros_like(picture), times(2, 1.0), noise)
    assert np.array_equal(found, picture) and len(draws) == 1
    assert seen == [(0.0, 0.0), (0.5, pytest.approx(0.5 * 0.25 + 0.5 * 2.0))]


def test_guidance_of_an_embedding_goes_on_a_little_and_never_far() -> None:
    wish, origin = np.array([[3.0, 1.0]], np.float32), np.array([[1.0, 1.0]], np.float32)
    assert not prolonged(wish, origin, 1.0).any()
    np.testing.assert_allclose(wish + prolonged(wish, origin, 0.0), origin)
    np.testing.assert_allclose(prolonged(wish, origin, 2.0), [[0.6, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(prolonged(wish, origin, 1e6), [[1.2, 0.0]], rtol=1e-5)


def test_a_finished_flow_is_guided_by_its_condition_and_evaluated_no_more_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tiny_flow_pack(tmp_path / "finished", sampler="renoise", guidance=1.0, emphasis=0.0).folder
    backend, evaluated, session_of = open_backend("embedded", str(folder)), [], Pack.session

    def counted(pack: Pack, name: str) -> object:
        session = session_of(pack, name)

        class Session:
            def run(self, *given: object) -> object:
                evaluated.append(name)
                return session.run(*given)

        return Session()

    monkeypatch.setattr(Pack, "session", counted)
    made = []
    for more in ({}, {"guidance": 4.0}, {"emphasis": 4.0}, {"guidance": 4.0, "negative": "white"}):
        evaluated.clear()
        request = replace(GenerationRequest("women black watch", 1, seed=3), **more)  # type: ignore[arg-type]
        made.append(next(iter(backend.generate([request]))).pixels)
        assert evaluated.count("generator.onnx") == 2
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(made, 2))
    with pytest.raises(RequestError, match=r"^negative: got pack 'tiny', which is not guided by itself"):
        backend.check(GenerationRequest("women black watch", negative="white"))


def test_the_second_order_sampler_is_nearer_to_the_exact_flow_than_euler_steps() -> None:
    """For pictures drawn from N(0, s^2) the ideal denoiser is linear and the flow's end is s * noise."""
    spread = 0.3
    noise = np.full((1, 3, 1, 1), 0.8, np.float32)

    def ideal(x: np.ndarray, t: float) -> np.ndarray:
        return np.asarray(x * (t * spread**2 / (t**2 * spread**2 + (1 - t) ** 2)), np.float32)

    x = noise.copy()
    schedule = times(20, 1.0)
    for now, after in itertools.pairwise(schedule):
        x = x + (after - now) * (ideal(x, now) - x) / (1 - now)
    exact = spread * noise
    second = sample_flow(ideal, noise, schedule)
    assert np.abs(second - exact).max() < 0.6 * np.abs(x - exact).max()


def test_cut_out_puts_back_the_same_picture_on_white() -> None:
    picture = disc((40, 90, 160))
    back = over(cut_out(picture), np.full_like(picture, 255))
    assert np.abs(back.astype(int) - picture).max() <= 3


def test_cut_out_copies_inner_pixels_and_leaves_no_white_fringe() -> None:
    picture = disc((40, 90, 160))
    rgba = cut_out(picture)
    solid = rgba[..., 3] == 255
    assert (rgba[solid][:, :3] == (40, 90, 160)).all()
    on_black = over(rgba, np.zeros_like(picture))
    assert (on_black.max(axis=(0, 1)) <= np.array([46, 96, 166])).all()


def test_a_drawing_that_was_enlarged_gets_no_light_rim() -> None:
    small = Image.fromarray(disc((40, 90, 160), side=128))
    picture = np.asarray(small.resize((768, 768), Image.Resampling.BICUBIC))  # as `GenerationRequest.size` does
    on_black = painter("#000000")(picture)
    rim = over(cut_out(picture), np.zeros_like(picture))  # a band as narrow as for a drawing at its own size
    assert int(rim[..., 0].max()) > 120
    assert (on_black.max(axis=(0, 1)) <= np.array([50, 100, 170])).all()
    assert (painter("transparent")(picture)[..., 3] == 255).sum() > 0.9 * (picture[..., 0] < 60).sum()


def test_backgrounds_colour_picture_and_refusals(tmp_path: Path) -> None:
    picture = disc((40, 90, 160))
    assert tuple(painter("#F2EDE4")(picture)[0, 0]) == (0xF2, 0xED, 0xE4)
    scene = tmp_path / "scene.png"
    Image.new("RGB", (200, 100), (10, 120, 30)).save(scene)
    assert tuple(painter(str(scene))(picture)[0, 0]) == (10, 120, 30)
    for wrong in ("#12345", "#gggggg", "nowhere.png", "blue"):
        with pytest.raises(RequestError, match="accepted: "):
            painter(wrong)
    scene.write_bytes(scene.read_bytes()[:60])
    with pytest.raises(InputError):
        painter(str(scene))


def test_the_colour_lock_reaches_the_colour_and_spares_the_rest() -> None:
    picture = disc((200, 40, 40))
    picture[40:56, 40:56] = (20, 20, 20)
    wanted = tuple(float(v) for v in oklab_from_srgb(np.array([[170, 30, 70]], np.uint8))[0])
    locked, distance = lock_colour(picture, wanted, 1.0)
    finding = find_product(locked)
    assert finding is not None
    main = main_colours(oklab_from_srgb(locked)[finding.mask], 1)[0][0]
    assert np.linalg.norm(main - wanted) < 0.02 < distance
    assert (locked[0] == 255).all()
    assert np.abs(locked[48, 48].astype(int) - 20).max() <= 12


def test_the_colour_lock_changes_nothing_at_strength_zero_or_at_the_present_colour() -> None:
    picture = disc((200, 40, 40))
    present = tuple(float(v) for v in oklab_from_srgb(np.array([[200, 40, 40]], np.uint8))[0])
    assert (lock_colour(picture, (0.5, 0.1, 0.0), 0.0)[0] == picture).all()
    assert np.abs(lock_colour(picture, present, 1.0)[0].astype(int) - picture).max() <= 2
