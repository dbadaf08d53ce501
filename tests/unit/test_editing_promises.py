"""The table's promises hold for the real operations, by the certificate's own reckoning on written files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from view_packs import write_mirror_pack

from packshot.editing.certificate import verify
from packshot.editing.files import Job, Wish, edit
from packshot.editing.operations import OPERATIONS
from packshot.editing.pipeline import parameters, parse_step, summary

EXAMPLES = {
    "cutout": "",
    "background": "gradient:#ffffff,#a0a8b0 angle=30",
    "shadow": "contact",
    "relight": "left",
    "white_balance": "",
    "exposure": "0.3",
    "recolour": "#1f3a6e part=mask:{mask}",
    "straighten": "4",
    "flip": "",
    "turn": "9",
    "tilt": "15",
    "view": "20 pack={pack}",
    "erase": "{mask}",
    "enlarge": "2 by=plain",
    "fit": "300x260 scale=1",
    "crop": "product margin=0.02",
    "sharpen": "",
    "denoise": "",
    "text": "New in: 新品",
    "badge": "-20 %",
    "dimensions": "16.2x13cm",
}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A textured product with a soft outline and a hole, cut out, in (200, 240), and a mask of a part of it."""
    folder = tmp_path_factory.mktemp("photo")
    dice = np.random.default_rng(0)
    rough = dice.integers(60, 200, (25, 30, 3), dtype=np.uint8)
    colours = cv2.resize(rough, (240, 200), interpolation=cv2.INTER_CUBIC)
    alpha = np.zeros((200, 240), np.uint8)
    cv2.ellipse(alpha, (120, 100), (80, 60), 20, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.circle(alpha, (140, 90), 12, 0, -1, cv2.LINE_AA)
    Image.fromarray(np.dstack([colours, cv2.GaussianBlur(alpha, (5, 5), 0)])).save(folder / "photo.png")
    mask = np.zeros((200, 240), np.uint8)
    mask[100:112, 70:90] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    write_mirror_pack(folder / "mirror")
    return folder / "photo.png"


def test_there_is_an_example_of_every_operation() -> None:
    assert list(EXAMPLES) == list(OPERATIONS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_operation_says_what_it_does_and_takes(name: str) -> None:
    assert all(parameter.kind in (str, float, int, bool) for parameter in parameters(name))
    assert summary(name).partition(" [")[0].endswith(".")  # one line, for --help
    assert sum(parameter.required for parameter in parameters(name)) <= 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_operation_keeps_what_it_promises_and_the_certificate_verifies(photo: Path, name: str) -> None:
    words = EXAMPLES[name].format(mask=photo.with_name("mask.png"), pack=photo.with_name("mirror"))
    target = photo.with_name(f"{name}.png")
    first = parse_step(name, words)
    ground = () if name == "background" else (parse_step("background", "#808890"),)
    (finished,) = edit(Job(photo, target), Wish((*ground, first)))
    document = finished.certificate
    assert document["promise"]["promised"] is (OPERATIONS[name].promise != "nothing")
    if document["promise"]["promised"]:
        assert document["measured"]["kept"]["pixels"] > 8000
        assert document["measured"]["kept"]["differing"] == 0
    assert verify(target, photo, document) == []
    assert target.read_bytes() == _again(photo, name, first, ground)


def _again(photo: Path, name: str, step: object, ground: tuple) -> bytes:
    target = photo.with_name(f"{name}-again.png")
    edit(Job(photo, target), Wish((*ground, step)))  # type: ignore[arg-type]
    return target.read_bytes()
