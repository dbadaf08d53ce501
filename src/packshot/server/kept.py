"""A training's files, as every server sees them; the one that trains works in a folder of its own.

Checkpoints are large and logs grow, so a bucket gets a copy now and then: contents by their sha256, and after them an
index of names. Whoever reads the index has a copy that is whole, whatever was killed meanwhile. Without a bucket the
folder of the work is what all see.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Protocol

from packshot.errors import InputError
from packshot.listing.remote import RemoteStore
from packshot.listing.store import LocalStore
from packshot.server.queue import LostError
from packshot.server.settings import Settings
from packshot.server.shared import asked, bring, shared

INDEX, CONTENTS = "index.json", "contents"
PUSH_SECONDS = 5.0
_GROWING = (".jsonl", ".txt")
"""Endings of files that may grow while they are read; others do not change once they have their name."""

_AT_ONCE, _SMALL_BYTES, _TRIES = 16, 4_000_000, 3


_log = logging.getLogger("packshot.worker")


class Kept(Protocol):
    """See the module.

    Attributes:
        work: folder of this machine to work in.
    """

    work: Path

    def there(self) -> bool:
        """Whether there is such a training; not once it was cleared."""

    def names(self, folder: str) -> Collection[str]:
        """Files below a folder of it, as all servers see them."""

    def read(self, name: str) -> bytes | None:
        """One of them."""

    def push(self, folder: Path) -> bool:
        """Let all servers see what a folder holds now; whether that could be: not while files come and go in it.

        Raises:
            OutputError: the bucket cannot be written; others go on seeing what was pushed before.
        """

    def pull(self, unless: Callable[[str], bool]) -> None:
        """Have in `work` what all servers see, but for some names.

        Raises:
            OutputError: the bucket cannot be read, or the disk not be written.
            InputError: its content is damaged.
        """

    def leave(self) -> None:
        """Remove from this machine what all servers see anyhow."""

    def clear(self) -> None:
        """Remove all files for all servers.

        Raises:
            OutputError: some stay.
        """


def kept(settings: Settings, folder: str, identity: str) -> Kept:
    """The files of one training."""
    store = shared(settings, folder, identity)
    if isinstance(store, LocalStore):
        return InPlace(store)
    return Copied(store, settings.home / "work" / identity)


class Sharing:
    """Pushes a training's folder now and then while it is worked in, beside the work, and once more at its end."""

    def __init__(self, files: Kept) -> None:
        self.files, self._pushed = files, time.monotonic()
        self._pool, self._under_way = ThreadPoolExecutor(1), Future[bool]()
        self._under_way.set_result(True)

    def __enter__(self) -> Sharing:
        return self

    def now_and_then(self) -> None:
        """Push, if it is time and the last one has ended; what went wrong with that is tried again."""
        if time.monotonic() - self._pushed < PUSH_SECONDS or not self._under_way.done():
            return
        if (error := self._under_way.exception()) is not None:
            _log.warning("a training is not up to date for other servers: %s", error)
        self._pushed = time.monotonic()
        self._under_way = self._pool.submit(self.files.push, self.files.work)

    def push(self) -> None:
        """Push now; nothing comes or goes in the folder meanwhile.

        Raises:
            OutputError: the bucket cannot be written.
        """
        wait([self._under_way])
        self.files.push(self.files.work)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:  # fmt: skip
        if kind is not LostError:  # then another worker has the training, and what this one has is not wanted
            self.push()
        self._pool.shutdown()
        self.files.leave()


class InPlace:
    """The folder of the work itself; see `Kept`."""

    def __init__(self, store: LocalStore) -> None:
        self._store, self.work = store, store.folder

    def there(self) -> bool:
        """See `Kept`."""
        return self.work.is_dir()

    def names(self, folder: str) -> Collection[str]:
        """See `Kept`."""
        found = (self.work / folder).rglob("*")
        return [path.relative_to(self.work).as_posix() for path in found if path.is_file()]

    def read(self, name: str) -> bytes | None:
        """See `Kept`."""
        return self._store.read(name)

    def push(self, folder: Path) -> bool:
        """See `Kept`."""
        self.work.mkdir(parents=True, exist_ok=True)
        if folder != self.work:
            bring(folder, self._store)
        return True

    def pull(self, unless: Callable[[str], bool]) -> None:
        """Nothing to do."""

    def leave(self) -> None:
        """Nothing to do."""

    def clear(self) -> None:
        """See `Kept`."""
        self._store.clear()


