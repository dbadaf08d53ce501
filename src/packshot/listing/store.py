"""Where a run's results lie: a folder of this machine, or one in an object store, with no difference to the rest.

A store is a value that other processes may have a copy of. Names in it are relative, with slashes. What changes by
the line, and the right to run at all, belong to one process: see `Store.alone`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packshot.errors import OutputError, RequestError
from packshot.images import write_atomically

if TYPE_CHECKING:
    from packshot.listing.remote import RemoteStore

_LOCK = ".packshot-listing.lock"


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written.

    Attributes:
        name: in the store.
        sha256: in hex.
        md5: in hex; None where it was not noted.
    """

    name: str
    sha256: str
    md5: str | None

    @classmethod
    def of(cls, name: str, data: bytes) -> Written:
        """The digests of `data`. MD5 is no proof against forgers: it is what object stores list of a file unread."""
        return cls(name, hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())


class Journal(Protocol):
    """Files of lines, which a run adds to; for the one process that holds the store."""

    def append(self, name: str, line: bytes) -> None:
        """Add a whole line, with its end. Being killed costs at most the lines of the last seconds.

        Raises:
            OutputError: it cannot be written, or the store is no longer held.
        """

    def rewrite(self, name: str, lines: bytes) -> None:
        """Replace all lines of a file, whole or not at all.

        Raises:
            OutputError: as above.
        """


class Store(Protocol):
    """A place for results, which copies of itself in other processes write to as well."""

    def shown(self, name: str = "") -> str:
        """The store, or a file in it, for people."""

    def read(self, name: str) -> bytes | None:
        """A file; None where there is none.

        Raises:
            OutputError: it cannot be read.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all, with the folders that it lies in.

        Raises:
            OutputError: it cannot be written; what had that name stays.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            OutputError: it stays.
        """

    def below(self, folder: str) -> Store:
        """The store of a folder in this one."""

    def has(self, name: str) -> bool:
        """Whether there is a file of that name.

        Raises:
            OutputError: the store cannot be read.
        """

    def put(self, name: str, path: Path) -> None:
        """Write what a file of this machine holds, however large; that one is not changed any more.

        Raises:
            OutputError: as `write`.
        """

    def fetch(self, name: str, path: Path) -> bool:
        """Write a file, however large, to one of this machine, whole or not at all; whether there is such a file.

        Raises:
            OutputError: it cannot be read, or not be written there.
        """

    def clear(self) -> None:
        """Remove all files, if there are any.

        Raises:
            OutputError: some stay.
        """

    def intact(self, files: Sequence[Written]) -> set[Written]:
        """Those that are there as they were written.

        Raises:
            OutputError: the store cannot be read.
        """

    def stamp(self, name: str) -> Hashable:
        """Another value whenever `lines` has changed, at a fraction of the cost of reading them.

        Raises:
            OutputError: the store cannot be read.
        """

    def forget(self, name: str) -> None:
        """Remove a file of lines, with all that was added to it; only while no run holds the store.

        Raises:
            OutputError: it stays.
        """

    def lines(self, name: str) -> bytes:
        """What a journal has added to a file; its end may be torn, and a line may be there twice.

        Raises:
            OutputError: it cannot be read.
        """

    def alone(self) -> AbstractContextManager[Journal]:
        """Hold the store for one run, and remove what killed ones have left half written; a dead process holds nothing.

        Raises:
            OutputError: another run holds it, or it cannot be written to.
        """


