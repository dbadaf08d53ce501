"""Two servers that share a database and a bucket and nothing else: each answers for all, and goes on for the other."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("cv2")
pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

import boto3
import postgresql
from listing_pictures import jpeg, product
from s3_server import environment, s3_server
from server_calls import ended
from servers import RunningServer, serving
from shop_catalogues import catalogue

from packshot.generation.parallel import cores
from packshot.packs import open_pack

pytestmark = pytest.mark.slow
PICTURES = 6 * cores()
"""More than are made before the first of them are seen, two seconds later, and their server is killed."""

LONG_SECONDS = 200.0
"""For machines that have much else to do."""


@dataclass
class Shop:
    """Two servers, and their bucket as others see it."""

    one: RunningServer
    other: RunningServer
    client: Any

    def objects(self, folder: str) -> list[str]:
        """Names in a folder of the bucket."""
        listed = self.client.list_objects_v2(Bucket="bucket", Prefix=f"shop/{folder}").get("Contents", [])
        return [row["Key"].removeprefix(f"shop/{folder}") for row in listed]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with ExitStack() as stack:
        database = stack.enter_context(postgresql.running())
        store = stack.enter_context(s3_server(folder / "s3.log"))
        variables = environment(store)
        client = boto3.client(
            "s3", endpoint_url=store, region_name="us-east-1",
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"], aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        stack.callback(client.close)
        client.create_bucket(Bucket="bucket")
        options = ["--backend", "fake", "--workers", "1", "--assets", "s3://bucket/shop"]
        options += ["--database", f"postgresql://{postgresql.USER}@{database}/postgres"]

        def start(name: str) -> RunningServer:
            return stack.enter_context(serving(folder / name, *options, environment=variables))

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(start, ("one", "other"))
        yield Shop(one, other, client)


def asked(server: RunningServer, count: int) -> dict[str, Any]:
    """A new listing of so many products."""
    buffer = io.BytesIO()
    photo = jpeg(product(900, 0.6))
    with zipfile.ZipFile(buffer, "w") as made:
        for number in range(count):
            made.writestr(f"B{number}.jpg", photo)
    rows = "".join(f"B{number},brown bag {number}\n" for number in range(count))
    files = [("table", ("shop.csv", f"sku,title\n{rows},no sku\n".encode()))]
    files += [("photos", ("p.zip", buffer.getvalue())), ("channels", (None, "amazon-main"))]  # type: ignore[list-item]
    answer = server.http.post("/v1/listings", files=files)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def test_a_training_goes_on_elsewhere_and_its_pack_is_everywhere(shop: Shop) -> None:
    pytest.importorskip("torch")
    wish = {"name": "our-shop", "recipe": "trial", "minutes": "30", "overrides": '{"loop.batch": 4}'}
    with shop.other.halted():  # the one begins it
        job = shop.one.http.post("/v1/trainings", data=wish, files={"catalogue": ("c.zip", catalogue())}).json()
        url, files = f"/v1/trainings/{job['id']}", f"trainings/{job['request']['folder']}/"
        _until(lambda: _read(shop.one, url)["step"])
    shop.other.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert ended(shop.other, job, LONG_SECONDS)["status"] == "cancelled"
    stopped = shop.other.http.get(url).json()
    assert stopped["resumable"] and stopped["step"] > 0 and stopped["prepared"]["rows"] == 12
    assert not (shop.one.home / "work" / job["request"]["folder"]).exists()
    with shop.one.halted():  # the other goes on
        again = shop.one.http.post(f"{url}/resume", json={"minutes": stopped["spent_minutes"] + 0.02}).json()
        again = ended(shop.one, again, LONG_SECONDS)
    assert again["status"] == "done" and again["result"]["step"] > stopped["step"], again
    steps = [point["step"] for point in shop.one.http.get(f"{url}/curve").json()["points"] if "loss" in point]
    assert steps == sorted(steps) and steps[-1] == again["result"]["step"]
    sheets = shop.one.http.get(f"{url}/sheets").json()["sheets"]
    assert shop.one.http.get(sheets[-1]["url"]).content.startswith(b"\x89PNG")
    drawn = shop.one.http.post("/v1/generations", json={"prompt": "red watch", "count": 1, "pack": "our-shop"})
    assert drawn.status_code == 202, drawn.text  # by then at the latest it is there
    here, there = (open_pack(server.home / "packs" / "our-shop") for server in (shop.one, shop.other))
    assert ended(shop.one, drawn.json(), LONG_SECONDS)["status"] == "done"
    assert here.sha256 == there.sha256 and all(here.read(name) for name in here.manifest["files"])
    _until(lambda: "our-shop" in {pack["name"] for pack in shop.one.http.get("/v1/packs").json()["packs"]})
    assert shop.one.http.delete(url).status_code == 204 and shop.objects(files) == []
    assert shop.other.http.get(url).status_code == 404


def _read(server: RunningServer, url: str) -> dict[str, Any]:
    answer = server.http.get(url)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def _until(true: Callable[[], object], seconds: float = LONG_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_listing_outlives_its_server_and_is_anybodys(shop: Shop) -> None:
    with shop.other.halted():  # the one begins it
        job = asked(shop.one, PICTURES)
        _until(lambda: shop.one.http.get(f"/v1/jobs/{job['id']}").json()["status"] != "queued")
    url, files = f"/v1/listings/{job['id']}", f"listings/{job['request']['folder']}/"
    _until(lambda: _read(shop.other, url)["made"] >= 2)
    assert _read(shop.other, url)["made"] < PICTURES
    before = shop.other.http.get(f"{url}/pictures").json()["pictures"]
    first = before[0]
    assert shop.other.http.post(f"{url}/rejections", json={"keys": [first["key"]]}).json() == {"rejected": 1}
    assert shop.one.http.get(f"{url}/pictures").json()["pictures"][0]["rejected"] is True
    shop.one.kill()
    job = ended(shop.other, job, LONG_SECONDS)
    assert job["status"] == "done" and job["attempt"] == 2, job
    assert job["result"]["there"] >= len(before) and job["result"]["there"] + job["result"]["made"] == PICTURES
    after = shop.other.http.get(f"{url}/pictures").json()
    assert after["total"] == len({row["sku"] for row in after["pictures"]}) == PICTURES  # each once
    assert [row["key"] for row in after["pictures"][: len(before)]] == [row["key"] for row in before]
    there = {name.removeprefix("out/") for name in shop.objects(files) if name.startswith("out/B")}
    assert there == {name for row in after["pictures"] for name in (row["name"], row["certificate"]) if name}
    _answers(shop.other, url, first, after["pictures"][1:])
    for server in (shop.one, shop.other):
        assert not [
            *server.home.glob("listings/*"),
            *server.home.glob("work/incoming*"),
            *server.home.glob("work/*/out"),
        ]
    assert shop.other.http.delete(url).status_code == 204 and shop.objects(files) == []
    assert shop.other.http.get(url).status_code == 404


def _answers(server: RunningServer, url: str, rejected: dict[str, Any], others: list[dict[str, Any]]) -> None:
    """A server that made only part of a listing has all of it."""
    listing = server.http.get(url)
    assert listing.json()["rejected"] == 1 and any("CSV" in line for line in listing.json()["lines"])
    failures = server.http.get(f"{url}/failures")
    assert "no SKU" in failures.text and failures.json()["total"] == 1
    assert not [place for place in ("s3://", str(server.home)) if place in listing.text + failures.text]
    answer = server.http.get(rejected["url"])
    assert hashlib.sha256(answer.content).hexdigest() == rejected["sha256"]
    assert answer.headers["content-type"] == "image/jpeg"
    assert server.http.get(rejected["certificate_url"]).json()["edited"]["sha256"]
    with zipfile.ZipFile(io.BytesIO(server.http.get(f"{url}/archive").content)) as archive:
        assert archive.testzip() is None and rejected["name"] not in archive.namelist()
        assert {row["name"] for row in others} <= {*archive.namelist()}
        manifest = [json.loads(line) for line in archive.read("manifest.jsonl").splitlines()]
    assert [row["key"] for row in manifest] == [row["key"] for row in others]
