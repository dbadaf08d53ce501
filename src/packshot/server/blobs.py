"""Content by its sha256: in a folder of this machine, or in a bucket that several machines share.

With a bucket the folder is a cache, which may be lost. Content never changes, so that nothing can be out of date.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from packshot.errors import InputError
from packshot.images import write_atomically
from packshot.listing.remote import RemoteStore
from packshot.listing.store import open_store

CACHE_SECONDS = 86_400.0
"""How long content that nobody asks for stays in the cache of a bucket."""


class Blobs:
    """Contents.

    Args:
        folder: of this machine.
        url: of a bucket's folder, `s3://bucket/folder`; empty for none.

    Raises:
        RequestError: a URL of another kind.
        MissingExtraError: what buckets need is not installed.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        store = open_store(url, "--assets") if url else None
        self.store = store if isinstance(store, RemoteStore) else None

    def put(self, data: bytes) -> str:
        """Keep content, whole or not at all; its sha256. What is there already counts as new for `aged`."""
        digest = hashlib.sha256(data).hexdigest()
        if self.store is not None:
            self.store.write(_name(digest), data)
        self._cache(digest, data)
        return digest

    def path(self, sha256: str) -> Path:
        """A file with the content.

        Raises:
            InputError: it is gone from the bucket.
            OutputError: the bucket cannot be read.
        """
        path = self.folder / _name(sha256)
        if self.store is None:
            return path
        try:
            os.utime(path)
        except FileNotFoundError:
            data = self.store.read(_name(sha256))
            if data is None:
                raise InputError(self.store.shown(_name(sha256)), "nothing", "the content of an asset") from None
            self._cache(sha256, data)
        return path

    def aged(self, seconds: float) -> Iterator[str]:
        """The sha256 of what was put longer ago; clears the cache of a bucket on the way."""
        before = time.time() - seconds
        if self.store is None:
            yield from (path.name for path in self._files() if _modified(path) < before)
            return
        for path in self._files():
            if _modified(path) < time.time() - CACHE_SECONDS:
                path.unlink(missing_ok=True)
        yield from (name.rpartition("/")[2] for name, file in self.store.listed().items() if file.modified < before)

    def remove(self, sha256: str) -> None:
        """Remove content, if it is there."""
        if self.store is not None:
            self.store.remove(_name(sha256))
        (self.folder / _name(sha256)).unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        return (path for path in self.folder.glob("??/*") if len(path.name) == 64 or path.suffix == ".tmp")

    def _cache(self, sha256: str, data: bytes) -> None:
        path = self.folder / _name(sha256)
        try:
            os.utime(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _modified(path: Path) -> float:
    with suppress(FileNotFoundError):  # swept by another server meanwhile
        return path.stat().st_mtime
    return time.time()
