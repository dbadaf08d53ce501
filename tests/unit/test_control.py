"""Wishes beyond the prompt: a negative, a second prompt, a photo to start from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tiny_packs import write_tiny_flow_pack

from packshot.errors import InputError, RequestError
from packshot.generation import Backend, GenerationRequest, open_backend
from packshot.generation.embedded import LUMA, EmbeddedBackend
from packshot.generation.reference import open_reference
from packshot.generation.wishes import Wish, between


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    return open_backend("embedded", str(write_tiny_flow_pack(tmp_path_factory.mktemp("packs") / "tiny").folder))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    pixels = np.full((200, 300, 3), 255, np.uint8)
    pixels[60:140, 80:220] = (30, 90, 160)
    Image.fromarray(pixels).save(path)
    return path


def pictures(backend: Backend, prompt: str = "red handbag", **wishes: object) -> list[np.ndarray]:
    request = GenerationRequest(prompt, **{"count": 1, "seed": 4, "colour_lock": 0.0, "size": 64, **wishes})  # type: ignore[arg-type]
    return [result.pixels.astype(int) for result in backend.generate([request])]


def test_a_negative_changes_pictures_and_needs_guidance(backend: Backend) -> None:
    plain, away = (pictures(backend, guidance=20.0, negative=negative)[0] for negative in ("", "black leather"))
    assert np.abs(plain - away).max() > 2
    with pytest.raises(RequestError, match=r"^negative: got a guidance of 1"):
        GenerationRequest("red handbag", negative="black", guidance=1.0)
    with pytest.raises(RequestError, match=r"^prompt: got no word that is understood"):
        pictures(backend, negative="zzqqx")


def test_emphasis_changes_pictures_whose_prompt_says_more_than_product_and_colour(backend: Backend) -> None:
    for prompt, changes in (("red handbag", False), ("red leather handbag", True), ("女士红色手提包", True)):
        plain, stressed = (pictures(backend, prompt, emphasis=strength)[0] for strength in (0.0, 20.0))
        assert (np.abs(plain - stressed).max() > 2) == changes, prompt
    own = next(iter(backend.generate([GenerationRequest("red leather handbag", 1, size=64)])))
    assert own.recipe["emphasis"] == 1.0  # the pack's
    with pytest.raises(RequestError, match=r"^emphasis: got 21; accepted: 0 to 20"):
        GenerationRequest("red handbag", emphasis=21)


def test_variety_leads_from_the_typical_to_the_unusual(backend: Backend) -> None:
    row = {variety: pictures(backend, variety=variety)[0] for variety in (0.0, 0.5, 1.0, 1.5, 2.0)}
    assert len({picture.tobytes() for picture in row.values()}) == 5
    assert (row[1.0] == pictures(backend)[0]).all() and (row[2.0] == pictures(backend, variety=2.0)[0]).all()
    less = next(iter(backend.generate([GenerationRequest("red handbag", 1, size=64, variety=0.5)])))
    assert less.recipe["guidance"] == 1.5 + 1.5  # the pack's own, and what keeps to the typical
    assert less.recipe["request"]["variety"] == 0.5
    with pytest.raises(RequestError, match=r"^variety: got 2.1; accepted: 0 to 2"):
        GenerationRequest("red handbag", variety=2.1)


def test_towards_begins_and_ends_with_the_two_prompts(backend: Backend) -> None:
    row = pictures(backend, towards="blue watch", count=5)
    assert (row[0] == pictures(backend)[0]).all()
    assert (row[-1] == pictures(backend, "blue watch")[0]).all()
    assert len({picture.tobytes() for picture in row}) == 5
    with pytest.raises(RequestError, match=r"^towards: got a count of 1; accepted: 2 or more"):
        GenerationRequest("red handbag", count=1, towards="watch")


def test_between_two_wishes_lie_their_vectors_and_colours() -> None:
    first, last = (Wish(np.full((1, 2), value, np.float32), None, (value, 0.0, 0.0)) for value in (0.0, 1.0))
    middle = between(first, last, 0.25)
    assert middle.condition.tolist() == [[0.25, 0.25]] and middle.colour == (0.25, 0.0, 0.0) and middle.plain is None
    stressed = Wish(last.condition, np.full((1, 2), 0.5, np.float32), None)
    assert between(first, stressed, 0.5).colour is None
    assert between(first, stressed, 0.5).plain.tolist() == [[0.25, 0.25]]  # type: ignore[union-attr]


def test_a_photo_is_kept_at_change_0_and_given_up_more_and_more(backend: Backend, photo: Path) -> None:
    same = pictures(backend, like=str(photo), change=0.0)[0]
    side = 64
    framed = open_reference(photo, side).pixels
    assert np.abs(same - framed).mean() < 6  # enlarged four times and reduced again
    away = [
        np.abs(pictures(backend, like=str(photo), change=change)[0] - same).mean() for change in (0.0, 0.2, 0.5, 0.9)
    ]
    assert away[0] == 0
    assert min(away[1:]) > 20  # an untrained network has no further order


def test_the_recipe_pins_the_photo(backend: Backend, photo: Path) -> None:
    result = next(iter(backend.generate([GenerationRequest("handbag", count=1, like=str(photo))])))
    assert result.recipe["like_sha256"] == hashlib.sha256(photo.read_bytes()).hexdigest()


def test_a_photo_gives_its_colours_where_the_prompt_names_none(photo: Path) -> None:
    reference = open_reference(photo, 64)
    assert len(reference.colours) == 1
    lightness, _green_red, blue_yellow = reference.colours[0]
    assert 0.3 < lightness < 0.6 and blue_yellow < -0.08


@pytest.mark.parametrize(
    ("fill", "said"), [((255, 255, 255), "nothing on its background"), ((90, 140, 90), "not plain white")]
)
def test_photos_that_cannot_be_used_are_one_line(tmp_path: Path, fill: tuple[int, int, int], said: str) -> None:
    pixels = np.full((80, 80, 3), fill, np.uint8)
    if fill != (255, 255, 255):
        pixels[30:50, 30:50] = (200, 20, 20)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match=said) as caught:
        open_reference(tmp_path / "photo.png", 64)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("like: ")
    with pytest.raises(InputError, match="No such file"):
        open_reference(tmp_path / "absent.png", 64)


def test_an_upscalers_dots_go_and_its_edges_and_the_small_hues_stay(tmp_path: Path) -> None:
    backend = EmbeddedBackend(str(write_tiny_flow_pack(tmp_path / "tiny").folder))
    small = np.full((1, 3, 64, 64), 0.2, np.float32)
    small[:, 2] = -0.4  # yellow
    fine = np.full((1, 3, 256, 256), 0.0, np.float32)
    fine[:, :, :, 128:] = -0.8  # an edge
    dotted = fine.copy()
    dotted[:, :, 20:100:4, 20:100:4] = 0.9
    seen = []
    for answer in (fine, dotted):
        backend.pack = SimpleNamespace(session=lambda _, answer=answer: SimpleNamespace(run=lambda *_: [answer]))  # type: ignore[attr-defined]
        seen.append(backend._enlarge(small))
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-6)
    luma = np.tensordot(LUMA, seen[0][0], 1)
    assert np.abs(luma[:, 127] - 0.0).max() < 0.01 and np.abs(luma[:, 128] + 0.8).max() < 0.01
    np.testing.assert_allclose(seen[0][0, 0] - seen[0][0, 2], 0.6, atol=1e-5)
