"""What `packshot edit` keeps of a picture's labels: its origin and metadata go on, what is lost is said."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import packshot
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from provenance_fakes import product_picture, signer_and_root

from packshot.images import packaged_font, save_picture
from packshot.provenance import credentials, labelling, origin, xmp
from packshot.provenance.carrying import said_by
from packshot.provenance.policy import load_policy
from packshot.provenance.reading import read_labels

pytest.importorskip("cv2", reason="needs OpenCV: pip install 'packshot[edit]'")
needs_font = pytest.mark.skipif(packaged_font() is None, reason="needs a font: pip install 'packshot[provenance]'")
RECIPE = {"request": {"prompt": "鞋"}, "pack": {"name": "base"}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, pixels: np.ndarray | None = None, recipe: dict[str, Any] | None = None) -> bytes:
    save_picture(product_picture(512) if pixels is None else pixels, Path(path), recipe=recipe)
    return Path(path).read_bytes()


def labelled(path: str, channel: str = "taobao-main") -> bytes:
    """A picture with every label but credentials."""
    decisions = load_policy().decide(channel, "generated")
    done = labelling.label(
        write(path, recipe=RECIPE), path, origin.of_kind("generated"), decisions, labelling.Wish("店")
    )
    Path(path).write_bytes(done.data)
    return done.data


def certificate(path: str) -> dict[str, Any]:
    return json.loads(Path(f"{path}.certificate.json").read_text("utf-8"))


def edit(photo: str, out: str, *steps: str) -> str:
    done = packshot("edit", photo, "--out", out, *steps)
    assert done.returncode == 0, done.stderr
    checked = packshot("verify", out, "--original", photo)
    assert checked.returncode == 0, checked.stdout
    return done.stdout


def test_an_unlabelled_photo_stays_without_a_word() -> None:
    write("photo.png")
    told = edit("photo.png", "out.png", "--exposure", "0.1")
    assert certificate("out.png")["origin"] is None
    assert xmp.read_packet(Path("out.png").read_bytes(), "out.png") is None
    assert "labels" not in told


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_what_a_recipe_alone_says_goes_into_the_metadata(suffix: str) -> None:
    write("made.png", recipe=RECIPE)
    edit("made.png", f"out.{suffix}", "--exposure", "0.1")
    stated = certificate(f"out.{suffix}")["origin"]
    assert (stated["kind"], stated["source_type"]) == ("generated", origin.GENERATED)
    assert "base" in stated["why"]
    data = Path(f"out.{suffix}").read_bytes()
    assert read_labels(data, "out").source_type == origin.GENERATED


@needs_font
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_all_labels_outlive_a_step_that_moves_nothing(suffix: str) -> None:
    before = read_labels(labelled("made.png"), "made.png")
    told = edit("made.png", f"out.{suffix}", "--exposure", "0.05")
    after = read_labels(Path(f"out.{suffix}").read_bytes(), "out")
    assert after.problems == ()
    assert (after.aigc, after.source_type, after.visible) == (before.aigc, before.source_type, before.visible)
    assert after.mark is not None and before.mark is not None and after.mark.payload == before.mark.payload
    assert certificate(f"out.{suffix}")["origin"]["lost"] == []
    assert "labels kept: visible, aigc, iptc, mark" in told


@needs_font
def test_the_place_of_a_visible_label_moves_with_the_picture() -> None:
    labelled("made.png")
    edit("made.png", "out.png", "--crop", "0,100,512,412")
    assert "visible" in certificate("out.png")["origin"]["kept"]
    assert read_labels(Path("out.png").read_bytes(), "out.png").problems == ()


@needs_font
def test_what_is_lost_is_said_and_set_again() -> None:
    first = read_labels(labelled("made.png"), "made.png")
    told = edit("made.png", "out.png", "--crop", "130,130,250,250")
    stated = certificate("out.png")["origin"]
    assert (stated["kept"], stated["lost"]) == (["aigc", "iptc"], ["visible", "mark"])
    assert "lost: visible, mark; packshot label sets them again" in told
    done = packshot("label", "out.png", "--channel", "taobao-main", "--out", "again")
    assert done.returncode == 0, done.stderr
    again = read_labels(Path("again/out.png").read_bytes(), "out.png")
    assert again.visible and again.aigc == first.aigc and again.problems == ()
    assert first.mark is not None and again.mark is not None
    assert again.mark.payload == first.mark.payload  # of the ProduceID that the picture had already


def test_credentials_that_an_edit_cannot_keep_are_said_and_become_a_parents() -> None:
    signer, root = signer_and_root()
    data = credentials.sign(write("made.png"), signer, origin.of_kind("generated"), title="made.png")
    Path("made.png").write_bytes(data)
    edit("made.png", "out.png", "--exposure", "0.1")
    assert certificate("out.png")["origin"]["lost"] == ["c2pa"]
    for name, text in {"chain.pem": signer.chain, "key.pem": signer.key}.items():
        Path(name).write_text(text, "ascii")
    words = ["--channel", "shopify", "--producer", "店", "--kind", "generated", "--out", "again"]
    keys = ["--cert", "chain.pem", "--key", "key.pem", "--original", "made.png"]
    done = packshot("label", "out.png", *words, *keys)
    assert done.returncode == 0, done.stderr
    found = read_labels(Path("again/out.png").read_bytes(), "out.png", anchors=root).credentials
    assert found is not None and (found.state, found.manifests) == ("Trusted", 2)


def test_a_mark_alone_tells() -> None:
    data = labelled("made.png", "shopify")
    with Image.open(io.BytesIO(data)) as image:
        bare = np.array(image)
    write("bare.png", bare)
    edit("bare.png", "out.png", "--exposure", "0.05")
    stated = certificate("out.png")["origin"]
    assert (stated["kind"], stated["why"], stated["kept"]) == ("generated", "its mark", ["mark"])
    assert read_labels(Path("out.png").read_bytes(), "out.png").source_type == origin.GENERATED


def test_a_cameras_source_type_becomes_that_of_an_edited_photo() -> None:
    data = write("photo.jpg")
    packet = xmp.with_properties(None, {xmp.SOURCE_TYPE: origin.TERMS + "digitalCapture"}, "photo.jpg")
    Path("photo.jpg").write_bytes(xmp.write_packet(data, packet, "photo.jpg"))
    edit("photo.jpg", "out.png", "--exposure", "0.1")
    assert read_labels(Path("out.png").read_bytes(), "out.png").source_type == origin.ENHANCED


def test_others_words_on_the_model_go_on_and_nothing_else() -> None:
    values = {
        xmp.SOURCE_TYPE: origin.TERMS + origin.GENERATED,
        (xmp.IPTC_EXT, "AISystemUsed"): "another",
        ("http://ns.adobe.com/exif/1.0/", "GPSLatitude"): "31,14N",
    }
    data = write("made.png")
    Path("made.png").write_bytes(xmp.write_packet(data, xmp.with_properties(None, values, "made.png"), "made.png"))
    edit("made.png", "out.png", "--exposure", "0.1")
    found = xmp.properties(xmp.read_packet(Path("out.png").read_bytes(), "out.png"), "out.png")
    assert sorted(key[1] for key in found) == ["AISystemUsed", "DigitalSourceType"]


def test_a_label_in_a_tiff_is_read_and_damaged_metadata_stops_nothing() -> None:
    packet = xmp.with_properties(None, {xmp.SOURCE_TYPE: origin.TERMS + origin.GENERATED}, "made.tiff")
    Image.fromarray(product_picture(64)).save("made.tiff", tiffinfo={700: packet.encode()})
    edit("made.tiff", "out.png", "--exposure", "0.1")
    assert certificate("out.png")["origin"]["kept"] == ["iptc"]
    data = write("bad.png", product_picture(64))
    Path("bad.png").write_bytes(xmp.write_packet(data, "<x", "bad.png"))
    assert "its metadata is damaged" in edit("bad.png", "out2.png", "--exposure", "0.1")


@pytest.mark.parametrize("where", ["text", "comment", "comment of its own"])
def test_an_aigc_label_outside_of_xmp_is_read_and_goes_on(where: str) -> None:
    row = {"Label": "1", "ContentProducer": "别人", "ProduceID": "7"}
    exif, info = Image.Exif(), PngInfo()
    if where == "text":
        info.add_text("AIGC", json.dumps(row))
    else:
        text = json.dumps(row if where == "comment of its own" else {"AIGC": row}, ensure_ascii=False)
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + text.encode("utf-16-be")
    Image.fromarray(product_picture(64)).save("made.png", pnginfo=info, exif=exif.tobytes())
    assert read_labels(Path("made.png").read_bytes(), "made.png").aigc is not None
    edit("made.png", "out.jpg", "--exposure", "0.1")
    found = read_labels(Path("out.jpg").read_bytes(), "out.jpg")
    assert found.aigc is not None and (found.aigc.producer, found.aigc.produce_id) == ("别人", "7")
    assert found.source_type == origin.GENERATED


def test_a_background_with_another_programs_label_counts_as_made() -> None:
    data = write("made.png")
    packet = xmp.with_properties(None, {xmp.SOURCE_TYPE: origin.TERMS + origin.GENERATED}, "made.png")
    Path("made.png").write_bytes(xmp.write_packet(data, packet, "made.png"))
    found = origin.of_certificate({"steps": [{"op": "background", "arguments": {"to": "made.png"}}]})
    assert found is not None and found.source_type == origin.COMPOSITE


def test_a_stripped_origin_is_found(here: Path) -> None:
    write("made.png", recipe=RECIPE)
    edit("made.png", "out.png", "--exposure", "0.1")
    document = certificate("out.png")
    document["origin"] = None
    Path("out.png.certificate.json").write_text(json.dumps(document), "utf-8")
    done = packshot("verify", "out.png", "--original", "made.png")
    assert done.returncode == 1 and "origin: the certificate says null" in done.stdout


def test_nothing_is_said_by_a_plain_picture() -> None:
    pixels = product_picture(64)
    said = said_by(write("p.png", pixels), pixels, "p.png")
    assert (said.origin, said.labels, dict(said.properties)) == (None, (), {})
