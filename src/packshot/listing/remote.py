"""A store in an S3 bucket, by fsspec. Its objects are written whole or not at all, and nothing can be appended to one.

So lines are kept for a moment and written as segments, objects of their own below `.packshot/`; many small ones are
folded into one, and all of them into the file when the run ends. Segments are removed after what holds their lines is
written: a reader takes the segments first, so it misses none, and may see a line twice.

Requests are tried again by botocore, a few times each; what is still in trouble then, here, for a minute.
"""

from __future__ import annotations

import errno
import hashlib
import mimetypes
import os
import secrets
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from packshot.errors import MissingExtraError, OutputError, first_line
from packshot.listing.lease import Lease, held
from packshot.listing.patience import code_of, patiently, troubles
from packshot.listing.store import Journal, Written

PROTOCOLS = ("s3", "s3a")
"""Of the URLs that are taken: stores of which it is known that an object appears whole."""

PATIENCE_SECONDS = 60.0
"""How long a store in trouble is waited for."""

SEGMENT_SECONDS = 2.0
"""How long a line may be kept before it is written."""

FOLDED = 64
"""As many segments become one."""

_LEASE_PATIENCE_SECONDS = 20.0
_AT_ONCE = 16
_PART_BYTES, _PARTS_AT_ONCE = 16 << 20, 4
"""Of large files: what one takes of memory while it is written."""

