"""A folder of a job's own, in which assets lie under names that programs accept, and from which no path gets out."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from packshot.errors import PackshotError
from packshot.server.assets import Asset
from packshot.server.tasks.interface import Context, file_of

_SUFFIXES = {
    "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif", "image/bmp": ".bmp",
    "image/tiff": ".tif", "image/avif": ".avif", "application/json": ".json",
}  # fmt: skip
_LONGEST_STEM = 40
_FORGOTTEN_SECONDS = 86_400.0


class Desk:
    """Made at `with`, gone at its end; what killed workers left is cleared away after a day.

    Errors of packshot's that leave the block say nothing of this machine's folders.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.folder = Path()

    def __enter__(self) -> Desk:
        root = self._context.settings.home / "work"
        root.mkdir(parents=True, exist_ok=True)
        _clear(root)
        self.folder = Path(tempfile.mkdtemp(prefix="job-", dir=root))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:  # fmt: skip
        shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, PackshotError):
            raise self._told(error) from None

    def asset(self, identity: str, where: str) -> tuple[Asset, Path]:
        """An asset, and a file with its content, named after its id."""
        asset, content = file_of(self._context.assets, identity, where)
        return asset, self._linked(content, asset.id + suffix_of(asset.media_type))

    def file_of(self, identity: str, where: str) -> Path:
        """The file alone."""
        return self.asset(identity, where)[1]

    def named(self, identity: str, where: str) -> tuple[Asset, Path]:
        """An asset, and a file with its content under the name that it came with."""
        asset, content = file_of(self._context.assets, identity, where)
        return asset, self._linked(content, f"{stem_of(asset.name)}{suffix_of(asset.media_type)}")

    def _linked(self, content: Path, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            try:
                os.link(content, path)
            except OSError:  # a file system without links
                shutil.copyfile(content, path)
        return path

    def _told(self, error: PackshotError) -> PackshotError:
        where, got, accepted = (str(part).replace(f"{self.folder}{os.sep}", "") for part in
                                (error.where, error.got, error.accepted))  # fmt: skip
        return type(error)(where, got, accepted)


def suffix_of(media_type: str) -> str:
    """Of a file of this type, with its dot; nothing for one that is unknown."""
    return _SUFFIXES.get(media_type, "")


def stem_of(name: str) -> str:
    """A name without its ending, short enough for every file system."""
    return Path(name).stem.strip(". ")[:_LONGEST_STEM] or "picture"


def _clear(root: Path) -> None:
    for folder in root.iterdir():
        with suppress(OSError):  # its job may just be ending
            if time.time() - folder.stat().st_mtime > _FORGOTTEN_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
