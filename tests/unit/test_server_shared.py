"""What servers share by a bucket: trainings, packs, rejections; what is torn or damaged is not taken for whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import s3_server

from packshot.errors import InputError, OutputError, PackError
from packshot.listing.journal import MANIFEST
from packshot.listing.remote import RemoteStore
from packshot.packs import available, open_pack, write_manifest
from packshot.server import shelf, stock
from packshot.server.api import listings
from packshot.server.api.services import Services
from packshot.server.assets import Assets
from packshot.server.database import Database
from packshot.server.kept import Copied, InPlace, Kept, Sharing, kept
from packshot.server.queue import NewJob, Queue, Room
from packshot.server.security.scopes import LOCAL
from packshot.server.settings import Settings
from packshot.server.shared import shared
from packshot.server.tasks import listing
from packshot.server.threads import Threads
from packshot.server.waiting import Watch

LISTING, TRAINING = "listing_1a21855f223cabd849ddc5a885fa088", "training_1a21855f223cabd849ddc5a885fa088"
CARD = {"name": "shop", "kind": "flow", "version": "1", "inputs": {}, "outputs": {}, "pixel_conventions": "none",
        "licence": "none", "training_data": "none", "quality": {}}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    pytest.importorskip("s3fs")
    with s3_server.bucket(tmp_path_factory.mktemp("s3") / "log", "shop"):
        yield


@pytest.fixture(params=["folder", "bucket"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> list[Settings]:
    """Two servers of one `home`, or of one bucket."""
    if request.param == "folder":
        return [Settings(tmp_path / "home")] * 2
    request.getfixturevalue("store")
    return [Settings(tmp_path / name, assets=f"s3://shop/{tmp_path.name}") for name in ("one", "other")]


@pytest.fixture
def apart(store: None, tmp_path: Path) -> list[Settings]:
    """Two servers of one bucket."""
    return [Settings(tmp_path / name, assets=f"s3://shop/{tmp_path.name}") for name in ("one", "other")]


def files_of(settings: Settings) -> Kept:
    return kept(settings, "trainings", TRAINING)


def write(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def all_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- Trainings -------------------------------------------------------------------------------------------------------


def test_a_training_is_the_same_on_every_server(servers: list[Settings], tmp_path: Path) -> None:
    one, other = map(files_of, servers)
    write(tmp_path / "sent", catalogue__a=b"photo", catalogue__b=b"photo")
    assert not other.there() and other.read("catalogue/a") is None
    assert one.push(tmp_path / "sent") and other.there() and other.read("catalogue/a") == b"photo"
    other.pull(lambda name: False)
    write(other.work, run__log=b"1\n", run__checkpoints__1=b"x" * 5_000_000, run__2=b"")
    with Sharing(other) as sharing:
        sharing.push()
        assert one.read("run/log") == b"1\n" and one.names("run/checkpoints") == ["run/checkpoints/1"]
        (other.work / "run/checkpoints/1").unlink()
        write(other.work, run__log=b"1\n2\n", run__checkpoints__2=b"y" * 5_000_000)
    assert one.read("run/log") == b"1\n2\n" and one.names("run/checkpoints") == ["run/checkpoints/2"]
    one.pull(lambda name: name.startswith("catalogue"))
    assert (one.work / "run/checkpoints/2").read_bytes() == b"y" * 5_000_000 and (one.work / "run/2").exists()
    write(one.work, run__log=b"3\n")
    assert one.push(one.work) and other.read("run/log") == b"3\n"
    assert other.read("catalogue/b") == b"photo"  # which the second sitting did without
    one.clear()
    one.clear()
    assert not other.there() and other.names("run") == []


def test_a_copy_is_whole_while_files_come_and_go(apart: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = map(files_of, apart)
    write(one.work, run__a__1=b"old", run__a__2=b"old", run__part=b"1")
    write(one.work, **{"run__b.partial__1": b"half", ".hidden": b"1"})
    assert one.push(one.work) and set(other.names("run")) == {"run/a/1", "run/a/2", "run/part"}
    put = RemoteStore.write

    def replaced(self: RemoteStore, name: str, data: bytes) -> None:
        """The checkpoint is replaced by another while files are written to the bucket."""
        shutil.rmtree(one.work / "run/a", ignore_errors=True)
        write(one.work, run__b__1=b"new", run__b__2=b"new")
        put(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteStore, "write", replaced)
        write(one.work, run__part=b"2", run__a__1=b"older", run__a__2=b"older")
        assert not one.push(one.work)
    assert {other.read("run/a/1"), other.read("run/a/2"), other.read("run/part")} == {b"old", b"1"}
    assert one.push(one.work) and set(other.names("run")) == {"run/b/1", "run/b/2", "run/part"}
    store = shared(apart[0], "trainings", TRAINING)
    assert isinstance(store, RemoteStore) and len(store.listed("contents")) == 2  # "new", "2": nothing is left over


def test_a_checkpoint_that_was_half_removed_when_it_was_looked_for_is_not_shared(
    apart: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = map(files_of, apart)
    write(one.work, run__a__1=b"1", run__a__2=b"2")
    assert one.push(one.work)
    write(one.work, run__a__1=b"changed")
    (one.work / "run/a/2").unlink()  # its removal has begun
    put = RemoteStore.write

    def removed(self: RemoteStore, name: str, data: bytes) -> None:
        put(self, name, data)
        shutil.rmtree(one.work / "run/a", ignore_errors=True)

    monkeypatch.setattr(RemoteStore, "write", removed)
    assert not one.push(one.work) and set(other.names("run")) == {"run/a/1", "run/a/2"}


def test_what_is_damaged_in_the_bucket_is_not_gone_on_with(apart: list[Settings]) -> None:
    one, other = map(files_of, apart)
    write(one.work, run__state=b"right")
    one.push(one.work)
    store = shared(apart[0], "trainings", TRAINING)
    assert isinstance(store, RemoteStore)
    (name,) = store.listed("contents")
    store.write(name, b"wrong")
    write(other.work, run__stale=b"of an earlier sitting")
    with pytest.raises(InputError, match="run/state"):
        other.pull(lambda name: False)
    assert all_of(other.work) == {}
    store.write(name, b"right")
    other.pull(lambda name: False)
    assert all_of(other.work) == {"run/state": b"right"}
    other.leave()
    assert not other.work.exists() and one.read("run/state") == b"right"


def test_a_bucket_that_is_away_for_a_while_stops_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Away(InPlace):
        away = 3

        def push(self, folder: Path) -> bool:
            self.away -= 1
            if self.away > 0:
                raise OutputError("s3://shop", "nothing", "a bucket")
            return True

    files = Away(shared(Settings(tmp_path), "trainings", TRAINING))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch, Sharing(files) as sharing:
        patch.setattr("packshot.server.kept.PUSH_SECONDS", 0.0)
        until = time.monotonic() + 20
        while files.away > 0 and time.monotonic() < until:
            sharing.now_and_then()
            time.sleep(0.01)
    assert files.away <= 0 and "not up to date" in caplog.text


def test_a_file_that_is_replaced_while_it_is_read_is_the_new_one(
    apart: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = map(files_of, apart)
    assert isinstance(other, Copied)
    write(one.work, run__log=b"old")
    one.push(one.work)
    read = other._index
    indexes = iter([read(shared(apart[1], "trainings", TRAINING))])  # as it was a moment before
    write(one.work, run__log=b"newer")
    one.push(one.work)
    monkeypatch.setattr(other, "_index", lambda store: next(indexes, None) or read(store))
    assert other.read("run/log") == b"newer"


# ---- Packs -----------------------------------------------------------------------------------------------------------


def pack(settings: Settings, data: bytes, name: str = "shop") -> Path:
    """A pack as a training of this server has just made it."""
    folder = settings.home / "packs" / name
    shutil.rmtree(folder, ignore_errors=True)
    write(folder, **{"generator.onnx": data, "text.onnx": b"text"})
    write_manifest(folder, {**CARD, "name": name})
    return folder


def test_a_pack_reaches_every_server(apart: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = apart
    monkeypatch.setenv("PACKSHOT_PACKS", str(other.home / "packs"))
    here = other.home / "packs" / "shop"
    stock.bring(other, "shop")
    assert not here.exists()
    stock.publish(one, "shop") if pack(one, b"first") else None
    stock.bring(other, "shop")
    assert open_pack(here).read("generator.onnx") == b"first"
    reads: list[str] = []
    read = RemoteStore.read
    monkeypatch.setattr(RemoteStore, "read", lambda self, name: (reads.append(name), read(self, name))[1])
    stock.bring(other, "shop")
    stock.sync(other)
    for odd in ("", "..", "a@b?c", "a\0b", "*", "base"):  # as clients may say
        stock.bring(other, odd)
    assert reads == []  # it is fetched once, and others are not looked for
    pack(one, b"second")
    stock.publish(one, "shop")
    stock.sync(other)
    assert open_pack(here).read("generator.onnx") == b"second"
    shared(one, "packs", "shop").clear()
    write(other.home, packs__own__note=b"1")
    stock.sync(other)
    stock.sync(one)
    assert not here.exists() and (other.home / "packs/own/note").exists()
    assert not (one.home / "packs" / "shop").exists()


def test_a_damaged_pack_is_not_taken(apart: list[Settings], caplog: pytest.LogCaptureFixture) -> None:
    one, other = apart
    for name in ("bad", "good"):
        pack(one, name.encode(), name)
        stock.publish(one, name)
    store = shared(one, "packs", "bad")
    manifest = json.loads(store.read("pack.json") or b"")
    store.write(manifest["files"]["generator.onnx"], b"worse")
    stock.sync(other)
    assert [path.name for path in sorted((other.home / "packs").glob("*/pack.json"))] == ["pack.json"]
    assert open_pack(other.home / "packs" / "good").read("generator.onnx") == b"good"
    assert "generator.onnx" in caplog.text and "s3://" not in caplog.text
    with pytest.raises(PackError, match=r"generator\.onnx"):
        stock.bring(other, "bad")
    store.write("pack.json", json.dumps({**manifest, "files": {"../../evil": manifest["files"]["text.onnx"]}}).encode())
    with pytest.raises(PackError, match="evil"):
        stock.bring(other, "bad")
    assert not [*other.home.rglob("evil")] and not [*(other.home / "packs").glob(".fetched*")]


def test_many_workers_fetch_a_pack_once(apart: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = apart
    pack(one, b"x")
    stock.publish(one, "shop")
    monkeypatch.setenv("PACKSHOT_PACKS", str(other.home / "packs"))
    fetched: list[str] = []
    read = RemoteStore.read
    monkeypatch.setattr(RemoteStore, "read", lambda self, name: (fetched.append(name), read(self, name))[1])
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: stock.bring(other, "shop"), range(6)))
    assert open_pack(other.home / "packs" / "shop").read("generator.onnx") == b"x"
    assert sum(name != "pack.json" for name in fetched) == 2  # its two files


def test_a_pack_deleted_on_one_server_is_gone_from_all(
    apart: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = apart
    monkeypatch.setenv("PACKSHOT_PACKS", str(other.home / "packs"))
    pack(one, b"x")
    stock.publish(one, "shop")
    stock.sync(other)
    database = Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    database.migrate()
    shelf.remove("shop", LOCAL, database, other)
    assert not [*shared(one, "packs").listed()] and "shop" not in available()
    for _ in range(2):  # neither the one that trained it nor the one that fetched it has or gets it again
        for settings in apart:
            stock.sync(settings)
            stock.bring(settings, "shop")
            assert not (settings.home / "packs" / "shop").exists()


# ---- Listings --------------------------------------------------------------------------------------------------------


def test_rejections_at_the_same_moment_are_all_kept(
    servers: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"{number:064x}" for number in range(6)]
    databases = [Database(f"sqlite:///{tmp_path / 'shop.sqlite'}") for _ in servers]
    databases[0].migrate()
    queue = Queue(databases[0])
    job, _ = queue.submit(NewJob("listing", "slow", {"folder": LISTING, "table": "t.csv"}, 1.0), Room(1))
    files = listing.files_of(servers[0], job.request)
    files.write("t.csv", b"sku\n")
    files.below("out").write(MANIFEST, "".join(json.dumps({"key": key}) + "\n" for key in keys).encode())
    rejected = listing.rejected
    monkeypatch.setattr(listing, "rejected", lambda files: (rejected(files), time.sleep(0.05))[0])
    barrier = threading.Barrier(len(keys))

    def reject(number: int) -> None:
        settings, database = servers[number % 2], databases[number % 2]
        queue = Queue(database)
        server = Services(settings, database, queue, Assets(database, settings.home), Watch(queue), Threads())
        barrier.wait(20)
        listings.reject(job.id, listings.RejectionsIn(keys=[keys[number]]), server)

    with ThreadPoolExecutor(len(keys)) as pool:
        list(pool.map(reject, range(len(keys))))
    assert rejected(listing.files_of(servers[1], job.request)) == {*keys}
    for database in databases:
        database.close()


@pytest.mark.slow
def test_a_run_that_is_stopped_gives_its_bucket_back(apart: list[Settings], tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    from listing_pictures import jpeg, product

    files = listing.files_of(apart[0], {"folder": LISTING})
    names = [f"B{number}" for number in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["sku,title", *(f"{name},brown bag" for name in names)]), "utf-8")
    write(tmp_path / "photos", **dict.fromkeys([f"{name}.jpg" for name in names], jpeg(product(900, 0.6))))
    words = ["listing", str(tmp_path / "t.csv"), "--channels=amazon-main", f"--out={files.shown('out')}"]
    words += [f"--photos={tmp_path / 'photos'}", "--workers=1"]
    command = [sys.executable, "-m", "packshot.server.child", str(os.getpid()), *words]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 60
        while not files.has("out/B0/amazon-main/main-1.jpg"):
            assert time.monotonic() < until and process.poll() is None, (tmp_path / "log").read_text("utf-8")
            time.sleep(0.05)
        assert files.has("out/.packshot/lock.json")
        process.terminate()
        process.wait(20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not files.has("out/.packshot/lock.json") and "Traceback" not in (tmp_path / "log").read_text("utf-8")


def test_lines_that_a_killed_run_left_twice_count_once(servers: list[Settings]) -> None:
    files = listing.files_of(servers[0], {"folder": LISTING})
    files.below("out").write(
        MANIFEST, b'{"key":"a","n":1}\n{"lost":1}\n{"lost":1}\n{"key":"b"}\n{"key":"a","n":2}\n{"ke'
    )
    rows = listings._lines(files, MANIFEST)
    assert rows == [{"key": "a", "n": 2}, {"lost": 1}, {"lost": 1}, {"key": "b"}]
    assert listings._lines(listing.files_of(servers[1], {"folder": LISTING}), MANIFEST) == rows
    files.clear()


def test_nothing_tells_where_files_lie(tmp_path: Path) -> None:
    settings = Settings(tmp_path, assets="s3://secret/shop/")
    error = OutputError("s3://secret/shop/listings/a/out", f"nothing at s3://secret/shop or {tmp_path}", "a bucket")
    assert "secret" not in settings.told(error) and str(tmp_path) not in settings.told(error)
    assert settings.told(error).startswith("listings/a/out: ")
    places = [
        isinstance(kept(settings, "trainings", TRAINING), Copied),
        isinstance(files_of(Settings(tmp_path)), InPlace),
    ]
    assert all(places)
