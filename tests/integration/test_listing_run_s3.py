"""`packshot listing --out s3://…`: killed in a bucket that fails now and then, and finished as if on a quiet disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import packshot

pytest.importorskip("cv2")
pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

import boto3
from listing_pictures import jpeg, product
from listing_shop import Row, lines, read, shop_in
from s3_server import KEY, SECRET, FlakyProxy, environment, flaky_proxy, s3_server

from packshot.listing.remote import file_system

pytestmark = pytest.mark.slow
OUT = "s3://bucket/run1"
DRIVER = """
from packshot.listing import remote
remote.SEGMENT_SECONDS = 0.2  # there are few pictures, and some lines shall be there when the driver is killed
from packshot.cli import main
main()
"""


@dataclass
class Bucket:
    """The bucket as others see it: past the proxy, by Amazon's own client."""

    client: Any
    proxy: FlakyProxy

    def objects(self) -> dict[str, bytes]:
        """Contents by name below the run's folder."""
        listed = self.client.list_objects_v2(Bucket="bucket", Prefix="run1/").get("Contents", [])
        keys = [each["Key"] for each in listed]
        found = {key: self.client.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys}
        return {key.removeprefix("run1/"): data for key, data in found.items()}


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with s3_server(tmp_path / "log.txt") as url, flaky_proxy(url, 0.0) as proxy:
        for name, value in environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        for name in set(os.environ) - set(environment(proxy.url)):
            monkeypatch.delenv(name)
        file_system.cache_clear()
        client = boto3.client("s3", endpoint_url=url)
        client.create_bucket(Bucket="bucket")
        yield Bucket(client, proxy)
        client.close()
        file_system.cache_clear()


@pytest.fixture
def shop(tmp_path: Path) -> list[object]:
    command = shop_in(tmp_path)
    (tmp_path / "photos" / "B3.jpg").write_bytes(jpeg(product(200)))  # too small: refused on amazon-main
    return command


def plain(rows: list[Row]) -> list[Row]:
    """Rows but for their times, in one order."""
    return sorted(({k: v for k, v in row.items() if k != "seconds"} for row in rows), key=lambda row: json.dumps(row))


def start(command: list[object]) -> subprocess.Popen[bytes]:
    arguments = [*map(str, command), "--out", OUT, "--workers", "2"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", DRIVER, *arguments], start_new_session=True, **quiet)  # type: ignore[call-overload,no-any-return]


def kill_when_under_way(command: list[object], bucket: Bucket) -> str:
    """Kill -9 the driver once it has written lines; what it said."""
    process, until = start(command), time.monotonic() + 170
    while not any(name.startswith(".packshot/lines/manifest") for name in bucket.objects()):
        assert process.poll() is None and time.monotonic() < until, "the run ended before it could be killed"
        time.sleep(0.02)
    second = packshot(*command, "--out", OUT)
    assert second.returncode == 2 and "another run" in second.stderr and second.stderr.count("\n") < 9
    os.killpg(process.pid, signal.SIGKILL)
    return (process.communicate()[1] or b"").decode()


def test_killed_in_a_failing_bucket_and_resumed(shop: list[object], bucket: Bucket, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert packshot(*shop, "--out", whole, "--workers", 1).returncode == 1  # a row is damaged, a photo too small
    for photo in (tmp_path / "photos").iterdir():
        bucket.client.upload_file(str(photo), "bucket", f"photos/{photo.name}")
    shop[shop.index("--photos") + 1] = "s3://bucket/photos"  # where they lie is no part of a picture's key
    bucket.proxy.share = 0.05
    said = kill_when_under_way(shop, bucket)
    torn = bucket.objects()
    planned = json.loads(packshot(*shop, "--out", OUT, "--dry-run", "--json").stdout)
    assert 0 < planned["there"] < planned["planned"] == 10 and bucket.objects() == torn
    written = [read(data) for name, data in torn.items() if "manifest" in name]
    before = {f"/{OUT[5:]}/{row['name']}" for rows in written for row in rows}

    bucket.proxy.share, told = 0.2, len(bucket.proxy.told)
    done = packshot(*shop, "--out", OUT, "--workers", 1, "--json")
    tally = json.loads(done.stdout)
    assert done.returncode == 1 and tally["there"] == planned["there"] and tally["out"] == OUT
    assert tally["made"] + tally["there"] == 8 and bucket.proxy.failed > 0
    there = bucket.objects()
    on_disk = {path.relative_to(whole).as_posix(): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    pictures = {name for name in on_disk if name.endswith((".jpg", ".png", ".json"))}
    assert len(pictures) > 10 and set(there) == {*pictures, "manifest.jsonl", "failures.jsonl", "index.html"}
    assert all(str(row["key"])[:20].encode() in there["index.html"] for row in read(there["manifest.jsonl"]))
    assert {name: there[name] for name in pictures} == {name: on_disk[name] for name in pictures}
    assert plain(read(there["manifest.jsonl"])) == plain(lines(whole / "manifest.jsonl"))
    assert plain(read(there["failures.jsonl"])) == plain(lines(whole / "failures.jsonl"))
    assert len(before) == planned["there"]
    assert not before.intersection(path for method, path in bucket.proxy.told[told:] if method != "HEAD")

    bucket.client.put_object(Bucket="bucket", Key="run1/B0/taobao-main/main-1.jpg", Body=b"damaged")
    again = packshot(*shop, "--out", OUT, "--only-failures", "--dry-run", "--json")
    assert json.loads(again.stdout)["to_make"] == json.loads(again.stdout)["failed_before"] == 2
    mended = packshot(*shop, "--out", OUT, "--workers", 1, "--json")
    assert json.loads(mended.stdout)["made"] == 1 and bucket.objects().keys() == there.keys()
    assert {name: bucket.objects()[name] for name in pictures} == {name: there[name] for name in pictures}
    everything = b"".join(bucket.objects().values()).decode("latin1") + said + done.stdout + done.stderr
    assert KEY not in everything and SECRET not in everything


def test_what_does_not_pass_ends_the_run_and_what_was_made_stays(shop: list[object], bucket: Bucket) -> None:
    one = [*shop[:4], "--channels", "taobao-main", *shop[6:], "--out", OUT, "--workers", 1]
    bucket.proxy.forbids = lambda method, path: method == "PUT" and "/B2/" in path
    stopped = packshot(*one)
    assert stopped.returncode == 2
    (said,) = [line for line in stopped.stderr.splitlines() if line.startswith("packshot: ")]
    assert said.startswith(f"packshot: {OUT}/B2/") and "got AccessDenied by the proxy; accepted: a bucket" in said
    assert KEY not in stopped.stderr and SECRET not in stopped.stderr and "Traceback" not in stopped.stderr
    left = bucket.objects()
    assert not any(name.startswith((".packshot/lock", "B2")) for name in left)
    bucket.proxy.forbids = lambda method, path: False
    done = json.loads(packshot(*one, "--json").stdout)
    assert done["there"] >= 1 and done["there"] + done["made"] + done["failed"] == done["total"] == 6
    assert all(bucket.objects()[name] == data for name, data in left.items() if name.startswith("B"))

    bucket.proxy.forbids = lambda method, path: True
    assert "got Forbidden" in packshot(*one).stderr
    bucket.proxy.forbids = lambda method, path: False
    for place, reason in (("s3://missing/run", "bucket does not exist"), ("gs://bucket/run", "a URL of gs://")):
        refused = packshot(*one[:-4], "--out", place)
        assert refused.returncode == 2 and reason in refused.stderr and refused.stderr.count("got") == 1
