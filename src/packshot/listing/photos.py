"""Photos of products: which file a row names or its SKU points to, and whether it can be read."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TypeVar

from packshot.catalogue.files import PICTURE_ENDINGS
from packshot.errors import InputError
from packshot.generation.parallel import in_order
from packshot.images import picture_size
from packshot.listing.products import Photo
from packshot.listing.remote import RemoteFile, RemoteStore

T = TypeVar("T")
Contents = Mapping[str, bytes]
"""Of files, by name."""

_NOTHING: Contents = MappingProxyType({})
_FETCHED_AT_ONCE = 16
_LARGEST_BYTES = 500_000_000
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|data:|//", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:[/\\]|\\\\|/(?!/)|~")
_SEVERAL = re.compile(r"[;；|\n]|[,，、]")
_VIEWS = "main|front|back|side|top|bottom|left|right|(?:detail|主图|正面|背面|侧面|细节图?|白底图?)[0-9]*"
_VIEW = re.compile(rf"(?P<base>.+?)[ _.(（-]+(?P<view>[0-9]{{1,2}}|{_VIEWS})[)）]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """What a row's photo cell leads to.

    Attributes:
        files: relative to the folder, in the cell's order.
        faults: one line for each name that leads to no file.
    """

    files: tuple[str, ...]
    faults: tuple[str, ...]


class PhotoFolder:
    """The pictures below one folder, by name. Hidden files and links out of the folder are not among them."""

    def __init__(self, root: Path | RemoteStore) -> None:
        """List the folder.

        Raises:
            InputError: it is no folder that can be read.
            OutputError: likewise, of a store.
        """
        self.root = root
        self._source = _Disk(root) if isinstance(root, Path) else _Bucket(root)
        self.files = tuple(sorted(filter(_is_shown_picture, self._source.names()), key=_natural))
        self._by_path = _index((file, (_plain(file),)) for file in self.files)
        self._by_name = _index((file, _name_forms(file)) for file in self.files)
        self._by_sku = _index((file, _sku_forms(file)) for file in self.files)

    def shown(self) -> str:
        """The folder, for people."""
        return str(self.root) if isinstance(self.root, Path) else self.root.shown()

    def named(self, cell: str) -> Named:
        """The files that a cell names: one, or several with commas, semicolons, bars or line ends between."""
        whole = self._find(cell)
        if not isinstance(whole, str) or not _SEVERAL.search(cell):
            return Named((), (whole,)) if isinstance(whole, str) else Named(whole, ())
        found = [self._find(part.strip()) for part in _SEVERAL.split(cell) if part.strip()]
        files = dict.fromkeys(file for names in found if not isinstance(names, str) for file in names)
        return Named(tuple(files), tuple(fault for fault in found if isinstance(fault, str)))

    def of_sku(self, sku: str, others: Collection[str]) -> tuple[str, ...]:
        """The files named after a SKU: `SKU.jpg`, `SKU_1.jpg`, `SKU-front.jpg`, or in a folder of that name.

        Args:
            sku: of the product.
            others: all SKUs, as `plain_sku`: `A-1.jpg` is the photo of A-1 if there is such a product, else of A.
        """
        wanted = plain_sku(sku)
        found = self._by_sku.get(wanted, ())
        return tuple(f for f in found if next((form for form in _sku_forms(f) if form in others), wanted) == wanted)

    def products(self) -> dict[str, tuple[str, ...]]:
        """The folder as a catalogue: a sub-folder is a product, and so are files that differ in their view alone."""
        found: dict[str, list[str]] = {}
        for file in self.files:
            path = PurePosixPath(file)
            view = _VIEW.fullmatch(path.stem)
            name = path.parent.as_posix() if len(path.parts) > 1 else view["base"] if view else path.stem
            found.setdefault(name, []).append(file)
        return {name: tuple(files) for name, files in sorted(found.items())}

    def ahead(self, items: Iterable[T], files_of: Callable[[T], Sequence[str]]) -> Iterator[tuple[T, Contents]]:
        """The items, each with what is already known of its files; those of later ones are fetched meanwhile.

        Raises:
            OutputError: a store cannot be read.
        """
        return self._source.ahead(items, files_of)

    def load(self, file: str, known: Contents = _NOTHING) -> Photo | str:
        """Read a photo to its end; what is wrong with it, where that fails.

        Args:
            file: one of `files`.
            known: contents by file, see `ahead`.

        Raises:
            OutputError: a store cannot be read.
        """
        try:
            return self._source.load(file, known)
        except _OutsideError:
            return f"the photo '{file}' lies outside the folder"
        except _TooLargeError:
            return f"the photo '{file}' has more than {_LARGEST_BYTES:,} bytes"
        except InputError as error:
            return f"the photo '{file}' cannot be read: {error.got}"
        except OSError as error:
            return f"the photo '{file}' cannot be read: {error.strerror or error}"

    def _find(self, name: str) -> tuple[str] | str:
        """The one file of a name, or what is wrong with it."""
        shown = name if len(name) <= 80 else name[:79] + "…"
        if _DRIVE.match(name):
            return f"the photo '{shown}' has an absolute path; accepted: names inside the photos' folder"
        if _URL.match(name):
            return f"the photo '{shown}' is a URL; accepted: names of files in the photos' folder"
        path = PurePosixPath(name.replace("\\", "/"))
        if ".." in path.parts or "\0" in name:
            return f"the photo '{shown}' lies outside the folder"
        plain = _plain(path.as_posix())
        found = self._by_path.get(plain) or self._by_name.get(plain, ())
        if len(found) > 1:
            found = tuple(file for file in found if file == path.as_posix()) or found
        if len(found) > 1:
            return f"the photo '{shown}' could be any of {len(found)} files, such as {found[0]} and {found[1]}"
        return (found[0],) if found else f"the photo '{shown}' is missing"


class _OutsideError(Exception):
    """A link that leads out of the folder."""


class _TooLargeError(Exception):
    """More bytes than a photo may have."""


class _Disk:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            self._real_root = root.resolve(strict=True)
            os.scandir(root).close()
        except OSError as error:
            raise InputError(root, error.strerror or str(error), "a folder of photos") from None

    def names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(name for name in folders if not _is_hidden(name))
            yield from ((Path(folder) / file).relative_to(self._root).as_posix() for file in files)

    def ahead(self, items: Iterable[T], files_of: Callable[[T], Sequence[str]]) -> Iterator[tuple[T, Contents]]:
        return ((item, _NOTHING) for item in items)

    def load(self, file: str, known: Contents) -> Photo:
        path = self._root / file
        if not path.resolve(strict=True).is_relative_to(self._real_root):
            raise _OutsideError
        if path.stat().st_size > _LARGEST_BYTES:
            raise _TooLargeError
        width, height = picture_size(path, where=file)
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Photo(path.absolute(), file, digest, width, height)  # workers may have another working folder


class _Bucket:
    """A folder in an object store."""

    def __init__(self, store: RemoteStore) -> None:
        self._store, self._listed = store, store.listed()
        if not self._listed:  # stores know no folders that are empty
            raise InputError(store.url, "nothing there", "a folder of photos")

    def names(self) -> Iterator[str]:
        return iter(self._listed)

    def ahead(self, items: Iterable[T], files_of: Callable[[T], Sequence[str]]) -> Iterator[tuple[T, Contents]]:
        with ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
            yield from in_order(pool, lambda item: (item, self._fetched(files_of(item))), items, 2 * _FETCHED_AT_ONCE)

    def load(self, file: str, known: Contents) -> Photo:
        if self._listed[file].size_bytes > _LARGEST_BYTES:
            raise _TooLargeError
        path = RemoteFile(self._store, file)
        data = known.get(file) or path.read_bytes()
        return Photo(path, file, hashlib.sha256(data).hexdigest(), *picture_size(data, where=file))

    def _fetched(self, files: Sequence[str]) -> Contents:
        small = [file for file in files if self._listed[file].size_bytes <= _LARGEST_BYTES]
        found = {file: self._store.read(file) for file in small}
        return {file: data for file, data in found.items() if data is not None}


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _is_shown_picture(file: str) -> bool:
    *folders, name = file.split("/")
    ending = name.rpartition(".")[2].casefold()
    return ending in PICTURE_ENDINGS and not name.startswith(".") and not any(map(_is_hidden, folders))


def plain_sku(sku: str) -> str:
    """A SKU as file names spell it: no case, and a low line for what file names cannot hold."""
    return re.sub(r'[\\/:*?"<>|\s]', "_", _plain(sku))


def _plain(name: str) -> str:
    """Names as people compare them: macOS writes accents apart, Windows knows no case."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def _index(entries: Iterator[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    index: dict[str, list[str]] = {}
    for file, forms in entries:
        for form in dict.fromkeys(forms):
            index.setdefault(form, []).append(file)
    return {form: tuple(files) for form, files in index.items()}


