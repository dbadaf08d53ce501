"""Jobs of the server's quick lane, done here: edits, checks, verifications."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("sqlalchemy")

from listing_pictures import jpeg, product, saved
from PIL import Image
from server_tasks import FakeContext, context

from packshot.errors import PackshotError, RequestError
from packshot.server.tasks import check, edit, generate, verify

SIDE = 300


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> FakeContext:
    return context(tmp_path_factory.mktemp("server"), backend="fake")


@pytest.fixture(scope="module")
def photo(job: FakeContext) -> str:
    return job.keep(jpeg(product(SIDE, 0.7)), "包 bag.jpg")


def cut_out() -> bytes:
    """A product that came with its transparency: no network has to look for it."""
    picture = product(SIDE, 0.7).convert("RGBA")
    picture.putalpha(Image.fromarray((np.asarray(picture.convert("L")) < 200).astype(np.uint8) * 255))
    return saved(picture, "PNG")


def wish(photo: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"photo": photo, "steps": [*steps], "format": "png", "quality": None, "colourways": None, **more}


def done(job: FakeContext, request: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    edit.understood(request, job.assets, job.settings)
    outcome = edit.edit(request, job)
    return dict(outcome.result), job.record(outcome)


def test_an_edit_gives_a_picture_and_a_certificate_that_agrees(job: FakeContext, photo: str) -> None:
    steps = [{"op": "background", "to": "#f4f1ec"}, {"op": "shadow", "strength": None}]
    result, (picture, certificate) = done(job, wish(photo, *steps))
    assert result["pictures"][0]["asset"] == picture.id and result["pictures"][0]["promised"]
    assert "kept pixels identical" in result["pictures"][0]["proof"]
    assert (picture.kind, picture.name, picture.width) == ("edited", "包 bag-edited.png", SIDE)
    assert picture.details["photo"] == photo and picture.details["certificate"] == certificate.id
    assert picture.details["steps"] == [{"op": "background", "to": "#f4f1ec"}, {"op": "shadow"}]
    request = verify.understood({"picture": picture.id, "original": None, "certificate": None}, job.assets)
    assert request == {"picture": picture.id, "original": photo, "certificate": certificate.id}
    told = dict(verify.verify(request, job).result)
    assert told["fine"] and told["certificate"]["agrees"] and told["certificate"]["proof"]
    assert not (job.settings.home / "work").exists() or not [*(job.settings.home / "work").iterdir()]


def test_an_edit_is_the_command_lines(job: FakeContext, tmp_path: Path) -> None:
    from command_line import packshot

    data = cut_out()
    (tmp_path / "bag.png").write_bytes(data)
    done_there = packshot("edit", tmp_path / "bag.png", "--background", "walnut table", "--out", tmp_path / "out.png")
    assert done_there.returncode == 0, done_there.stderr
    _, (picture, certificate) = done(
        job, wish(job.keep(data, "bag.png", "image/png"), {"op": "background", "to": "walnut table"})
    )
    assert job.content(picture.id) == (tmp_path / "out.png").read_bytes()
    ours = json.loads(job.content(certificate.id))
    theirs = json.loads((tmp_path / "out.png.certificate.json").read_bytes())
    assert ours.pop("edited") | {"file": ""} == theirs.pop("edited") | {"file": ""}
    assert ours == theirs


def test_pictures_in_steps_are_named_by_their_ids_everywhere(job: FakeContext) -> None:
    bag = job.keep(cut_out(), "bag.png", "image/png")
    place = job.keep(jpeg(Image.effect_noise((SIDE, SIDE), 60).convert("RGB")), "place.jpg")
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (140, 140, 160, 160))
    hole = job.keep(saved(mask, "PNG"), "mask.png", "image/png")
    steps = [{"op": "erase", "mask": hole}, {"op": "background", "to": f"picture:{place}"},
             {"op": "recolour", "to": "navy", "part": f"mask:{hole}"}]  # fmt: skip
    _, (picture, certificate) = done(job, wish(bag, *steps))
    document = json.loads(job.content(certificate.id))
    said = [step["arguments"] for step in document["steps"]]
    assert said == [{"mask": hole}, {"to": f"picture:{place}"}, {"to": "navy", "part": f"mask:{hole}"}]
    assert str(job.settings.home) not in json.dumps([document, picture.details], ensure_ascii=False)
    assert b"work/job-" not in job.content(picture.id)


def test_colourways_make_a_picture_each(job: FakeContext) -> None:
    bag = job.keep(cut_out(), "bag.png", "image/png")
    colours = {"to": ["#aa0000", "navy"], "part": "all", "tolerance": 0.0, "strength": 1.0}
    result, assets = done(job, wish(bag, colourways=colours, format="jpg", quality=80) | {
        "steps": [{"op": "background", "to": "white"}]})  # fmt: skip
    assert [row["colour"] for row in result["pictures"]] == ["#aa0000", "navy"]
    pictures = [asset for asset in assets if asset.kind == "edited"]
    assert [asset.media_type for asset in pictures] == ["image/jpeg"] * 2
    centres = [np.asarray(Image.open(io.BytesIO(job.content(a.id))))[220, 110].astype(int) for a in pictures]
    assert centres[0][0] > centres[0][2] and centres[1][2] > centres[1][0]


def test_labels_go_on(job: FakeContext) -> None:
    made = generate.generate({"prompt": "red shoe", "count": 1, "seed": 1, "background": "white"}, job)
    (shoe,) = job.record(made)
    result, (picture, certificate) = done(job, wish(shoe.id, {"op": "crop", "box": "10,10,240,240"}))
    assert picture.details["origin"]["kind"] == "generated" and "aigc" in picture.details["origin"]["kept"]
    told = dict(verify.verify({"picture": picture.id, "original": shoe.id, "certificate": certificate.id}, job).result)
    assert told["fine"] and told["labels"]["aigc"] and "made by a model" in told["labels"]["headline"]
    assert any("the photo says generated" in note for note in result["pictures"][0]["notes"])


@pytest.mark.parametrize(("steps", "more", "said"), [
    ([], {}, "steps"),
    ([{"op": "paint"}], {}, "steps: 1: op"),
    ([{"to": "white"}], {}, "steps: 1: op"),
    ([{"op": "background"}], {}, "background.to"),
    ([{"op": "background", "to": 3}], {}, "background.to"),
    ([{"op": "crop", "box": "product"}, {"op": "text", "words": "x", "font": "/etc/passwd"}], {}, "text.font"),
    ([{"op": "flip", "sideways": 1}], {}, "sideways"),
    ([{"op": "flip"}], {"photo": "asset_" + "0" * 31}, "photo"),
    ([{"op": "flip"}], {"photo": "/etc/passwd"}, "photo"),
    ([{"op": "flip"}], {"quality": 101}, "quality"),
    ([], {"colourways": {"to": ["navy", "Navy"]}}, "colourways.to"),
    ([], {"colourways": {"to": ["photo:/etc/passwd"]}}, "recolour.to"),
    ([{"op": "flip"}] * 41, {}, "steps"),
])  # fmt: skip
def test_what_cant_be_edited_is_refused_at_once(
    job: FakeContext, photo: str, steps: list[dict[str, Any]], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(PackshotError) as refused:
        edit.understood(wish(photo, *steps) | more, job.assets, job.settings)
    assert said in str(refused.value)


def test_errors_say_nothing_of_the_servers_folders(job: FakeContext) -> None:
    bag = job.keep(cut_out(), "bag.png", "image/png")
    with pytest.raises(PackshotError) as refused:
        edit.edit(wish(bag, {"op": "background", "to": "transparent"}, format="jpg"), job)
    assert str(job.settings.home) not in str(refused.value) and "bag-edited.jpg" in str(refused.value)
    place = job.keep(jpeg(product(SIDE, 0.7))[:4000], "torn.jpg")
    with pytest.raises(PackshotError) as refused:
        edit.edit(wish(bag, {"op": "background", "to": place}), job)
    assert str(job.settings.home) not in str(refused.value) and place in str(refused.value)


def test_checks_judge_and_repair(job: FakeContext) -> None:
    bag = job.keep(jpeg(product(1200, 0.7, (244, 244, 244))), "bag.jpg")
    request = {"picture": bag, "channels": ["amazon-main", "shopify"], "fix": True, "language": "zh"}
    check.understood(request, job.assets)
    outcome = check.check(request, job)
    assets = {asset.id: asset for asset in job.record(outcome)}
    amazon = outcome.result["reports"][0]
    assert not amazon["passed"] and "white" in {v["rule"] for v in amazon["verdicts"] if v["status"] == "fail"}
    fixed = amazon["fixed"]
    assert fixed["passed"] and fixed["done"] and assets[fixed["asset"]].details["channel"] == "amazon-main"
    told = dict(
        verify.verify({"picture": fixed["asset"], "original": bag, "certificate": fixed["certificate"]}, job).result
    )
    assert told["certificate"]["agrees"], told
    plain = check.check(request | {"fix": False}, job)
    assert plain.assets == () or plain.assets == []
    assert [report["fixed"] for report in plain.result["reports"]] == [None, None]


def test_a_check_names_its_channels(job: FakeContext, photo: str) -> None:
    for channels, said in (([], "channels"), (["amazn-main"], "amazon-main"), (["shopify"] * 3, "")):
        request = {"picture": photo, "channels": channels, "fix": False, "language": "en"}
        if said:
            with pytest.raises(RequestError, match=said):
                check.understood(request, job.assets)
        else:
            check.understood(request, job.assets)


def test_a_certificate_of_another_picture_does_not_agree(job: FakeContext, photo: str) -> None:
    _, (picture, certificate) = done(job, wish(photo, {"op": "crop", "box": "10,10,200,200"}))
    other = job.keep(jpeg(product(SIDE, 0.5)), "other.jpg")
    told = dict(verify.verify({"picture": picture.id, "original": other, "certificate": certificate.id}, job).result)
    assert not told["fine"] and not told["certificate"]["agrees"] and told["certificate"]["disagreements"]
    odd = job.keep(json.dumps({"format": 2, "steps": 3}).encode(), "odd.json", "application/json")
    with pytest.raises(PackshotError, match="another form"):
        verify.verify({"picture": picture.id, "original": photo, "certificate": odd}, job)
    with pytest.raises(RequestError, match="certificate"):
        verify.understood({"picture": photo, "original": None, "certificate": certificate.id}, job.assets)
    with pytest.raises(RequestError, match="original"):
        verify.understood({"picture": photo, "original": other, "certificate": None}, job.assets)


def test_clients_read_nothing_of_where_the_server_keeps_its_files(tmp_path: Path) -> None:
    settings = context(tmp_path / "home").settings
    assert settings.told(f"{tmp_path}/home/assets/ab/abc: got a lie") == "assets/ab/abc: got a lie"
    assert str(tmp_path) not in settings.told(f"{tmp_path}/home is full")
