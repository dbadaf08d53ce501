"""Photos in a store are found and read as those of a local folder are."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fsspec")

import fsspec
from listing_tables import opened, photo, read, table, truncated

from packshot.errors import InputError, OutputError, RequestError
from packshot.listing.intake import open_products, read_products
from packshot.listing.photos import PhotoFolder
from packshot.listing.preparing import _apart
from packshot.listing.products import Problem, Product
from packshot.listing.remote import RemoteStore
from packshot.listing.store import open_store
from packshot.listing.tables import open_table


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Path, RemoteStore]]:
    """A folder, and a store that holds the same."""
    folder, store = tmp_path / "photos", RemoteStore(f"memory://{tmp_path.name}/photos")
    for number in range(40):
        photo(folder / f"A{number}.jpg", 3 * number)
    photo(folder / "B" / "front.png", 130)
    photo(folder / "B" / "10.png", 131)
    photo(folder / "B" / "9.png", 132)
    photo(folder / ".hidden" / "A1.jpg")
    photo(folder / "__MACOSX" / "A1.jpg")
    photo(folder / ".A2.jpg")
    truncated(folder / "broken.jpg")
    (folder / "notes.txt").write_text("no picture")
    for path in folder.rglob("*"):
        if path.is_file():
            store.write(path.relative_to(folder).as_posix(), path.read_bytes())
    yield folder, store
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)


def test_the_same_photos_by_the_same_names(both: tuple[Path, RemoteStore]) -> None:
    here, there = (PhotoFolder(each) for each in both)
    assert there.files == here.files and len(there.files) == 44
    assert there.products() == here.products() and there.named("A3, B/9").files == here.named("A3, B/9").files
    assert there.load("broken.jpg") == here.load("broken.jpg") and "damaged" in str(here.load("broken.jpg"))
    one = there.load("B/9.png")
    assert not isinstance(one, str) and hashlib.sha256(one.path.read_bytes()).hexdigest() == one.sha256


def test_the_same_products_in_the_same_order(both: tuple[Path, RemoteStore], tmp_path: Path) -> None:
    folder, store = both
    rows = [f"A{number},brown bag," for number in range(40)] + [
        "A3,again,",
        "B,red shoe,",
        "C,hat,broken.jpg",
        "D,,A1.jpg",
    ]
    source = table(tmp_path, "sku,title,photo\n" + "\n".join([*rows, ",no sku,A1.jpg", "E,hat,none.jpg"]))
    products, problems = read(source, folder)
    items = list(read_products(open_products(open_table(source), photos=store)))
    plain = [dataclasses.replace(item, photos=()) for item in items if isinstance(item, Product)]
    assert plain == [dataclasses.replace(product, photos=()) for product in products] and len(plain) == 41
    assert [item for item in items if isinstance(item, Problem)] == problems and len(problems) == 5
    photos = [each for item in items if isinstance(item, Product) for each in item.photos]
    expected = [each for product in products for each in product.photos]
    assert [(p.name, p.sha256, p.width_px) for p in photos] == [(p.name, p.sha256, p.width_px) for p in expected]
    assert f"44 files in {store.url}" in open_products(open_table(source), photos=store).lines()[2]


def test_a_store_that_cannot_be_read_is_no_lack_of_photos(tmp_path: Path) -> None:
    class Broken(RemoteStore):
        def read(self, name: str) -> bytes | None:
            raise OutputError(self.shown(name), "503", "a store that answers")

    store = Broken(f"memory://{tmp_path.name}/photos")
    store.write("A.jpg", b"x")
    catalogue = open_products(open_table(table(tmp_path, "sku,title\nA,hat\n")), photos=store)
    with pytest.raises(OutputError, match="503"):
        list(read_products(catalogue))


def test_a_folder_that_is_not_there_is_no_folder_without_photos(tmp_path: Path) -> None:
    source = table(tmp_path, "sku,title\nA,hat\n")
    for missing in (tmp_path / "none", RemoteStore(f"memory://{tmp_path.name}/none")):
        with pytest.raises(InputError, match="a folder of photos"):
            open_products(open_table(source), photos=missing)


def test_pictures_are_not_written_among_the_photos(both: tuple[Path, RemoteStore], tmp_path: Path) -> None:
    source = table(tmp_path, "sku,title\nA1,hat\n")
    catalogue = open_products(open_table(source), photos=both[1])
    with pytest.raises(RequestError, match="inside the folder of the photos"):
        _apart(RemoteStore(f"{both[1].url}/out"), catalogue)
    for apart in (RemoteStore(f"{both[1].url}-2"), open_store(str(both[0] / "out"))):
        _apart(apart, catalogue)
    _apart(RemoteStore(f"{both[1].url}/out"), opened(source, both[0]))
