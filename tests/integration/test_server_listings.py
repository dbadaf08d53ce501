"""Listings by the API, whole: a table and photos in, marketplace-ready pictures out."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from typing import Any

import pytest

pytest.importorskip("cv2")

from listing_pictures import jpeg, product
from server_calls import ended
from servers import RunningServer

CHANNELS = [("channels", (None, "amazon-main"))]


def table(*rows: str) -> tuple[str, tuple[str, bytes]]:
    return "table", ("shop.csv", ("sku,title\n" + "\n".join(rows) + "\n").encode())


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, data in files.items():
            made.writestr(name.replace("__", "/") + ".jpg", data)
    return buffer.getvalue()


def asked(api: RunningServer, *parts: tuple[str, Any], **headers: str) -> Any:
    return api.http.post("/v1/listings", files=[*parts], headers=headers)


@pytest.fixture(scope="module")
def done(api: RunningServer) -> dict[str, Any]:
    photos = zipped(shop__B1=jpeg(product(900, 0.7)), B2=jpeg(product(900, 0.6)))
    answer = asked(api, table("B1,brown bag", "B2,brown bag", ",no sku"), ("photos", ("p.zip", photos)), *CHANNELS)
    assert answer.status_code == 202, answer.text
    return ended(api, answer.json())


@pytest.mark.slow
def test_a_catalogue_becomes_pictures(api: RunningServer, done: dict[str, Any]) -> None:
    assert done["status"] == "done", done
    assert done["result"]["made"] == done["result"]["total"] == 2 and done["result"]["lost"] >= 1
    listing = api.http.get(f"/v1/listings/{done['id']}").json()
    assert listing["made"] == listing["planned"] == done["result"]["total"]
    assert any("CSV" in line for line in listing["lines"]) and str(api.home) not in json.dumps(listing)
    page = api.http.get(f"/v1/listings/{done['id']}/pictures", params={"limit": 1, "sku": "B1"}).json()
    (picture,) = page["pictures"]
    assert picture["sku"] == "B1" and picture["passed"] and page["total"] < listing["made"]
    answer = api.http.get(picture["url"])
    assert answer.status_code == 200 and hashlib.sha256(answer.content).hexdigest() == picture["sha256"]
    assert api.http.get(picture["certificate_url"]).json()["edited"]["sha256"]
    failures = api.http.get(f"/v1/listings/{done['id']}/failures").json()
    assert failures["total"] == listing["failed"] + listing["lost"] and "no SKU" in json.dumps(failures)


@pytest.mark.slow
def test_what_is_rejected_stays_out_of_the_archive(api: RunningServer, done: dict[str, Any]) -> None:
    url = f"/v1/listings/{done['id']}"
    pictures = api.http.get(f"{url}/pictures").json()["pictures"]
    first, others = pictures[0], pictures[1:]
    assert api.http.post(f"{url}/rejections", json={"keys": [first["key"]]}).json() == {"rejected": 1}
    with zipfile.ZipFile(io.BytesIO(api.http.get(f"{url}/archive").content)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert first["name"] not in names and {row["name"] for row in others} <= names
        manifest = [json.loads(line) for line in archive.read("manifest.jsonl").splitlines()]
        assert [row["key"] for row in manifest] == [row["key"] for row in others]
        assert {row["certificate"] for row in others if row["certificate"]} <= names
    assert api.http.get(f"{url}/pictures").json()["pictures"][0]["rejected"] is True
    back = api.http.post(f"{url}/rejections", json={"keys": [first["key"]], "rejected": False})
    assert back.json() == {"rejected": 0}
    assert api.http.post(f"{url}/rejections", json={"keys": ["0" * 64]}).status_code == 404


@pytest.mark.slow
def test_a_cancelled_listing_is_gone_on_with_in_its_folder(api: RunningServer) -> None:
    photos = zipped(**{f"B{n}": jpeg(product(1100, 0.6)) for n in range(8)})
    rows = [f"B{n},brown bag {n}" for n in range(8)]
    job = asked(api, table(*rows), ("photos", ("p.zip", photos)), *CHANNELS).json()
    until = time.monotonic() + 60
    made = 0
    while not made and time.monotonic() < until:
        made = api.http.get(f"/v1/listings/{job['id']}").json()["made"]
        time.sleep(0.02)
    assert api.http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
    job = ended(api, job, 20)
    assert job["status"] == "cancelled"
    before = api.http.get(f"/v1/listings/{job['id']}/pictures").json()
    assert before["total"] >= 1
    again = api.http.post(f"/v1/jobs/{job['id']}/retry").json()
    again = ended(api, again)
    assert again["status"] == "done" and again["result"]["there"] >= before["total"], again
    after = api.http.get(f"/v1/listings/{again['id']}/pictures").json()
    assert after["total"] == again["result"]["total"]
    assert [row["key"] for row in after["pictures"][: before["total"]]] == [row["key"] for row in before["pictures"]]
    assert api.http.delete(f"/v1/listings/{again['id']}").status_code == 204
    assert api.http.get(f"/v1/listings/{again['id']}").status_code == 404


@pytest.mark.slow
def test_what_the_command_refuses_fails_the_job_in_one_line(api: RunningServer) -> None:
    job = asked(api, ("table", ("t.csv", b"one,two\n1,2\n")), ("words_only", (None, "true")), *CHANNELS).json()
    job = ended(api, job)
    assert job["status"] == "failed" and job["error"]["code"] == "refused"
    assert "sku" in job["error"]["detail"] and str(api.home) not in json.dumps(job)


def test_what_cant_be_a_listing_is_refused_and_leaves_nothing(api: RunningServer) -> None:
    before = {*(api.home / "listings").glob("*")}
    good = table("B1,brown bag")
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as made:
        made.writestr("../../B1.jpg", b"1")
    picture = jpeg(product(200, 0.6))
    for parts, status, said in (
        ([*CHANNELS], 422, "table"),
        ([good], 422, "channels"),
        ([good, ("channels", (None, "amazn-main"))], 422, "amazon-main"),
        ([("table", ("t.exe", b"MZ")), *CHANNELS], 415, ".csv"),
        ([("table", ("t.xlsx", b"PK\3\4 no")), *CHANNELS], 415, "damaged"),
        ([good, ("photos", ("p.zip", evil.getvalue())), *CHANNELS], 415, "../../B1.jpg"),
        ([good, ("photos", ("a.jpg", picture)), ("photos", ("a.jpg", picture)), *CHANNELS], 415, "two files"),
        ([good, ("photos", ("a.exe", b"MZ")), *CHANNELS], 415, "pictures"),
        ([good, ("photos", ("a.jpg", picture)), ("words_only", (None, "true")), *CHANNELS], 422, "words_only"),
        ([good, ("template", (None, "../{sku}.{ext}")), *CHANNELS], 422, "template"),
        ([good, ("pack", (None, "/etc")), *CHANNELS], 422, "pack"),
        ([good, ("out", (None, "/tmp/x")), *CHANNELS], 422, "out"),
    ):  # fmt: skip
        answer = asked(api, *parts)
        assert (answer.status_code, said in answer.text) == (status, True), (parts, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert {*(api.home / "listings").glob("*")} == before and not [*(api.home / "work").glob("incoming-*")]
    assert api.http.post("/v1/listings", json={}).status_code == 415


def test_the_same_upload_with_the_same_key_is_one_listing(api: RunningServer) -> None:
    parts = [table("W1,red shoe"), ("words_only", (None, "true")), *CHANNELS]
    first = asked(api, *parts, **{"Idempotency-Key": "one"})
    second = asked(api, *parts, **{"Idempotency-Key": "one"})
    assert first.json()["id"] == second.json()["id"] and second.headers["Idempotency-Replayed"] == "true"
    other = asked(api, table("W2,red shoe"), *parts[1:], **{"Idempotency-Key": "one"})
    assert other.status_code == 422 and other.json()["code"] == "idempotency_key_reused"
    assert len([*(api.home / "listings").glob(first.json()["request"]["folder"])]) == 1
    api.http.post(f"/v1/jobs/{first.json()['id']}/cancel")
