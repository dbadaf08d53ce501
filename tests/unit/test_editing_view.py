"""New views by a view-conditioned pack: in its place, at its scale, and said to be a model's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from view_packs import write_mirror_pack

from packshot.editing.certificate import verify
from packshot.editing.files import Job, Wish, edit
from packshot.editing.pipeline import parse_step
from packshot.editing.scene import Scene
from packshot.editing.view import view
from packshot.errors import PackError, RequestError
from packshot.provenance.origin import GENERATED, of_certificate


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mirror_pack(tmp_path_factory.mktemp("packs") / "mirror")


def product() -> Scene:
    """A product off the middle, red at its left and blue at its right."""
    alpha = np.zeros((120, 160), np.uint8)
    cv2.ellipse(alpha, (60, 70), (40, 25), 0, 0, 360, 255, -1, cv2.LINE_AA)
    colours = np.full((120, 160, 3), (40, 60, 200), np.uint8)
    colours[:, :60] = (200, 40, 60)
    return Scene(colours, alpha, shade=np.full((120, 160), 200, np.uint8))


def test_the_view_takes_the_products_place_at_its_scale(pack: Path) -> None:
    before = product()
    after = view(before, 30, pack=str(pack))
    assert before.alpha is not None and after.alpha is not None
    mirrored = np.zeros_like(before.alpha)
    mirrored[:, 20:101] = before.alpha[:, 20:101][:, ::-1]
    assert np.abs(after.alpha.astype(int) - mirrored).mean() < 3
    assert after.product[70, 40, 2] > 150 and after.product[70, 80, 0] > 150  # blue is at the left now
    assert after.shade is None and after.placement is None and [made.operation for made in after.made] == ["view"]


def test_a_view_is_labelled_as_a_models_and_promises_nothing(pack: Path, tmp_path: Path) -> None:
    scene = product()
    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    Image.fromarray(np.dstack([scene.product, scene.alpha])).save(photo)  # type: ignore[arg-type]
    (done,) = edit(Job(photo, out), Wish((parse_step("view", f"20 pack={pack}"),)))
    assert done.certificate["generative"] is True and done.certificate["promise"]["promised"] is False
    assert [model["op"] for model in done.certificate["models"]] == ["view"]
    assert verify(out, photo, done.certificate) == []
    origin = of_certificate(done.certificate)
    assert origin is not None and (origin.kind, origin.source_type) == ("generated", GENERATED)


def test_what_cannot_be_seen_is_one_line(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"view\.yaw: got 90 degrees; accepted: -60 to 60 of pack 'mirror'"):
        view(product(), 90, pack=str(pack))
    with pytest.raises(RequestError, match=r"view\.pitch"):
        view(product(), 0, pitch=float("nan"), pack=str(pack))
    with pytest.raises(PackError, match="'view'"):
        view(product(), 10)
    with pytest.raises(PackError, match="kind"):
        view(product(), 10, pack="cutout")
    with pytest.raises(RequestError, match="drew nothing"):
        view(product(), 10, pack=str(write_mirror_pack(tmp_path / "empty", nothing=True)))
