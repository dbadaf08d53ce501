"""Packs that were trained, for every server of a bucket: published whole, and kept the same in each server's `home`.

In the bucket, `packs/NAME/pack.json` says by sha256 which contents beside it are the pack's. So one that is replaced
while it is fetched is either the old or the new one. Without a bucket there is nothing to do: `home` is all there is.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packshot.errors import PackError, PackshotError
from packshot.listing.remote import Listed, RemoteStore
from packshot.packs import MANIFEST, available
from packshot.server.settings import Settings
from packshot.server.shared import asked, shared
from packshot.server.tasks.packs import FOLDER

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""Of a pack that is trained on a server."""

SYNC_SECONDS = 5.0
"""After which a pack that another server has trained, replaced or removed is known here."""

_COPY = ".copy"
"""File in a pack's folder here: the bucket has it, too."""

_log = logging.getLogger("packshot.server")


def bring(settings: Settings, name: str) -> None:
    """Have a pack here, if the bucket has it and this server has not yet.

    Raises:
        OutputError: the bucket cannot be read.
        PackError: what it has is damaged.
    """
    store = asked(shared(settings, FOLDER)).below(name)
    if isinstance(store, RemoteStore) and NAME.fullmatch(name) and name not in available():
        _fetch(store, settings.home / FOLDER / name)


def publish(settings: Settings, name: str) -> None:
    """Let all servers have a pack that was trained here.

    Raises:
        OutputError: the bucket cannot be written; what it had of that name stays.
    """
    store, folder = shared(settings, FOLDER, name), settings.home / FOLDER / name
    if not isinstance(store, RemoteStore):
        return
    text = (folder / MANIFEST).read_bytes()
    files = json.loads(text)["files"]
    for file, sha256 in files.items():
        store.put(sha256, folder / file)
    store.write(MANIFEST, text)
    store.remove_all(sorted(store.listed().keys() - {MANIFEST, *files.values()}))
    (folder / _COPY).touch()


def withdraw(settings: Settings, name: str) -> None:
    """Let no server have a pack any more; this one's own copy its caller takes away, the others theirs by `sync`.

    Raises:
        OutputError: the bucket cannot be written.
    """
    store = asked(shared(settings, FOLDER, name))
    if isinstance(store, RemoteStore):
        store.remove(MANIFEST)  # without it there is no pack, whatever stays if this ends here
        store.clear()


def sync(settings: Settings) -> None:
    """Have here what the bucket has now, and of its packs no others.

    Raises:
        OutputError: the bucket cannot be read.
    """
    store, root = asked(shared(settings, FOLDER)), settings.home / FOLDER
    if not isinstance(store, RemoteStore):
        return
    there = {name.partition("/")[0]: row for name, row in store.listed().items() if name.endswith(f"/{MANIFEST}")}
    for name, row in there.items():
        if not _is_same(store.below(name), row, root / name):
            try:
                _fetch(store.below(name), root / name)
            except PackError as error:  # one pack must not keep the others from coming
                _log.warning("%s", settings.told(error))
    for mark in root.glob(f"*/{_COPY}"):
        if mark.parent.name not in there:
            shutil.rmtree(mark.parent, ignore_errors=True)


class Stock:
    """A thread that calls `sync` now and then."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self._stop = settings, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stock", daemon=True)

    def start(self) -> None:
        """Begin, where there is a bucket; returns at once."""
        if self.settings.assets:
            self._thread.start()

    def stop(self) -> None:
        """End; a pack that is just being fetched is not waited for."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                sync(self.settings)
            except PackshotError as error:
                _log.warning("packs of other servers: %s", error)
            except Exception:  # a bug here must not end it for good
                _log.exception("packs of other servers")
            self._stop.wait(SYNC_SECONDS)


def _is_same(store: RemoteStore, row: Listed, folder: Path) -> bool:
    """Whether the pack here is the bucket's: by the MD5 that S3 lists; where it lists something else, by reading."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return False
    same = hashlib.md5(text, usedforsecurity=False).hexdigest() == row.tag or store.read(MANIFEST) == text
    if same:
        (folder / _COPY).touch()
    return same


def _fetch(store: RemoteStore, folder: Path) -> None:
    """Put a pack in its place, each of its files as its manifest says; nothing where the bucket has none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent), tempfile.TemporaryDirectory(prefix=".fetched-", dir=folder.parent) as aside:
        text = store.read(MANIFEST)
        if text is None or ((folder / MANIFEST).exists() and (folder / MANIFEST).read_bytes() == text):
            return
        new = Path(aside) / "new"
        new.mkdir()
        for file, sha256 in json.loads(text)["files"].items():
            data = store.read(sha256)
            if data is None or hashlib.sha256(data).hexdigest() != sha256 or Path(file).name != file:
                raise PackError(store.shown(), f"another {file} than its manifest says", "a whole pack; train it again")
            (new / file).write_bytes(data)
        (new / MANIFEST).write_bytes(text)
        (new / _COPY).touch()
        if folder.exists():
            folder.rename(Path(aside) / "old")
        new.rename(folder)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One process of this server fetches at a time: the others then find the pack there."""
    with (root / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
