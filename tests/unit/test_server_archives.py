"""ZIP files of clients: what would write elsewhere, or never end, is refused before or while it is unpacked."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from packshot.errors import InputError
from packshot.server.archives import Limits, is_zip, packed, unpack, weigh

ROOMY = Limits(100, 1_000_000)


def archive(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in files:
            made.writestr(name, data)
    buffer.seek(0)
    return buffer


def unpacked(stream: io.BytesIO, into: Path, limits: Limits = ROOMY) -> list[str]:
    return unpack(stream, into, limits, lambda name: name.endswith((".jpg", ".csv")), "photos")


def link(name: str) -> zipfile.ZipInfo:
    row = zipfile.ZipInfo(name)
    row.create_system, row.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return row


def test_plain_archives_are_unpacked(tmp_path: Path) -> None:
    stream = archive(("a.jpg", b"1"), ("图/鞋.jpg", b"22"), ("t/t.csv", b"3"), ("notes.txt", b"4"),
                     ("__MACOSX/a.jpg", b"5"), (".b.jpg", b"6"), ("empty/", b""))  # fmt: skip
    assert is_zip(stream) and unpacked(stream, tmp_path) == ["a.jpg", "图/鞋.jpg", "t/t.csv"]
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"a.jpg": b"1", "图/鞋.jpg": b"22", "t/t.csv": b"3"}


def test_names_of_chinese_file_managers_are_read(tmp_path: Path) -> None:
    data = archive(("abcd.jpg", b"1")).getvalue().replace(b"abcd.jpg", "红鞋.jpg".encode("gb18030"))
    assert unpack(io.BytesIO(data), tmp_path, ROOMY, lambda name: True, "photos") == ["红鞋.jpg"]


def test_an_index_that_would_fill_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = zipfile.ZipInfo("a.jpg")
    row.comment = bytes(60_000)
    stream = archive((row, b""))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(InputError, match="index of 60,"):
        unpack(stream, tmp_path, Limits(10, 100), lambda name: True, "photos")


@pytest.mark.parametrize("name", [
    "/etc/passwd.jpg", "../a.jpg", "a/../../b.jpg", "a//b.jpg", "./a.jpg", "C:/a.jpg", "c:a.jpg", "a\nb.jpg",
    "/".join("x" * 20) + "/a.jpg", "x" * 250 + ".jpg", "../../notes.txt",
])  # fmt: skip
def test_names_that_lead_elsewhere_are_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="photos"):
        unpacked(archive(("good.jpg", b"1"), (name, b"2")), tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_backslashes_are_refused(tmp_path: Path) -> None:
    data = archive(("aXb.jpg", b"1")).getvalue().replace(b"aXb.jpg", b"a\\b.jpg")
    with pytest.raises(InputError, match="photos"):
        unpacked(io.BytesIO(data), tmp_path)


def test_links_twins_and_other_methods_are_refused(tmp_path: Path) -> None:
    for stream, said in (
        (archive((link("a.jpg"), b"/etc/passwd")), "link"),
        (archive((link("notes.txt"), b"/etc")), "link"),
        (archive(("A.jpg", b"1"), ("a.jpg", b"2")), "two files"),
        (archive(("a.jpg", b"1"), method=zipfile.ZIP_LZMA), "method"),
        (archive(*((f"{n}.txt", b"") for n in range(101))), "101 files"),
    ):
        with pytest.raises(InputError, match=said):
            unpacked(stream, tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_bombs_are_refused_by_what_they_say(tmp_path: Path) -> None:
    bomb = archive(*((f"{n}.jpg", bytes(600_000)) for n in range(2)))
    assert len(bomb.getvalue()) < 5_000
    with pytest.raises(InputError, match="1 MB unpacked"):
        unpacked(bomb, tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_bombs_that_lie_are_stopped_on_the_way(tmp_path: Path) -> None:
    data = bytearray(archive(("a.jpg", bytes(3_000_000))).getvalue())
    size = struct.pack("<I", 3_000_000)
    assert data.count(size) >= 1
    lie = bytes(data).replace(size, struct.pack("<I", 1_000))
    with pytest.raises(InputError):
        unpacked(io.BytesIO(lie), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= ROOMY.bytes


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"no zip at all", None])
def test_what_is_no_archive_is_one_line(data: bytes | None, tmp_path: Path) -> None:
    whole = archive(("a.jpg", bytes(range(256)) * 50)).getvalue()
    torn = whole[: len(whole) // 2] if data is None else data
    try:
        assert unpacked(io.BytesIO(torn), tmp_path) == []  # an empty archive is one
    except InputError as error:
        assert len(str(error).splitlines()) == 1


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    data = bytearray(archive(("a.jpg", bytes(range(256)) * 50), method=zipfile.ZIP_STORED).getvalue())
    data[1_000] ^= 1
    with pytest.raises(InputError, match="damaged"):
        unpacked(io.BytesIO(bytes(data)), tmp_path)


def test_packing_comes_in_pieces_and_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(3_000_000))
    pieces = [*packed([("a/鞋.jpg", b"one"), ("big.bin", tmp_path / "big.bin")])]
    assert max(map(len, pieces)) < 1_200_000
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as made:
        assert made.testzip() is None and made.namelist() == ["a/鞋.jpg", "big.bin"]
        assert made.read("a/鞋.jpg") == b"one" and len(made.read("big.bin")) == 3_000_000


def test_workbooks_are_weighed_before_another_program_opens_them() -> None:
    weigh(archive(("[Content_Types].xml", b"1"), ("xl/sheet1.xml", bytes(100))), Limits(2, 200), "table")
    for stream, said in (
        (archive(("xl/sheet1.xml", bytes(3_000_000))), "3 MB"),
        (archive(*((f"{n}", b"") for n in range(3))), "3 parts"),
        (archive(("../x", b"")), "name"),
        (io.BytesIO(b"PK\x03\x04"), "damaged"),
    ):
        with pytest.raises(InputError, match=said):
            weigh(stream, Limits(2, 1_000_000), "table")
