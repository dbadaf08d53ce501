"""Where files lie that every server of one database sees: in the bucket, or, without one, in `home`.

Both have the same folders: `assets`, `listings`, `trainings`, `packs`. With a bucket, `home` only has what may be lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from packshot.listing.remote import RemoteStore
from packshot.listing.store import LocalStore, open_store
from packshot.server.settings import Settings

ASKED_PATIENCE_SECONDS = 5.0
"""How long a bucket in trouble is waited for while somebody waits for an answer."""

_AT_ONCE, _SMALL_BYTES = 16, 4_000_000


def shared(settings: Settings, *folders: str) -> LocalStore | RemoteStore:
    """The store of a folder that all servers see."""
    return open_store("/".join([settings.assets.rstrip("/") or str(settings.home), *folders]), "--assets")


def asked(store: LocalStore | RemoteStore) -> LocalStore | RemoteStore:
    """The same store, for an answer that somebody waits for."""
    return replace(store, patience_seconds=ASKED_PATIENCE_SECONDS) if isinstance(store, RemoteStore) else store


@contextmanager
def incoming(settings: Settings, identity: str) -> Iterator[Path]:
    """A folder of this machine for what a client sends, until the block ends; `Desk` clears away a killed server's."""
    folder = settings.home / "work" / f"incoming-{identity}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bring(folder: Path, store: LocalStore | RemoteStore) -> None:
    """Write all files below a folder into a store: small ones side by side, large ones one by one.

    Raises:
        OutputError: some are not there.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    small = [path for path in files if path.stat().st_size <= _SMALL_BYTES]

    def put(path: Path) -> None:
        store.put(path.relative_to(folder).as_posix(), path)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(put, small))
    for path in sorted({*files} - {*small}):
        put(path)
