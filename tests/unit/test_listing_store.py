"""One contract for all stores: a folder, memory behind fsspec, and S3 as it is and as it fails."""

from __future__ import annotations

import dataclasses
import errno
import json
import pickle
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

from s3_server import KEY, SECRET, FlakyProxy, environment, flaky_proxy, s3_server

from packshot.errors import OutputError, RequestError
from packshot.listing import lease, remote
from packshot.listing.journal import MANIFEST, append, made_before, read_lines, rewrite
from packshot.listing.patience import patiently
from packshot.listing.store import LocalStore, Store, Written, open_store

KINDS = ("local", "memory", "s3", "s3 that fails")


@pytest.fixture(scope="module")
def flaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlakyProxy]:
    """A bucket that this process finds as s3://bucket, and as s3a://bucket where a fifth of all requests fails."""
    with (
        s3_server(tmp_path_factory.mktemp("s3") / "log.txt") as url,
        flaky_proxy(url, 0.2, seed=3) as proxy,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment(url).items():
            patch.setenv(name, value)
        remote.file_system.cache_clear()
        remote.file_system("s3").mkdir("bucket")
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        patch.setenv("AWS_MAX_ATTEMPTS", "1")  # so that it is our patience that is tested
        patiently(lambda: remote.file_system("s3a").ls("bucket"), 30)
        yield proxy
        remote.file_system.cache_clear()


@pytest.fixture
def bucket(flaky: FlakyProxy, tmp_path: Path) -> remote.RemoteStore:
    """An empty folder in it."""
    return remote.RemoteStore(f"s3://bucket/{tmp_path.name}")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(remote, "SEGMENT_SECONDS", 0.0)
    monkeypatch.setattr(lease, "SETTLED_SECONDS", 0.05)
    if request.param == "local":
        yield LocalStore(tmp_path / "out")
    elif request.param == "memory":
        yield remote.RemoteStore(f"memory://{tmp_path.name}/run")
    else:
        proxy = request.getfixturevalue("flaky")
        protocol, before = ("s3a", proxy.failed) if "fails" in request.param else ("s3", -1)
        yield open_store(f"{protocol}://bucket/run 1/产品/{tmp_path.name}")
        assert proxy.failed > before, "nothing failed"


def test_files_are_written_whole_and_read_back(store: Store) -> None:
    assert store.read("B 1/main-1.jpg") is None and store.lines(MANIFEST) == b""
    store.write("B 1/main-1.jpg", b"first")
    store.write("B 1/main-1.jpg", b"second")
    store.write("鞋#%&+.jpg", b"x" * 300_000)
    store.remove("B 1/other.jpg")
    assert store.read("B 1/main-1.jpg") == b"second" and store.read("鞋#%&+.jpg") == b"x" * 300_000
    store.remove("B 1/main-1.jpg")
    assert store.read("B 1/main-1.jpg") is None
    assert str(store.shown("a")).endswith("/a") and store.shown() in store.shown("a")


def test_intact_is_what_is_there_as_it_was_written(store: Store) -> None:
    files = [Written.of(f"{number}/p.jpg", b"%d" % number * 1000) for number in range(6)]
    for number, file in enumerate(files[:5]):
        store.write(file.name, b"%d" % number * 1000)
    store.write(files[1].name, b"another one")
    store.write(files[2].name, b"9" * 1000)  # as many bytes
    store.remove(files[3].name)
    unnoted = dataclasses.replace(files[4], md5=None)
    wrong = dataclasses.replace(files[0], sha256="0" * 64, md5="0" * 32)
    assert store.intact([*files, unnoted, wrong]) == {files[0], files[4], unnoted}


def test_lines_of_one_run_are_all_there_in_their_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FOLDED", 4)
    with store.alone() as journal:
        rewrite(journal, MANIFEST, [{"key": "old"}])
        for number in range(11):
            append(journal, MANIFEST, {"key": number})
            append(journal, "failures.jsonl", {"failed": number})
            if number == 9:
                assert {row["key"] for row in read_lines(store, MANIFEST)} == {"old", *range(10)}
        rewrite(journal, "failures.jsonl", [{"failed": "none"}])
    assert [row["key"] for row in read_lines(store, MANIFEST)] == ["old", *range(11)]
    assert read_lines(store, "failures.jsonl") == [{"failed": "none"}]
    assert store.read(MANIFEST) == store.lines(MANIFEST)  # one plain file in the end, for whoever reads it


def test_a_run_that_fails_keeps_its_lines(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.alone() as journal:
        append(journal, MANIFEST, {"key": 1})
        raise ZeroDivisionError
    assert read_lines(store, MANIFEST) == [{"key": 1}]
    with store.alone() as journal:
        append(journal, MANIFEST, {"key": 2})
    assert read_lines(store, MANIFEST) == [{"key": 1}, {"key": 2}]


def test_one_run_at_a_time(store: Store) -> None:
    with store.alone():
        for _ in range(2):
            with pytest.raises(OutputError, match="another run"), store.alone():
                pass
    with store.alone():
        pass


def test_copies_in_other_processes_write_to_the_same_place(store: Store) -> None:
    with store.alone():
        copy = pickle.loads(pickle.dumps(store))
        copy.write("a/b.jpg", b"by a copy")
    assert store.read("a/b.jpg") == b"by a copy" and copy == store


def test_a_copy_of_a_local_folder_knows_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(LocalStore(Path("out")))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    pickle.loads(sent).write("a.jpg", b"here")
    assert (tmp_path / "out" / "a.jpg").read_bytes() == b"here"


def test_torn_lines_and_lines_without_their_picture_are_dropped(store: Store) -> None:
    good, bad = Written.of("good.jpg", b"good"), Written.of("bad.jpg", b"bad")
    store.write(good.name, b"good")
    with store.alone() as journal:
        for file in (good, bad):
            append(journal, MANIFEST, {"key": file.name, **dataclasses.asdict(file)})
        journal.append(MANIFEST, b'{"key": "torn')
    assert len(read_lines(store, MANIFEST)) == 2
    assert list(made_before(store, {})) == ["good.jpg"]
    assert list(made_before(store, {"a new picture": "good.jpg"})) == []


def test_a_store_says_its_name_and_no_secret(bucket: remote.RemoteStore) -> None:
    with pytest.raises(OutputError) as missing, open_store("s3://no-such-bucket/run").alone():
        pass
    assert str(missing.value).startswith("s3://no-such-bucket/run: got The specified bucket does not exist")
    assert KEY not in str(missing.value) and SECRET not in str(missing.value)
    for place in (f"s3://{KEY}:{SECRET}@bucket/run", f"s3://bucket/run?token={SECRET}"):
        with pytest.raises(RequestError) as refused:
            open_store(place)
        assert SECRET not in str(refused.value) and KEY not in str(refused.value)


@pytest.mark.parametrize(
    "place", ["memory://a/b", "http://host/run", "s3://", "s3:///run", "s3://a//b", "zip::s3://a/b"]
)
def test_places_that_are_no_folder_of_a_bucket(place: str) -> None:
    with pytest.raises(RequestError, match="--out"):
        open_store(place)


def fold_count(bucket: remote.RemoteStore) -> int:
    return len(bucket.segments(MANIFEST))


def test_segments_are_folded_so_that_few_have_to_be_read(
    bucket: remote.RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "SEGMENT_SECONDS", 0.0)
    monkeypatch.setattr(remote, "FOLDED", 5)
    with bucket.alone() as journal:
        for number in range(23):
            append(journal, MANIFEST, {"key": number})
        assert fold_count(bucket) == 4 + 3
        monkeypatch.setattr(remote, "SEGMENT_SECONDS", 60.0)
        append(journal, MANIFEST, {"key": "waits"})
        assert fold_count(bucket) == 7 and len(read_lines(bucket, MANIFEST)) == 23
    assert fold_count(bucket) == 0 and len(read_lines(bucket, MANIFEST)) == 24


def other_holder(**its: object) -> lease.Holder:
    return dataclasses.replace(lease.Holder.of_this_process(), token="other", **its)  # type: ignore[arg-type]


def test_a_dead_process_of_this_machine_holds_nothing(bucket: remote.RemoteStore) -> None:
    for its in ({"started": "1"}, {"pid": 2**22 + 1}):  # its number now belongs to another process, or to none
        bucket.write(lease.NAME, other_holder(**its).as_bytes())
        began = time.monotonic()
        with bucket.alone():
            pass
        assert time.monotonic() - began < lease.LEASE_SECONDS / 4
    assert bucket.read(lease.NAME) is None


def test_a_run_of_another_machine_is_waited_for_and_no_longer(
    bucket: remote.RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(lease, "RENEWED_SECONDS", 0.2)
    monkeypatch.setattr(lease, "SETTLED_SECONDS", 0.1)
    bucket.write(lease.NAME, other_holder(machine="elsewhere").as_bytes())
    began = time.monotonic()
    with bucket.alone():
        assert time.monotonic() - began >= 0.6

    def renew() -> None:
        for beat in range(1, 9):
            bucket.write(lease.NAME, other_holder(machine="elsewhere", beat=beat).as_bytes())
            time.sleep(0.1)

    living = threading.Thread(target=renew)
    living.start()
    time.sleep(0.05)
    with pytest.raises(OutputError, match="another run"), bucket.alone():
        pass
    living.join()


def test_a_run_stops_that_has_lost_its_store(bucket: remote.RemoteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED_SECONDS", 0.05)
    with pytest.raises(OutputError, match="taken the store over"), bucket.alone() as journal:
        append(journal, MANIFEST, {"key": 1})
        first = lease.Holder.read(bucket)
        time.sleep(0.3)
        later = lease.Holder.read(bucket)
        assert first is not None and later is not None and later.token == first.token and later.beat > first.beat
        for _ in range(20):  # a renewal that was under way may write over it
            bucket.write(lease.NAME, other_holder().as_bytes())
            time.sleep(0.1)
            append(journal, MANIFEST, {"key": 2})
    assert json.loads(bucket.read(lease.NAME) or b"")["token"] == "other"  # that one's it stays
    assert read_lines(bucket, MANIFEST)[0] == {"key": 1}


@pytest.mark.parametrize("answer", [OSError(errno.EBUSY, "slow down"), TimeoutError("late"), ConnectionResetError()])
def test_trouble_that_passes_is_waited_out(answer: OSError) -> None:
    answers = [answer] * 3

    def work() -> str:
        if answers:
            raise answers.pop()
        return "done"

    assert patiently(work, 30.0) == "done"


@pytest.mark.parametrize("answer", [PermissionError("no"), FileNotFoundError("no"), OSError(errno.EINVAL, "no")])
def test_trouble_that_stays_is_said_at_once(answer: OSError) -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        raise answer

    with pytest.raises(type(answer)):
        patiently(work, 30.0)
    assert len(tries) == 1


def test_patience_ends_and_bugs_are_no_trouble() -> None:
    def busy() -> None:
        raise OSError(errno.EBUSY, "slow down")

    def bug() -> None:
        raise TypeError

    began = time.monotonic()
    with pytest.raises(OSError, match="slow down"):
        patiently(busy, 0.5)
    assert time.monotonic() - began < 2
    with pytest.raises(TypeError):
        patiently(bug, 30.0)


def test_files_of_this_machine_come_and_go_whole(store: Store, tmp_path: Path) -> None:
    here, there = tmp_path / "here.bin", tmp_path / "there.bin"
    here.write_bytes(b"y" * 300_000)
    assert not store.has("a/b.bin") and not store.fetch("a/b.bin", there) and not there.exists()
    store.put("a/b.bin", here)
    store.put("a/b.bin", here)  # again, as after a lost answer
    assert store.has("a/b.bin") and not store.has("a") and store.below("a").read("b.bin") == here.read_bytes()
    assert store.fetch("a/b.bin", there) and there.read_bytes() == here.read_bytes()
    assert store.below("a").fetch("b.bin", there)
    here.unlink()
    assert store.has("a/b.bin") and [*tmp_path.glob(".packshot*")] == []


def test_clearing_takes_what_is_below_and_no_more(store: Store) -> None:
    for number in range(5):
        store.write(f"one/{number}/p.jpg", b"1")
    store.write("one more/p.jpg", b"2")
    store.below("one").clear()
    store.below("one").clear()
    assert not any(store.has(f"one/{number}/p.jpg") for number in range(5)) and store.has("one more/p.jpg")


def test_a_stamp_tells_of_new_lines(store: Store) -> None:
    stamps = [store.stamp(MANIFEST)]
    with store.alone() as journal:
        for number in range(3):
            append(journal, MANIFEST, {"key": number})
            stamps.append(store.stamp(MANIFEST))
        assert store.stamp(MANIFEST) == stamps[-1]
        rewrite(journal, MANIFEST, [{"key": "another one"}])
        stamps.append(store.stamp(MANIFEST))
    assert len(set(stamps)) == len(stamps)


def test_forgotten_lines_are_gone_with_their_segments(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.alone() as journal:
        rewrite(journal, "failures.jsonl", [{"key": 0}])
        append(journal, "failures.jsonl", {"key": 1})
        append(journal, MANIFEST, {"key": 2})
        raise ZeroDivisionError
    store.forget("failures.jsonl")
    store.forget("failures.jsonl")
    assert store.lines("failures.jsonl") == b"" and read_lines(store, MANIFEST) == [{"key": 2}]


def test_a_folder_that_gets_its_first_file_while_it_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Files:
        def find(self, path: str, detail: bool) -> dict[str, dict[str, object]]:
            return {path.partition("://")[2]: {"name": path, "size": 0, "type": "directory"}}

    monkeypatch.setattr(remote, "file_system", lambda protocol: Files())
    assert remote.RemoteStore("s3://bucket/run").listed(".packshot/lines") == {}
