"""Pictures of one product share their work, and come out as if each had been made alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2")

from listing_pictures import FAULTS, SIDE, jpeg, product, saved

from packshot.listing import canvas, making, measures
from packshot.listing.grouping import TOGETHER, Group, answers, groups
from packshot.listing.making import Made, RefusedError, Setting, make
from packshot.listing.measures import Look
from packshot.listing.memory import Recent, digest
from packshot.listing.plan import PlannedPicture
from packshot.listing.pool import WorkerDiedError
from packshot.listing.preparing import Wanted, prepare
from packshot.safety.guard import Guard

CHANNELS = ("taobao-main", "tmall")


def forget() -> None:
    """As in a process that has just begun."""
    for recent in (making._STARTS, making._MEASURED, making._MARKED, making._PASSED, canvas._EDITS, measures._SEEN):
        recent._kept.clear()


@pytest.fixture
def job(tmp_path: Path) -> tuple[Sequence[PlannedPicture], Setting]:
    """A product on a coloured ground, and one of words, on channels that want nearly the same."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "A1.jpg").write_bytes(jpeg(product(700, 0.7, (205, 200, 190))))
    (tmp_path / "shop.csv").write_text("sku,title\nA1,brown bag\nW1,red shoe\n", encoding="utf-8")
    sets = "".join(f"[{name}]\nmain = 1\nscene = 1\n" for name in CHANNELS)
    (tmp_path / "sets.toml").write_text(sets, encoding="utf-8")
    wanted = Wanted(str(tmp_path / "shop.csv"), CHANNELS, str(tmp_path / "out"), str(tmp_path / "photos"),
                    sets=tmp_path / "sets.toml", producer="T", backend="fake")  # fmt: skip
    made = prepare(wanted)[0]
    return made.planned, made.setting


def outcome(picture: PlannedPicture, setting: Setting) -> Made | str:
    try:
        return make(picture, setting)
    except RefusedError as error:
        return str(error)


@pytest.mark.slow
def test_shared_work_gives_the_same_pictures(
    job: tuple[Sequence[PlannedPicture], Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts: list[tuple[int, ...]] = []
    looks: list[str] = []
    monkeypatch.setattr(Guard, "picture", lambda self, pixels, where, sha256="": looks.append(where) or "seen")
    real = measures.cutout
    monkeypatch.setattr(measures, "cutout", lambda scene: cuts.append(scene.size) or real(scene))
    planned, setting = job
    order = [picture for group in groups(planned, 1) for picture in group]
    forget()
    shared = {picture.name: outcome(picture, setting) for picture in order}
    assert len(cuts) == 2, "the photo and the drawing are cut out once"
    assert looks.count("A1.jpg") == 1
    for picture in planned:
        forget()
        assert outcome(picture, setting) == shared[picture.name], picture.name
    assert len(cuts) > 5
    assert sum(isinstance(made, Made) for made in shared.values()) >= 6


def test_a_damaged_copy_of_a_picture_that_was_seen_is_seen_as_damaged() -> None:
    data = jpeg(product())
    first = Look.again(data, "first")
    assert first.product is not None and first.blur is not None
    same = Look.again(data, "same")
    assert same.__dict__["blur"] is first.blur and same.layers is not first.layers
    other = Look.again(FAULTS["blur"](), "other")
    assert "blur" not in other.__dict__ and other.blur != first.blur
    with pytest.raises(Exception, match="damaged"):
        _ = Look.again(data[: len(data) // 2], "torn").layers


def test_recent_keeps_what_its_weight_allows_and_the_last_always() -> None:
    recent = Recent[int](10, lambda value: value)
    made: list[int] = []

    def get(value: int) -> int:
        return recent.get(value, lambda: made.append(value) or value)

    for value in (4, 5, 4, 3, 5, 4, 20, 4):
        assert get(value) == value
    assert made == [4, 5, 3, 5, 4, 20, 4]  # 3 drives 5 out, 5 then 4, 4 then 3, 20 all others, and 4 the 20
    with pytest.raises(ZeroDivisionError):
        recent.get(7, lambda: 1 // 0)
    assert recent.swap(4, 9) == 4 and recent.get(4, lambda: 0) == 9


def test_digests_tell_shapes_and_kinds_apart() -> None:
    flat = np.arange(12, dtype=np.uint8)
    several = [digest(flat), digest(flat.reshape(3, 4)), digest(flat.astype(np.int16)), digest(flat, None), digest()]
    assert len(set(several)) == 5 and digest(flat.reshape(3, 4).T) == digest(flat.reshape(3, 4).T.copy())


class FakePool:
    """Dies of one picture; answers with names."""

    def __init__(self, guilty: str) -> None:
        self.guilty, self.asked = guilty, list[int]()

    def results(self, items: Sequence[Group]) -> Iterator[tuple[Group, Sequence[str] | WorkerDiedError]]:
        for group in items:
            self.asked.append(len(group))
            names = [picture.name for picture in group]
            yield group, WorkerDiedError("killed") if self.guilty in names else names


def test_groups_hold_every_picture_once_and_one_photo_each(job: tuple[Sequence[PlannedPicture], Setting]) -> None:
    planned, _ = job
    for workers in (1, 2, 40):
        found = groups(planned, workers)
        assert sorted(p.key for group in found for p in group) == sorted(p.key for p in planned)
        assert all(len({(p.sku, p.photo and p.photo.sha256) for p in group}) == 1 for group in found)
        assert max(map(len, found)) <= TOGETHER
    assert max(map(len, groups(planned, 40))) == 1, "a small run keeps all workers busy"


def test_a_guilty_picture_costs_its_group_nothing(job: tuple[Sequence[PlannedPicture], Setting]) -> None:
    planned, _ = job
    pool = FakePool(planned[3].name)
    found = dict(answers(pool, planned, 1))
    assert isinstance(found.pop(planned[3]), WorkerDiedError)
    assert {picture.name: name for picture, name in found.items()} == {
        p.name: p.name for p in planned if p is not planned[3]
    }
    assert 1 in pool.asked and max(pool.asked) > 1


def test_parts_of_a_transparent_photo_lie_on_white(tmp_path: Path) -> None:
    cut = Image.fromarray(np.array(product(1700, 0.9))).convert("RGBA")
    mask = Image.fromarray((np.array(product(1700, 0.9)).min(-1) < 250).astype(np.uint8) * 255)
    cut.putalpha(mask)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "A1.png").write_bytes(saved(cut, "PNG"))
    (tmp_path / "shop.csv").write_text("sku,title\nA1,brown bag\n", encoding="utf-8")
    (tmp_path / "sets.toml").write_text("[shopify]\ndetail = 1\n", encoding="utf-8")
    wanted = Wanted(str(tmp_path / "shop.csv"), ("shopify",), str(tmp_path / "out"), str(tmp_path / "photos"),
                    sets=tmp_path / "sets.toml")  # fmt: skip
    prepared = prepare(wanted)[0]
    (picture,) = prepared.planned
    made: Any = make(picture, prepared.setting)
    pixels = Look(made.data, "made").rgb
    assert picture.means == "crop" and (pixels == 255).all(-1).any() and made.certificate["promise"]["promised"]
    assert SIDE == 1000
