"""The Python client against the real server."""

from __future__ import annotations

import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("cv2")

from listing_pictures import jpeg, product, saved
from PIL import Image
from servers import RunningServer

from packshot.client import Client, ClientError, JobFailedError, ServerError, check_signature
from packshot.server.hooks import signature

SIDE = 256


@pytest.fixture(scope="module")
def shop(api: RunningServer) -> Iterator[Client]:
    with Client(api.url) as client:
        yield client


def test_pictures_are_drawn_and_saved(shop: Client, tmp_path: Path) -> None:
    job = shop.generate("红色运动鞋", count=2, seed=3, size=64, format="webp")
    assert job.status == "done" and job.kind == "generation"
    first, second = job.assets
    assert (first.width, first.media_type, first.kind) == (64, "image/webp", "generated")
    path = first.save(tmp_path)
    assert path.parent == tmp_path and path.read_bytes() == first.content() != second.content()
    found = shop.assets("运动鞋", limit=1)
    assert found.items[0].id == second.id and shop.assets("运动鞋", limit=1, before=found.next or "").items[0] == first
    shop.delete(second)
    with pytest.raises(ServerError) as gone:
        shop.asset(second.id)
    assert (gone.value.status, gone.value.code) == (404, "not_found")


def test_photos_are_edited_checked_and_verified(shop: Client, tmp_path: Path) -> None:
    photo = tmp_path / 'a "bag" 包.jpg'
    photo.write_bytes(jpeg(product(SIDE, 0.7)))
    sent = shop.edit(photo, [{"op": "background", "to": "#f4f1ec"}], format="jpg", quality=90)
    assert sent.result is not None and sent.result["pictures"][0]["promised"]
    kept = shop.upload(photo)
    mask = saved(Image.new("L", (SIDE, SIDE), 255).resize((SIDE, SIDE)), "PNG")
    job = shop.edit(kept, [{"op": "crop", "box": "20,20,200,200"}])
    picture, certificate = job.assets
    told = shop.verify(picture)
    assert told.result is not None and told.result["fine"] and told.result["certificate"]["agrees"]
    told = shop.verify(picture.content(), original=kept, certificate=certificate)
    assert told.result is not None and told.result["certificate"]["agrees"]
    verdicts = shop.check(photo.read_bytes(), ["shopify", "amazon-main"], language="zh").result
    assert verdicts is not None and [row["channel"] for row in verdicts["reports"]] == ["shopify", "amazon-main"]
    with pytest.raises(JobFailedError, match="marks"):
        shop.edit(kept, [{"op": "erase", "mask": "900,900,5,5"}])
    with pytest.raises(ServerError) as refused:
        shop.edit(kept, [{"op": "erase", "mask": "@mask"}], mask=mask[:50])
    assert refused.value.status == 415
    assert {op["name"] for op in shop.operations()} > {"erase"} and shop.channels() and shop.packs()


def test_jobs_are_followed_by_events(shop: Client) -> None:
    job = shop.generate("red shoe", count=8, seed=1, size=512, wait=False)
    seen = [*shop.follow(job)]
    assert seen[-1].status == "done" and seen[-1].progress == 1
    assert [one.progress for one in seen] == sorted(one.progress for one in seen)
    assert (
        shop.wait(job).id == job.id and shop.jobs(kind=["generation"], status=["done"], limit=1).items[0].id == job.id
    )
    with pytest.raises(ClientError):
        [*shop.follow("job_" + "0" * 31)]


def test_a_request_whose_answer_is_lost_is_made_again_once(api: RunningServer) -> None:
    """Through a proxy that breaks the first answer off: with its key, the job exists once."""
    before = {job["id"] for job in api.http.get("/v1/jobs").json()["jobs"]}
    target, broken = int(api.url.rpartition(":")[2]), []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                with near, socket.create_connection(("127.0.0.1", target)) as far:
                    request = near.recv(1 << 16)
                    while b"\r\n\r\n" not in request or not request.rstrip().endswith(b"}"):
                        request += near.recv(1 << 16)
                    far.sendall(request.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
                    answer = b"".join(iter(lambda: far.recv(1 << 16), b""))
                    if broken:
                        near.sendall(answer)
                    else:
                        broken.append(answer)

        threading.Thread(target=serve, daemon=True).start()
        with Client(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            job = client.generate("red shoe", count=1, size=64, wait=False)
        listener.shutdown(socket.SHUT_RDWR)
    after = api.http.get("/v1/jobs").json()["jobs"]
    assert broken and [one["id"] for one in after if one["id"] > max(before, default="")] == [job.id]


def test_nobody_there_is_one_line() -> None:
    with Client("http://127.0.0.1:1", tries=1) as client, pytest.raises(ClientError, match=r"127\.0\.0\.1:1"):
        client.packs()
    with pytest.raises(ValueError, match="server"):
        Client("ftp://example")


@pytest.mark.slow
def test_a_listing_is_followed_and_fetched(shop: Client, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("sku,title\nB1,brown bag\n", "utf-8")
    photo = tmp_path / "B1.jpg"
    photo.write_bytes(jpeg(product(1100, 0.6)))
    job = shop.wait(shop.listing(tmp_path / "shop.csv", ["amazon-main"], photos=[photo]))
    (picture,) = shop.pictures(job)
    assert picture["passed"] and len(shop.fetch(picture["url"])) == picture["bytes"] and not [*shop.failures(job)]
    assert shop.reject(job, [picture["key"]]) == 1
    with zipfile.ZipFile(io.BytesIO(shop.archive(job, tmp_path / "all.zip").read_bytes())) as archive:
        assert archive.namelist() == ["manifest.jsonl", "failures.jsonl"]


def test_signatures_are_checked() -> None:
    secret, body = "0123456789abcdef", b'{"type": "job.done"}'
    good = signature(secret, body)
    assert check_signature(secret, good, body)
    assert not check_signature(secret, good, body + b" ") and not check_signature("x" * 16, good, body)
    assert not check_signature(secret, signature(secret, body, 1_000_000), body)
    assert not any(
        check_signature(secret, odd, body)
        for odd in ("", "t=1", "v1=é", "t=x,v1=y", "t=²,v1=y", f"t={'9' * 5000},v1=y", good.replace("t=", ""))
    )