_SEGMENTS = ".packshot/lines"
_ACCEPTED = "a bucket that is there, and keys that may list and read in it, and write and delete below --out"
_TYPES = {"webp": "image/webp", "jsonl": "application/jsonl"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing says of a file.

    Attributes:
        size_bytes: of its content.
        tag: that the store gives it: the MD5 in hex, or something else.
        modified: when it was written, in seconds since 1970.
    """

    size_bytes: int
    tag: str
    modified: float


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """A folder in an object store; see `store.Store`.

    Attributes:
        url: of the folder, without a slash at its end.
        patience_seconds: how long a store in trouble is waited for.
    """

    url: str
    patience_seconds: float = PATIENCE_SECONDS

    def shown(self, name: str = "") -> str:
        """See `store.Store`."""
        return f"{self.url}/{name}" if name else self.url

    def read(self, name: str) -> bytes | None:
        """See `store.Store`."""
        return self._try(name, _content)

    def write(self, name: str, data: bytes) -> None:
        """See `store.Store`."""
        self._try(name, lambda files, path: files.pipe_file(path, data, ContentType=media_type_of(name)))

    def put(self, name: str, path: Path) -> None:
        """See `store.Store`; large files in parts."""
        form = media_type_of(name)
        parts = {"chunksize": _PART_BYTES, "max_concurrency": _PARTS_AT_ONCE}
        self._try(name, lambda files, target: files.put_file(str(path), target, ContentType=form, **parts))

    def fetch(self, name: str, path: Path) -> bool:
        """See `store.Store`."""
        return self._try(name, lambda files, source: _fetched(files, source, path))

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that is not there yet; whether it wasn't, as surely as the store can tell."""
        return self._try(name, lambda files, path: _created(files, path, data))

    def remove(self, name: str) -> None:
        """See `store.Store`."""
        self._try(name, _removed)

    def below(self, folder: str) -> RemoteStore:
        """See `store.Store`."""
        return replace(self, url=self.shown(folder))

    def has(self, name: str) -> bool:
        """See `store.Store`."""
        return self.found(name) is not None

    def found(self, name: str) -> Listed | None:
        """What is known of a file; None where there is none.

        Raises:
            OutputError: the store cannot be read.
        """
        return self._try(name, _found)

    def clear(self) -> None:
        """See `store.Store`; a thousand files with one request."""
        paths = [self.shown(name) for name in self.listed()]
        if paths:
            self._try("", lambda files, _: files.rm(paths))

    def intact(self, files: Sequence[Written]) -> set[Written]:
        """See `store.Store`; by the MD5 that S3 lists, and where it lists something else, by reading."""
        listed = self.listed()
        there = [file for file in files if file.name in listed]
        known = {file for file in there if file.md5 is not None and listed[file.name].tag == file.md5}
        rest = [file for file in there if file not in known]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return known.union(file for file, same in zip(rest, pool.map(self._same, rest), strict=True) if same)

    def stamp(self, name: str) -> Hashable:
        """See `store.Store`."""
        segments = tuple(sorted(self.listed(f"{_SEGMENTS}/{name}").items()))  # first, as `joined` reads
        return segments, self.found(name)

    def forget(self, name: str) -> None:
        """See `store.Store`."""
        self.remove_all([*self.segments(name), name])

    def lines(self, name: str) -> bytes:
        """See `store.Store`."""
        return self.joined(name, self.segments(name))

    @contextmanager
    def alone(self) -> Iterator[Journal]:
        """See `store.Store`."""
        with held(replace(self, patience_seconds=_LEASE_PATIENCE_SECONDS)) as lease:
            journal = _RemoteJournal(self, lease, set(self.segments()))
            try:
                yield journal
            except BaseException:
                with suppress(OutputError):  # of the trouble that ends the run, at most
                    journal.flush(replace(self, patience_seconds=0.0))
                raise
            journal.settle()

    def listed(self, folder: str = "") -> dict[str, Listed]:
        """The files below a folder, by name.

        Raises:
            OutputError: the store cannot be read.
        """
        root = len(self.url.partition("://")[2]) + 1
        found = self._try(folder, lambda files, path: files.find(path, detail=True))
        rows = {path.lstrip("/")[root:]: facts for path, facts in found.items()}
        # s3fs has a row of the folder itself where the first file came just after it had found none.
        return {name: _listed(facts) for name, facts in rows.items() if facts["type"] == "file"}

    def segments(self, name: str = "") -> list[str]:
        """Names of the segments of a file of lines, or of all such files, in the order of their writing."""
        return sorted(self.listed(f"{_SEGMENTS}/{name}" if name else _SEGMENTS))

    def joined(self, name: str, segments: Sequence[str]) -> bytes:
        """A file of lines and some segments, which are read first."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            parts = [data or b"" for data in pool.map(self.read, segments)]
        return b"".join([self.read(name) or b"", *parts])

    def remove_all(self, names: Sequence[str]) -> None:
        """Remove files, several at once."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self.remove, names))

    def _same(self, file: Written) -> bool:
        data = self.read(file.name)
        return data is not None and hashlib.sha256(data).hexdigest() == file.sha256

    def _try(self, name: str, work: Callable[[Any, str], T]) -> T:
        """Do something with a file; again while the store is in trouble, and at most as long as patience lasts.

        Raises:
            OutputError: the trouble stays.
        """
        files, path = file_system(self.url.partition("://")[0]), self.shown(name)
        try:
            return patiently(lambda: work(files, path), self.patience_seconds)
        except troubles() as error:
            where = self.url if name.startswith(".packshot") else path
            raise OutputError(where, first_line(error), _ACCEPTED) from None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a store, with what its readers use of a `Path`."""

    store: RemoteStore
    name: str

    def __str__(self) -> str:
        return self.store.shown(self.name)

    def read_bytes(self) -> bytes:
        """Its content.

        Raises:
            FileNotFoundError: there is none.
            OutputError: the store cannot be read.
        """
        data = self.store.read(self.name)
        if data is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        return data


@dataclass(slots=True)
class _RemoteJournal:
    """Lines as segments; see the module, and `store.Journal`.

    Attributes:
        store: whose files they are.
        lease: by which it is held.
        known: segments that this run has found or written; others are nobody's to remove.
        waiting: lines by file that are not written yet.
        since: when the first of these came.
        small: segments of this run by file, with their lines, until they are folded.
        run: what its segments' names begin with.
        count: of its segments.
    """

    store: RemoteStore
    lease: Lease
    known: set[str]
    waiting: dict[str, list[bytes]] = field(default_factory=dict)
    since: float = 0.0
    small: dict[str, dict[str, bytes]] = field(default_factory=dict)
    run: str = field(default_factory=lambda: f"{time.time_ns():020d}-{secrets.token_hex(4)}")
    count: int = 0

    def append(self, name: str, line: bytes) -> None:
        """See `store.Journal`."""
        self.lease.check()
        if not any(self.waiting.values()):
            self.since = time.monotonic()
        self.waiting.setdefault(name, []).append(line)
        if time.monotonic() - self.since >= SEGMENT_SECONDS:
            self.flush(self.store)

    def rewrite(self, name: str, lines: bytes) -> None:
        """See `store.Journal`."""
        self.lease.check()
        self.store.write(name, lines)
        self._forget(self.store, self._segments(name))
        self.waiting.pop(name, None)
        self.small.pop(name, None)

    def flush(self, store: RemoteStore) -> None:
        """Write what waits, by a store of another patience perhaps."""
        for name, lines in self.waiting.items():
            if lines:
                self._add(store, name, b"".join(lines))
                lines.clear()

    def settle(self) -> None:
        """Fold all segments into their files."""
        self.flush(self.store)
        for name in list(self.small):
            self.rewrite(name, self.store.joined(name, self._segments(name)))

    def _segments(self, name: str) -> list[str]:
        return sorted(each for each in self.known if each.startswith(f"{_SEGMENTS}/{name}/"))

    def _add(self, store: RemoteStore, name: str, lines: bytes) -> None:
        small = self.small.setdefault(name, {})
        small[self._put(store, name, lines)] = lines
        if len(small) >= FOLDED:
            self._put(store, name, b"".join(small.values()))
            self._forget(store, list(small))
            small.clear()

    def _put(self, store: RemoteStore, name: str, lines: bytes) -> str:
        self.count += 1
        segment = f"{_SEGMENTS}/{name}/{self.run}-{self.count:08d}.jsonl"
        self.known.add(segment)
        store.write(segment, lines)
        return segment

    def _forget(self, store: RemoteStore, segments: Sequence[str]) -> None:
        store.remove_all(segments)
        self.known.difference_update(segments)


def _listed(facts: Mapping[str, Any]) -> Listed:
    written = facts.get("LastModified") or facts["created"]  # as s3fs, and as fsspec's memory says it
    modified = written.timestamp() if isinstance(written, datetime) else float(written)
    return Listed(int(facts["size"]), str(facts.get("ETag", "")).strip('"'), modified)


def _found(files: Any, path: str) -> Listed | None:
    try:
        facts = files.info(path)
    except FileNotFoundError as error:
        if code_of(error) == "NoSuchBucket":
            raise
        return None
    return _listed(facts) if facts["type"] == "file" else None


def _fetched(files: Any, source: str, path: Path) -> bool:
    temporary = path.parent / f".packshot-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        files.get_file(source, str(temporary))
        temporary.replace(path)
    except FileNotFoundError as error:
        if code_of(error) == "NoSuchBucket":
            raise
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _content(files: Any, path: str) -> bytes | None:
    try:
        return bytes(files.cat_file(path))
    except FileNotFoundError as error:
        if code_of(error) == "NoSuchBucket":
            raise
        return None


def _created(files: Any, path: str, data: bytes) -> bool:
    """By a conditional request; where the store knows none, by looking first."""
    try:
        files.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    except OSError as error:
        if code_of(error) in ("PreconditionFailed", "412"):
            return False
        if error.errno != errno.ENOSYS:
            raise
        files.pipe_file(path, data)
    return True


def _removed(files: Any, path: str) -> None:
    try:
        files.rm_file(path)
    except FileNotFoundError as error:
        if code_of(error) == "NoSuchBucket":
            raise


def media_type_of(name: str) -> str:
    """What a file is, by the ending of its name."""
    return mimetypes.guess_type(name)[0] or _TYPES.get(name.rpartition(".")[2], "application/octet-stream")


@cache
def file_system(protocol: str) -> Any:
    """Opened once in a process; keys, region and endpoint come from where botocore looks for them.

    Raises:
        MissingExtraError: what it needs is not installed.
    """
    try:
        import fsspec

        return fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise MissingExtraError(f"{protocol}://", first_line(error), "pip install 'packshot[s3]'") from None