def open_store(place: str, option: str = "--out") -> LocalStore | RemoteStore:
    """The store of a local folder or of a URL; looks for nothing there yet.

    Args:
        place: the folder or URL.
        option: by which it was told, for messages.

    Raises:
        RequestError: a URL of another kind, or one that holds more than a folder.
        MissingExtraError: what object stores need is not installed.
    """
    if "://" not in place:
        return LocalStore(Path(place))
    from packshot.listing.remote import PROTOCOLS, RemoteStore, file_system

    protocol, _, rest = place.partition("://")
    accepted = f"a local folder, or a URL such as {PROTOCOLS[0]}://bucket/folder"
    if protocol not in PROTOCOLS:
        raise RequestError(option, f"a URL of {protocol}://", accepted)
    if any(sign in rest for sign in "@?#") or "::" in place:  # not shown: what stands there may be a password
        raise RequestError(option, "a URL with one of @ ? # ::", f"{accepted}; keys come from the environment")
    if not rest.strip("/") or rest.startswith("/") or "//" in rest:
        raise RequestError(option, f"'{place}'", accepted)
    file_system(protocol)
    return RemoteStore(f"{protocol}://{rest.rstrip('/')}")


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A folder of this machine; see `Store`.

    Attributes:
        folder: made where it is missing, once something is written.
    """

    folder: Path

    def __reduce__(self) -> tuple[type[LocalStore], tuple[Path]]:
        return LocalStore, (self.folder.absolute(),)  # the other process may have another working folder

    def shown(self, name: str = "") -> str:
        """See `Store`."""
        return str(self.folder / name)

    def read(self, name: str) -> bytes | None:
        """See `Store`."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(self.shown(name), error.strerror or "an error", "a file that can be read") from None

    def write(self, name: str, data: bytes) -> None:
        """See `Store`."""
        path = self.folder / name
        self._make(path.parent)
        write_atomically(path, data)

    def remove(self, name: str) -> None:
        """See `Store`."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(self.shown(name), error.strerror or "an error", "a file that can be removed") from None

    def below(self, folder: str) -> LocalStore:
        """See `Store`."""
        return LocalStore(self.folder / folder)

    def has(self, name: str) -> bool:
        """See `Store`."""
        return (self.folder / name).is_file()

    def put(self, name: str, path: Path) -> None:
        """See `Store`; a link where that can be."""
        target = self.folder / name
        self._make(target.parent)
        _place(path, target, self.shown(name))

    def fetch(self, name: str, path: Path) -> bool:
        """See `Store`; a link where that can be."""
        if not self.has(name):
            return False
        _place(self.folder / name, path, str(path))
        return True

    def clear(self) -> None:
        """See `Store`."""
        try:
            shutil.rmtree(self.folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OutputError(self.folder, error.strerror or "an error", "files that can be removed") from None

    def intact(self, files: Sequence[Written]) -> set[Written]:
        """See `Store`; reads every file."""
        return {file for file in files if self._digest(file.name) == file.sha256}

    def stamp(self, name: str) -> Hashable:
        """See `Store`."""
        try:
            known = (self.folder / name).stat()
        except FileNotFoundError:
            return None
        return known.st_mtime_ns, known.st_size, known.st_ino

    def forget(self, name: str) -> None:
        """See `Store`."""
        self.remove(name)

    def lines(self, name: str) -> bytes:
        """See `Store`."""
        return self.read(name) or b""

    @contextmanager
    def alone(self) -> Iterator[Journal]:
        """See `Store`."""
        self._make(self.folder)
        try:
            file = (self.folder / _LOCK).open("a")
        except OSError as error:
            raise OutputError(self.folder, error.strerror or "an error", "a folder that can be written to") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(self.folder, "another run that is writing there", "one run at a time") from None
            for path in self.folder.rglob(".packshot-*.tmp"):  # of `images.write_atomically`
                path.unlink(missing_ok=True)
            yield _LocalJournal(self)

    def _digest(self, name: str) -> str | None:
        try:
            with (self.folder / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(folder, error.strerror or "an error", "a folder that can be written to") from None


@dataclass(frozen=True, slots=True)
class _LocalJournal:
    """Appends to the files themselves; see `Journal`."""

    store: LocalStore

    def append(self, name: str, line: bytes) -> None:
        """See `Journal`: one call to the system, so that being killed leaves all of it or a torn end."""
        path = self.store.folder / name
        try:
            with path.open("ab", buffering=0) as file:
                before = file.tell()
                if file.write(line) != len(line):
                    file.truncate(before)
                    raise OutputError(path, "a full disk", "room for one more line")
        except OSError as error:
            raise OutputError(path, error.strerror or "an error", "a file that can be written, with room") from None

    def rewrite(self, name: str, lines: bytes) -> None:
        """See `Journal`."""
        self.store.write(name, lines)


def _place(source: Path, target: Path, shown: str) -> None:
    """A file under another name, by a temporary one beside it: linked, or copied where the file system can't link."""
    temporary = target.parent / f".packshot-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(shown, error.strerror or "an error", "files that can be written, with room") from None
    finally:
        temporary.unlink(missing_ok=True)  # also where both names were links to one file already