class Copied:
    """A copy in a bucket; see `Kept`."""

    def __init__(self, store: RemoteStore, work: Path) -> None:
        self._store, self.work = store, work
        self._known: dict[str, tuple[tuple[int, int], str]] = {}  # of a file's time and size, its sha256
        self._there = set[str]()  # sha256 of what the bucket has, by the index or by this object

    def there(self) -> bool:
        """See `Kept`."""
        return asked(self._store).has(INDEX)

    def names(self, folder: str) -> Collection[str]:
        """See `Kept`."""
        return [name for name in self._index(asked(self._store)) if name.startswith(f"{folder}/")]

    def read(self, name: str) -> bytes | None:
        """See `Kept`."""
        store = asked(self._store)
        for _ in range(_TRIES):
            sha256 = self._index(store).get(name)
            try:
                return None if sha256 is None else _content(store, sha256)
            except FileNotFoundError:  # replaced since the index was read
                continue
        raise InputError(name, "no content of it", "a whole copy in the bucket; train again")

    def push(self, folder: Path) -> bool:
        """See `Kept`. Folders that the index has and this one has not stay: it did not need them."""
        before, files = self._index(self._store), dict(_files(folder))
        self._there |= {*before.values()}
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                small = [name for name, path in files.items() if path.stat().st_size <= _SMALL_BYTES]
                digests = pool.map(lambda name: self._pushed(name, files[name]), small)
                now = dict(zip(small, digests, strict=True))
            now |= {name: self._pushed(name, files[name]) for name in sorted(files.keys() - {*small})}
        except FileNotFoundError:
            return False
        if not files.keys() <= dict(_files(folder)).keys():  # a checkpoint that was just replaced, perhaps half seen
            return False
        parts = {name.partition("/")[0] for name in now}
        now |= {name: sha256 for name, sha256 in before.items() if name.partition("/")[0] not in parts}
        if now != before or not self.there():
            self._store.write(INDEX, json.dumps(now, sort_keys=True).encode())
            gone = self._there - {*now.values()}  # and what was written for nothing when files came and went
            self._there -= gone
            self._store.remove_all([f"{CONTENTS}/{sha256}" for sha256 in sorted(gone)])
        if folder == self.work:
            os.utime(folder)  # it is not forgotten: `tasks.desk` clears away what is
        return True

    def pull(self, unless: Callable[[str], bool]) -> None:
        """See `Kept`."""
        wanted = {name: sha256 for name, sha256 in self._index(self._store).items() if not unless(name)}
        self.work.mkdir(parents=True, exist_ok=True)
        for name, path in [*_files(self.work)]:
            if name not in wanted:
                path.unlink()  # of an earlier sitting of this machine
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._pull, wanted, wanted.values()))

    def leave(self) -> None:
        """See `Kept`."""
        shutil.rmtree(self.work, ignore_errors=True)

    def clear(self) -> None:
        """See `Kept`."""
        self._store.below(CONTENTS).clear()  # the index comes last: what is not removed now can be again
        self._store.clear()

    def _index(self, store: LocalStore | RemoteStore) -> Mapping[str, str]:
        found: Mapping[str, str] = json.loads(store.read(INDEX) or b"{}")
        return found

    def _pushed(self, name: str, path: Path) -> str:
        """The sha256 of a file, whose content the bucket has now."""
        stat = path.stat()
        state = (stat.st_mtime_ns, stat.st_size)
        known = self._known.get(name)
        if known is not None and known[0] == state and known[1] in self._there:
            return known[1]
        data = path.read_bytes() if path.suffix in _GROWING or stat.st_size <= _SMALL_BYTES else None
        sha256 = _digest(path) if data is None else hashlib.sha256(data).hexdigest()
        if sha256 not in self._there:
            if data is None:
                self._store.put(f"{CONTENTS}/{sha256}", path)
            else:
                self._store.write(f"{CONTENTS}/{sha256}", data)
        self._there.add(sha256)
        self._known[name] = (state, sha256)
        return sha256

    def _pull(self, name: str, sha256: str) -> None:
        path = self.work / name
        if path.is_file() and _digest(path) == sha256:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._store.fetch(f"{CONTENTS}/{sha256}", path) or _digest(path) != sha256:
            path.unlink(missing_ok=True)
            raise InputError(name, "another content than was kept", "a whole copy in the bucket; train again")


@lru_cache(maxsize=16)
def _content(store: RemoteStore, sha256: str) -> bytes:
    data = store.read(f"{CONTENTS}/{sha256}")
    if data is None:
        raise FileNotFoundError(sha256)
    return data


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Whole files, by name: without what is being written, and what only the process of this machine needs."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and ".partial" not in name and not name.startswith(".") and "/." not in name:
            yield name, path


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
