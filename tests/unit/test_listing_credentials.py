"""Listing runs that sign: every labelled picture, by workers that read the key themselves, with what stays equal."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import packshot
from PIL import Image
from provenance_fakes import signer_and_root

pytest.importorskip("cv2")

from listing_pictures import jpeg, product

from packshot.editing.certificate import verify as disagreements
from packshot.errors import PackshotError
from packshot.listing.making import RefusedError, make
from packshot.listing.preparing import Wanted, prepare
from packshot.listing.run import _make_one
from packshot.listing.store import LocalStore
from packshot.provenance import credentials, origin
from packshot.provenance.credentials import Signer
from packshot.provenance.reading import read_labels


@pytest.fixture(scope="module")
def shop() -> tuple[Signer, str]:
    return signer_and_root()


@pytest.fixture
def files(shop: tuple[Signer, str], tmp_path: Path) -> Path:
    """The folder of a shop: photos, table, sets, certificate and key."""
    (tmp_path / "photos").mkdir()
    for sku, share in (("A1", 0.7), ("A2", 0.9)):
        (tmp_path / "photos" / f"{sku}.jpg").write_bytes(jpeg(product(1000, share)))
    (tmp_path / "shop.csv").write_text("sku,title\nA1,brown bag\nA2,brown bag\n", encoding="utf-8")
    (tmp_path / "sets.toml").write_text("[amazon-main]\nmain = 1\n[shopify]\nmain = 1\nscene = 1\n", encoding="utf-8")
    written(tmp_path, shop[0], shop[1])
    return tmp_path


def written(folder: Path, signer: Signer, root: str) -> None:
    for name, text in {"chain.pem": signer.chain, "key.pem": signer.key, "root.pem": root}.items():
        (folder / name).write_text(text, encoding="ascii")


def wanted(files: Path, channels: str = "amazon-main", *, signs: bool = True) -> Wanted:
    plain = Wanted(str(files / "shop.csv"), tuple(channels.split(",")), str(files / "out"), str(files / "photos"),
                   sets=files / "sets.toml", producer="Test shop")  # fmt: skip
    return replace(plain, cert=files / "chain.pem", key=files / "key.pem") if signs else plain


def keys(asked: Wanted) -> list[str]:
    return [picture.key for picture in prepare(asked)[0].planned]


def without_credentials(data: bytes) -> bytes:
    """A JPEG without its APP11 segments, where C2PA keeps its boxes."""
    out, at = data[:2], 2
    while data[at + 1] != 0xDA:
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        out += b"" if data[at + 1] == 0xEB else data[at : at + 2 + length]
        at += 2 + length
    return out + data[at:]


@pytest.mark.slow
def test_a_run_signs_and_its_key_stays_where_it_is(files: Path, shop: tuple[Signer, str]) -> None:
    options = ["--photos", files / "photos", "--channels", "amazon-main,shopify", "--sets", files / "sets.toml"]
    command = ["listing", files / "shop.csv", *options, "--out", files / "out", "--workers", 1, "--json"]
    command += ["--cert", files / "chain.pem", "--key", files / "key.pem"]
    done = packshot(*command)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (files / "out" / "manifest.jsonl").read_text("utf-8").splitlines()]
    signed = [row for row in rows if row["labels"]["labels"]]
    assert len(rows) == 6 and {row["role"] for row in signed} == {"main", "scene"}
    for row in signed:
        name, path = row["name"], files / "out" / row["name"]
        (label,) = [label for label in row["labels"]["labels"] if label["label"] == "c2pa"]
        assert label["outcome"] == "signed" and label["certificate_sha256"] == shop[0].fingerprints[0]
        assert hashlib.sha256(without_credentials(path.read_bytes())).hexdigest() == label["sha256_unsigned"]
        found = read_labels(path.read_bytes(), name, anchors=shop[1])
        assert found.problems == () and found.credentials is not None and found.credentials.state == "Trusted"
        told = packshot(
            "verify", path, "--trust", files / "root.pem", "--original", files / "photos" / f"{row['sku']}.jpg"
        )
        assert told.returncode == 0 and "Trusted, signed by Test shop" in told.stdout, told.stdout
        if shutil.which("exiftool"):
            read = subprocess.run(["exiftool", "-G1", path], capture_output=True, check=True).stdout.decode()
            assert "c2pa.actions" in read and origin.TERMS in read
    secret = "".join(shop[0].key.splitlines()[1:-1])
    for path in [path for path in (files / "out").rglob("*") if path.is_file()]:
        assert secret[:40].encode() not in path.read_bytes(), path
    assert secret[:40] not in done.stdout + done.stderr
    again = json.loads(packshot(*command).stdout)
    assert (again["there"], again["todo"]) == (6, 0)


def test_workers_get_the_place_of_the_key_alone(files: Path, shop: tuple[Signer, str]) -> None:
    setting = prepare(wanted(files))[0].setting
    secret = shop[0].key.splitlines()[1].encode()
    assert secret not in pickle.dumps(setting) and shop[0].key.splitlines()[1] not in repr(setting)
    assert setting.signing is not None and setting.signing.key.is_absolute()


def test_another_certificate_makes_pictures_anew_and_another_place_does_not(files: Path) -> None:
    first, plain = keys(wanted(files)), keys(wanted(files, signs=False))
    moved = replace(wanted(files), key=(files / "key.pem").rename(files / "moved.pem"))
    assert keys(moved) == first
    written(files, *signer_and_root())
    assert not set(first) & set(keys(wanted(files))) and not set(first) & set(plain)


def test_signed_twice_is_equal_but_for_the_credentials(files: Path) -> None:
    job = prepare(wanted(files, "amazon-main,shopify"))[0]
    for picture in (job.planned[0], job.planned[2]):  # repaired, and in a scene
        first, second = make(picture, job.setting), make(picture, job.setting)
        assert first.data != second.data and without_credentials(first.data) == without_credentials(second.data)
        plain = make(picture, replace(job.setting, signing=None))
        assert plain.data == without_credentials(first.data)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [("key of another", "cannot be signed"), ("ended", "cannot be signed"), ("no key", "only one of"),
     ("no file", "no.pem"), ("damaged", "damaged CERTIFICATE"), ("algorithm", "cannot be signed")],
)  # fmt: skip
def test_what_cannot_sign_is_said_before_anything_is_made(files: Path, mistake: str, message: str) -> None:
    asked = wanted(files)
    if mistake == "key of another":
        (files / "key.pem").write_text(signer_and_root()[0].key, encoding="ascii")
    elif mistake == "ended":
        written(files, *signer_and_root(ended=True))
    elif mistake == "damaged":
        (files / "chain.pem").write_text("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", "ascii")
    elif mistake == "algorithm":
        asked = replace(asked, algorithm="es384")
    else:
        asked = replace(asked, key=None if mistake == "no key" else files / "no.pem")
    with pytest.raises(PackshotError, match=message):
        prepare(asked)


def test_a_key_that_goes_away_stops_the_run(files: Path) -> None:
    job = prepare(wanted(files))[0]
    (files / "key.pem").unlink()
    answer = _make_one(LocalStore(files), job.setting, job.planned[0])
    assert answer.stop is not None and "key.pem" in answer.stop[0]
    written(files, *signer_and_root())
    answer = _make_one(LocalStore(files), job.setting, job.planned[0])
    assert answer.stop is not None and "another certificate" in answer.stop[1]


def test_a_photo_with_credentials_is_refused_or_becomes_an_ingredient(files: Path, shop: tuple[Signer, str]) -> None:
    path = files / "photos" / "A1.jpg"
    path.write_bytes(credentials.sign(path.read_bytes(), shop[0], origin.of_kind("edited"), title="a camera"))
    plain = prepare(wanted(files, "amazon-main,shopify", signs=False))[0]
    for picture in (plain.planned[0], plain.planned[2]):
        with pytest.raises(RefusedError, match="C2PA"):
            make(picture, plain.setting)
    job = prepare(wanted(files, "amazon-main,shopify"))[0]
    made = make(job.planned[0], job.setting)
    found = credentials.verify(made.data, where="made", anchors=shop[1])
    assert found is not None and (found.state, found.manifests) == ("Trusted", 2)
    assert made.certificate is not None and made.certificate["origin"]["kept"] == ["c2pa"]


def test_what_credentials_say_of_a_model_is_believed(files: Path, shop: tuple[Signer, str]) -> None:
    path = files / "photos" / "A1.jpg"
    path.write_bytes(credentials.sign(path.read_bytes(), shop[0], origin.of_kind("generated"), title="drawn"))
    job = prepare(wanted(files, "amazon-main,shopify"))[0]
    with pytest.raises(RefusedError, match="generated"):  # the channel takes no wholly generated picture
        make(job.planned[0], job.setting)
    assert make(job.planned[1], job.setting).labels["origin"]["kind"] == "generated"


def test_labels_fit_where_the_picture_alone_filled_the_limit(files: Path) -> None:
    own = '[channels.amazon-main.rules]\nfile-size = {{ max_kb = {}, source = "packshot" }}\n'
    asked = replace(wanted(files), rules=files / "rules.toml")
    (files / "rules.toml").write_text(own.format(4000), encoding="utf-8")
    job = prepare(asked)[0]
    free = make(job.planned[0], job.setting)
    limit = (len(free.data) - 1000) / 1024  # the unsigned picture fits, and with its credentials it does not
    (files / "rules.toml").write_text(own.format(round(limit, 3)), encoding="utf-8")
    job = prepare(asked)[0]
    made = make(job.planned[0], job.setting)
    assert len(made.data) <= limit * 1024 and credentials.are_in(made.data, "made")
    assert "saved as JPEG 95" in free.done and "saved as JPEG 95" not in made.done


def test_certificates_speak_of_the_labelled_file(files: Path) -> None:
    job = prepare(wanted(files, "taobao-main", signs=False))[0]
    drawn = 0
    for number, picture in enumerate(job.planned[:2]):
        made, name = make(picture, job.setting), files / f"{number}.jpg"
        if made.certificate is None or picture.photo is None:
            continue
        name.write_bytes(made.data)
        assert disagreements(name, picture.photo.path, made.certificate) == []
        outcomes = {row["label"]: row["outcome"] for row in made.labels["labels"]}
        drawn += outcomes["visible"] == "drawn"
        assert Image.open(io.BytesIO(made.data)).format == "JPEG"
    assert drawn
