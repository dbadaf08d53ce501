"""Contents of assets in a folder and in a bucket: the same, but that a bucket's cache may be lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3_server

from packshot.errors import InputError, RequestError
from packshot.server.assets import Assets, NewAsset
from packshot.server.blobs import Blobs
from packshot.server.database import Database


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("s3fs")
    with s3_server.bucket(tmp_path_factory.mktemp("s3") / "log", "shop") as url:
        yield f"{url}/one/assets"


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return Blobs(tmp_path, "" if request.param == "folder" else request.getfixturevalue("bucket"))


def test_what_is_put_is_there_once(blobs: Blobs) -> None:
    names = [blobs.put(data) for data in (b"one", b"two", b"one")]
    assert names[0] == names[2] != names[1]
    assert blobs.path(names[0]).read_bytes() == b"one"
    assert set(names) <= set(blobs.aged(-60)) and not set(names) & set(blobs.aged(3600))
    blobs.remove(names[0])
    assert names[0] not in set(blobs.aged(-60))


def test_a_lost_cache_costs_nothing(bucket: str, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "here", bucket)
    name = blobs.put(b"shared")
    shutil.rmtree(tmp_path / "here")
    assert blobs.path(name).read_bytes() == b"shared"
    assert Blobs(tmp_path / "there", bucket).path(name).read_bytes() == b"shared"
    blobs.remove(name)
    with pytest.raises(InputError, match="nothing"):
        blobs.path(name)


def test_sweeping_leaves_what_assets_have(blobs: Blobs, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.sqlite'}")
    database.migrate()
    assets = Assets(database, tmp_path / "home", "" if blobs.store is None else blobs.store.url.removesuffix("/assets"))
    with database.write() as connection:
        kept = [assets.add(connection, NewAsset("upload", "a", "image/png", data)) for data in (b"a", b"b", b"a")]
    orphan = assets.store(b"nobody's")
    assert assets.sweep() == 0 and assets.delete(kept[0].id) and assets.delete(kept[1].id)
    assert not assets.delete(kept[1].id)
    assert assets.sweep(grace_seconds=-60) >= 2
    left = set(assets.blobs.aged(-60))
    assert kept[2].sha256 in left and not {kept[1].sha256, orphan} & left
    database.close()


def test_other_urls_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="s3://"):
        Blobs(tmp_path, "ftp://host/folder")