def _name_forms(file: str) -> tuple[str, ...]:
    """What a cell may call a file: its path without ending, its name, its name without ending."""
    path = PurePosixPath(file)
    return _plain(path.with_suffix("").as_posix()), _plain(path.name), _plain(path.stem)


def _sku_forms(file: str) -> tuple[str, ...]:
    """The SKUs that a file may belong to, the likeliest first: its folder, its name, its name without the view."""
    path = PurePosixPath(file)
    view = _VIEW.fullmatch(path.stem)
    names = [*([path.parent.name] if path.parent.name else []), path.stem, *([view["base"]] if view else [])]
    return tuple(map(plain_sku, names))


def _natural(file: str) -> tuple[tuple[int, int, str], ...]:
    """Order in which 2 comes before 10, a bare name before its views and the main view before others."""
    path = PurePosixPath(file)
    view = _VIEW.fullmatch(path.stem)
    base = [run for piece in (*path.parts[:-1], view["base"] if view else path.stem) for run in _runs(piece)]
    if view is None:
        return (*base, (-2, 0, ""))
    is_main = view["view"].casefold().startswith(("main", "front", "主图", "正面"))
    return (*base, (-1, 0, "")) if is_main else (*base, *_runs(view["view"]))


def _runs(text: str) -> list[tuple[int, int, str]]:
    runs = re.findall(r"[0-9]+|[^0-9]+", text.casefold())
    return [(0, int(run), "") if run.isdecimal() else (1, 0, run) for run in runs]
