"""Labels put into files and read back; what is there is kept; tampering is found; the commands."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from provenance_fakes import product_picture, signer_and_root

from packshot import cli
from packshot.errors import RequestError
from packshot.images import packaged_font, save_picture
from packshot.provenance import credentials, labelling, origin, xmp
from packshot.provenance.credentials import Signer
from packshot.provenance.labelling import Labelled, Wish
from packshot.provenance.policy import load_policy
from packshot.provenance.reading import read_labels

POLICY = load_policy()
MADE = origin.of_kind("generated")
WISH = Wish("店")
pytestmark = pytest.mark.skipif(packaged_font() is None, reason="needs a font: pip install 'packshot[provenance]'")


@pytest.fixture(scope="module")
def shop() -> tuple[Signer, str]:
    return signer_and_root()


def picture(suffix: str, folder: Path) -> bytes:
    path = folder / f"picture.{suffix}"
    save_picture(product_picture(512), path, recipe={"request": {"prompt": "鞋"}, "pack": {"name": "base"}})
    return path.read_bytes()


def labelled(data: bytes, wish: Wish = WISH, channel: str = "taobao-main", kind: str = "generated") -> Labelled:
    return labelling.label(data, "p", origin.of_kind(kind), POLICY.decide(channel, kind), wish)


def outcomes(done: Labelled) -> dict[str, str]:
    return {row["label"]: row["outcome"] for row in done.record["labels"]}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_every_label_is_read_back(suffix: str, tmp_path: Path, shop: tuple[Signer, str]) -> None:
    signer, root = shop
    data = picture(suffix, tmp_path)
    done = labelled(data, replace(WISH, signer=signer))
    labels = read_labels(done.data, "p", anchors=root)
    assert labels.problems == ()
    assert labels.source_type == origin.GENERATED
    assert labels.aigc is not None and labels.aigc.producer == "店"
    assert labels.visible == "AI生成"
    assert labels.mark is not None and labels.mark.payload.kind == 2
    assert labels.credentials is not None and labels.credentials.state == "Trusted"
    assert labels.credentials.actions[0] == "c2pa.created"
    assert labels.recipe
    assert done.record["sha256"] == hashlib.sha256(done.data).hexdigest()
    assert all(row["done"] and row["source"]["date"] for row in done.record["labels"])


def test_metadata_alone_changes_no_pixel(tmp_path: Path) -> None:
    data = picture("jpg", tmp_path)
    done = labelled(data, channel="amazon-main", kind="edited")
    assert outcomes(done)["iptc"] == "set"
    before, after = (np.array(Image.open(io.BytesIO(d))) for d in (data, done.data))
    np.testing.assert_array_equal(before, after)


def test_labelling_again_keeps_everything_and_adds(tmp_path: Path, shop: tuple[Signer, str]) -> None:
    signer, root = shop
    first = labelled(picture("png", tmp_path), replace(WISH, signer=signer))
    again = labelled(first.data, Wish("another", signer=signer, propagator="平台", propagate_id="9"))
    labels = read_labels(again.data, "p", anchors=root)
    assert labels.problems == ()
    assert labels.aigc is not None
    assert (labels.aigc.producer, labels.aigc.propagator) == ("店", "平台")
    assert labels.credentials is not None and labels.credentials.manifests == 2
    assert outcomes(again) == {
        "visible": "kept as it came",
        "aigc": "names added",
        "iptc": "kept as it came",
        "c2pa": "signed; earlier credentials kept",
        "mark": "kept as it came",
    }


def test_a_label_is_never_weakened(tmp_path: Path) -> None:
    first = labelled(picture("png", tmp_path))
    again = labelled(first.data, channel="shopify", kind="edited")
    labels = read_labels(again.data, "p")
    assert again.record["origin"]["kind"] == "generated"
    assert labels.source_type == origin.GENERATED
    assert labels.aigc is not None and labels.visible and labels.mark
    assert again.data == first.data


def test_credentials_are_not_broken_for_want_of_a_signer(tmp_path: Path, shop: tuple[Signer, str]) -> None:
    signed = labelled(picture("png", tmp_path), replace(WISH, signer=shop[0])).data
    with pytest.raises(RequestError, match="would break"):
        labelled(signed)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_tampering_is_found(suffix: str, tmp_path: Path, shop: tuple[Signer, str]) -> None:
    data = picture(suffix, tmp_path)
    signed = credentials.sign(data, shop[0], MADE, title="p")
    changed = xmp.write_packet(signed, xmp.with_properties(None, {xmp.SOURCE_TYPE: "x"}, "p"), "p")
    assert credentials.verify(signed, where="p", anchors=shop[1]).state == "Trusted"  # type: ignore[union-attr]
    labels = read_labels(changed, "p")
    assert any("credentials do not agree" in problem for problem in labels.problems)


def test_a_signer_nobody_vouches_for_is_said(tmp_path: Path, shop: tuple[Signer, str]) -> None:
    data = credentials.sign(picture("jpg", tmp_path), shop[0], MADE, title="p")
    labels = read_labels(data, "p", anchors=signer_and_root()[1])
    assert labels.credentials is not None and labels.credentials.state == "Valid"
    assert any("do not vouch" in problem for problem in labels.problems)
    assert read_labels(data, "p").problems == ()


def test_a_key_of_another_certificate_is_one_line(tmp_path: Path, shop: tuple[Signer, str]) -> None:
    wrong = replace(shop[0], key=signer_and_root()[0].key)
    with pytest.raises(RequestError, match="--cert"):
        credentials.sign(picture("jpg", tmp_path), wrong, MADE, title="p")
    assert "PRIVATE" not in repr(wrong)


def test_edits_are_named_in_the_credentials(tmp_path: Path, shop: tuple[Signer, str]) -> None:
    steps = [{"op": "crop", "arguments": {}}, {"op": "erase", "arguments": {}}]
    edited = origin.of_certificate({"steps": steps})
    assert edited is not None
    found = credentials.verify(credentials.sign(picture("png", tmp_path), shop[0], edited, title="p"), where="p")
    assert found is not None
    assert found.actions == ("c2pa.created", "c2pa.edited", "c2pa.cropped", "c2pa.edited")
    assert found.source_types == ("digitalCapture", origin.ENHANCED)


def test_a_drawn_over_label_and_a_stripped_source_type_are_found(tmp_path: Path) -> None:
    data = labelled(picture("png", tmp_path)).data
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.array(image)
    pixels[400:] = 255
    wiped = labelling.reencoded(data, pixels, "p")
    packet = xmp.with_properties(xmp.read_packet(data, "p"), {xmp.SOURCE_TYPE: origin.ENHANCED}, "p")
    problems = " ".join(read_labels(xmp.write_packet(wiped, packet, "p"), "p").problems)
    assert "no longer where the file says" in problems
    assert "the mark says generated" in problems


def test_a_generated_background_does_not_contradict_a_composite(tmp_path: Path) -> None:
    data = labelled(picture("png", tmp_path), channel="shopify").data
    values = {xmp.SOURCE_TYPE: origin.TERMS + origin.COMPOSITE}
    composite = xmp.write_packet(data, xmp.with_properties(None, values, "p"), "p")
    found = read_labels(composite, "p")
    assert found.mark is not None and found.mark.payload.kind == 2
    assert found.problems == ()


def test_a_composite_is_marked_around_its_product_alone(tmp_path: Path) -> None:
    pixels = np.clip(product_picture(512), 0, 225)
    save_picture(pixels, tmp_path / "c.png")
    product = np.zeros((512, 512), bool)
    product[150:360, 150:360] = True
    done = labelled((tmp_path / "c.png").read_bytes(), replace(WISH, protect=product), "shopify", "composite")
    with Image.open(io.BytesIO(done.data)) as image:
        np.testing.assert_array_equal(np.array(image)[product], pixels[product])
    assert outcomes(done)["mark"] == "set"
    blind = labelled((tmp_path / "c.png").read_bytes(), WISH, "shopify", "composite")
    assert "is not known" in outcomes(blind)["mark"]


def test_aigc_needs_a_producer(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--producer"):
        labelled(picture("png", tmp_path), Wish(""))


def test_exif_and_texts_survive_new_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B], exif[0x0112] = "a photographer", 3
    path = tmp_path / "p.jpg"
    Image.fromarray(product_picture(512)).save(path, exif=exif.tobytes(), quality=88)
    done = labelled(path.read_bytes())
    with Image.open(io.BytesIO(done.data)) as image, Image.open(path) as before:
        assert image.getexif()[0x013B] == "a photographer"
        assert 0x0112 not in image.getexif()
        assert image.quantization == before.quantization  # type: ignore[attr-defined]


# ---- Commands --------------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["packshot", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def test_label_and_verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, shop: Any) -> None:
    before = picture("jpg", tmp_path)
    files = {"cert.pem": shop[0].chain, "key.pem": shop[0].key, "root.pem": shop[1]}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    words = ["label", tmp_path / "picture.jpg", "--channel", "taobao-main", "--producer", "店", "--out", tmp_path / "o"]
    assert run(monkeypatch, *words, "--cert", tmp_path / "cert.pem", "--key", tmp_path / "key.pem", "--json") == 0
    record = json.loads(capsys.readouterr().out)["pictures"][0]
    assert {row["label"]: row["done"] for row in record["labels"]} == dict.fromkeys(
        ("visible", "aigc", "iptc", "c2pa", "mark"), True
    )
    assert json.loads((tmp_path / "o" / "labels.jsonl").read_text("utf-8")) == record
    assert (tmp_path / "picture.jpg").read_bytes() == before
    assert run(monkeypatch, "verify", tmp_path / "o/picture.jpg", "--trust", tmp_path / "root.pem") == 0
    told = capsys.readouterr().out
    assert "AI生成" in told and "Trusted" in told and "generated, number" in told
    if shutil.which("exiftool"):
        read = subprocess.run(["exiftool", tmp_path / "o/picture.jpg"], capture_output=True, check=True).stdout.decode()
        assert "trainedAlgorithmicMedia" in read and "ContentProducer" in read and "c2pa" in read


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--channel", "shopify", "--out", "."], "the picture itself"),
        (["--channel", "nowhere", "--out", "o"], "'nowhere'"),
        (["--channel", "shopify", "--out", "o", "--cert", "c"], "only one of"),
        (["--channel", "shopify", "--out", "o", "--policy", "none.toml"], "none.toml"),
        (["--channel", "shopify", "--out", "o"], "--kind"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    save_picture(product_picture(64), Path("p.png"))
    assert run(monkeypatch, "label", "p.png", *words) == 2
    told = capsys.readouterr().err.strip()
    assert message in told and "\n" not in told
    assert not Path("o/p.png").exists()


def test_one_damaged_picture_keeps_no_other_from_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    save_picture(product_picture(64), Path("p.png"))
    Path("bad.png").write_bytes(b"nothing")
    words = ["label", "bad.png", "p.png", "--channel", "shopify", "--kind", "edited", "--out", "o"]
    assert run(monkeypatch, *words) == 1
    assert "bad.png" in capsys.readouterr().err
    assert Path("o/p.png").exists() and not Path("o/bad.png").exists()


def test_verify_of_an_unlabelled_picture_says_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    save_picture(product_picture(64), tmp_path / "p.png")
    assert run(monkeypatch, "verify", tmp_path / "p.png", "--json") == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    assert not any(labels[key] for key in ("iptc", "aigc", "visible", "mark", "c2pa", "problems"))
