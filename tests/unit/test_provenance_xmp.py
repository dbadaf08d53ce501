"""XMP in files: put in without touching anything else, read back, and nothing of others' lost."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from provenance_fakes import product_picture

from packshot.errors import InputError, OutputError, RequestError
from packshot.images import read_recipe, save_picture
from packshot.provenance import xmp
from packshot.provenance.aigc import IS, Aigc

KEY = (xmp.TC260, "AIGC")
VALUE = '{"Label":"1","ContentProducer":"店 & <co>"}'
FORMATS = ("png", "jpg", "webp")


@pytest.fixture(params=FORMATS)
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"picture.{request.param}"
    save_picture(product_picture(64), path, recipe={"request": {"prompt": "鞋"}})
    return path


def pixels_of(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def with_value(data: bytes, value: str = VALUE) -> bytes:
    return xmp.write_packet(data, xmp.with_properties(xmp.read_packet(data, "t"), {KEY: value}, "t"), "t")


def test_a_property_is_read_back_and_pixels_and_recipe_stay(picture: Path) -> None:
    data = picture.read_bytes()
    out = with_value(data)
    picture.write_bytes(out)
    assert xmp.properties(xmp.read_packet(out, "t"), "t") == {KEY: VALUE}
    np.testing.assert_array_equal(pixels_of(out), pixels_of(data))
    assert read_recipe(picture) == {"request": {"prompt": "鞋"}}


def test_writing_twice_replaces_and_keeps_one_packet(picture: Path) -> None:
    once = with_value(picture.read_bytes())
    twice = with_value(with_value(picture.read_bytes(), "other"))
    assert twice == once
    assert twice.count(b"W5M0MpCehiHzreSzNTczkc9d") == 1


def test_others_properties_stay_written_either_way() -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:a="urn:a" a:first="1" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'
        ' TC260:AIGC="old"><a:second>2</a:second></rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    found = xmp.properties(xmp.with_properties(packet, {KEY: "new"}, "t"), "t")
    assert found == {("urn:a", "first"): "1", ("urn:a", "second"): "2", KEY: "new"}


def test_pillow_finds_the_packet(picture: Path) -> None:
    with Image.open(io.BytesIO(with_value(picture.read_bytes()))) as image:
        image.load()
        raw = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    assert "AIGC" in (raw.decode() if isinstance(raw, bytes) else str(raw))


def test_transparent_webp_stays_transparent(tmp_path: Path) -> None:
    path = tmp_path / "t.webp"
    save_picture(np.dstack([product_picture(64), np.full((64, 64), 90, np.uint8)]), path)
    with Image.open(io.BytesIO(with_value(path.read_bytes()))) as image:
        assert np.array(image.convert("RGBA"))[0, 0, 3] == 90


def test_compressed_png_packets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    save_picture(product_picture(64), path)
    packet = xmp.with_properties(None, {KEY: VALUE}, "t").encode()
    body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)
    chunk = len(body).to_bytes(4, "big") + b"iTXt" + body + zlib.crc32(b"iTXt" + body).to_bytes(4, "big")
    data = path.read_bytes()
    assert xmp.properties(xmp.read_packet(data[:33] + chunk + data[33:], "t"), "t")[KEY] == VALUE


@pytest.mark.parametrize("packet", ["<x", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'], ids=["damaged", "document type"])
def test_bad_packets_are_one_line(packet: str) -> None:
    with pytest.raises(InputError, match="XMP"):
        xmp.properties(packet, "t.png")


def test_cut_off_files_and_other_kinds_are_one_line(picture: Path) -> None:
    data = picture.read_bytes()
    for bad in (data[:24], b"GIF89a" + bytes(40), b""):
        with pytest.raises(InputError, match="accepted"):
            xmp.write_packet(bad, "<x/>", "t")


def test_a_packet_too_long_for_jpeg_is_refused(tmp_path: Path) -> None:
    save_picture(product_picture(64), tmp_path / "p.jpg")
    with pytest.raises(OutputError, match="JPEG"):
        with_value((tmp_path / "p.jpg").read_bytes(), "x" * 70_000)


def test_exiftool_reads_both_labels(picture: Path) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool (Debian: apt-get install libimage-exiftool-perl)")
    term = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    values = {KEY: VALUE, (xmp.IPTC_EXT, "DigitalSourceType"): term}
    packet = xmp.with_properties(None, values, "t")
    picture.write_bytes(xmp.write_packet(picture.read_bytes(), packet, "t"))
    run = subprocess.run(["exiftool", "-j", "-XMP:all", picture], capture_output=True, check=True)
    read = {key.casefold(): value for key, value in json.loads(run.stdout)[0].items()}
    assert read["digitalsourcetype"].replace(" ", "").casefold().endswith("trainedalgorithmicmedia")
    assert read["aigc"] in (VALUE, json.loads(VALUE))


def test_aigc_has_the_standards_keys_in_order_and_comes_back() -> None:
    label = Aigc(IS, "店", "7", "a", "平台", "8", "b")
    keys = ["Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID"]
    assert list(json.loads(label.as_json())) == [*keys, "ReservedCode2"]
    assert Aigc.from_json(label.as_json(), "t") == label


@pytest.mark.parametrize("text", ["", "[]", '{"Label":"9"}', '{"Label":"1"}'])
def test_aigc_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="AIGC"):
        Aigc.from_json(text, "t")


def test_aigc_that_says_made_names_its_maker() -> None:
    with pytest.raises(RequestError, match="ContentProducer"):
        Aigc(IS, " ", "7")
