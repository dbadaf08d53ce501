"""The data room: every row is kept, dropped for a reason, or named as bad; the dataset depends on the rows alone."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from packshot.catalogue.dedupe import look_of, repeated
from packshot.catalogue.examine import REASONS
from packshot.catalogue.panels import shows_text_panel
from packshot.catalogue.people import shows_person
from packshot.catalogue.prepare import prepare
from packshot.catalogue.rows import guess_columns
from packshot.catalogue.texts import detect_encoding
from packshot.errors import InputError, OutputError, RequestError
from packshot.framing import find_product, square_on_white
from packshot.shards import ShardRow, read_dataset, read_shards, split_of, write_shards

SKIN = (224, 172, 140)


def product(seed: int, colour: tuple[int, int, int] = (150, 30, 40), size: tuple[int, int] = (60, 80)) -> Image.Image:
    """A blotchy thing on white; another seed gives another shape."""
    dice = np.random.default_rng(seed)
    image = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    unit = size[0] / 60
    for _ in range(7):
        x, y, w, h = dice.integers((10, 15, 6, 6), (35, 50, 16, 16)) * unit
        shade = float(dice.uniform(0.6, 1.3))
        draw.ellipse((x, y, x + w, y + h), fill=tuple(min(255, int(channel * shade)) for channel in colour))
    return image


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, quality=90)
    return buffer.getvalue()


def image_folder(folder: Path, rows: Sequence[Mapping[str, str]], encoding: str = "utf-8") -> Path:
    """A 🤗 imagefolder of products; rows name their pictures in the first column."""
    folder.mkdir()
    name = next(iter(rows[0]))
    for seed, row in enumerate(rows):
        (folder / row[name]).write_bytes(encoded(product(seed)))
    with open(folder / "metadata.csv", "w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def shoes(count: int) -> list[dict[str, str]]:
    return [
        {
            "file_name": f"{i}.png",
            "id": str(i),
            "title": f"Retro Canvas Shoe {i}",
            "article_type": "Casual Shoes",
            "colour": "Red",
        }
        for i in range(count)
    ]


def shard_hashes(folder: Path) -> list[str]:
    return [shard["sha256"] for shard in read_dataset(folder)["shards"]]


# ---- From files to rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_chinese_tables_are_understood_in_the_encodings_people_have(tmp_path: Path, encoding: str) -> None:
    rows = [
        {"图片": "甲.png", "商品编号": "A1", "标题": "复古帆布休闲鞋 男士", "品类": "休闲鞋", "颜色": "藏青色"},
        {"图片": "乙.png", "商品编号": "A2", "标题": "商务手表 真皮", "品类": "手表", "颜色": "黑色"},
    ]
    report = prepare(str(image_folder(tmp_path / "in", rows, encoding)), tmp_path / "out", workers=1)
    found = {row.id: row for row in read_shards(tmp_path / "out")}
    assert {key: row.slots["category"] for key, row in found.items()} == {"A1": "casual_shoes", "A2": "watch"}
    assert found["A1"].title == "复古帆布休闲鞋 男士" and found["A1"].colour_word == "藏青色"
    assert found["A1"].slots["style"] == "retro" and found["A1"].slots["gender"] == "men"
    assert any("藏青" in text for text in found["A1"].captions["zh"])
    assert "title from '标题'" in report.lines()[0]


def test_a_table_in_another_encoding_is_one_clear_line() -> None:
    for data in ("title,id\nCafé crème à la carte,é\n".encode("latin-1"), b"\xff\xff\xff"):
        with pytest.raises(InputError, match=r"encoding.*UTF-8.*GBK"):
            detect_encoding(io.BytesIO(data), "a.csv")


def test_missing_columns_are_named_beside_those_found(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", [{"file_name": "a.png", "weight": "3"}])
    with pytest.raises(InputError, match=r"file_name, weight.*title or category or text"):
        prepare(str(folder), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_the_users_mapping_wins_and_is_checked() -> None:
    found = ["id", "title", "image", "name", "Base Colour"]
    columns = guess_columns(found, {"title": "name"}, where="a", given=())
    assert columns == {"id": "id", "image": "image", "title": "name", "colour": "Base Colour"}
    with pytest.raises(InputError, match="'heading'"):
        guess_columns(found, {"title": "heading"}, where="a", given=())
    with pytest.raises(InputError, match="'headline'"):
        guess_columns(found, {"headline": "title"}, where="a", given=())


def test_bad_rows_are_all_named_with_file_and_line(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", shoes(3))
    (folder / "cut.png").write_bytes(encoded(product(9))[:200])
    (folder / "text.png").write_text("no picture")
    with open(folder / "metadata.csv", "a", encoding="utf-8") as file:
        file.write(
            "cut.png,c,Shoe,Casual Shoes,Red\ntext.png,t,Shoe,Casual Shoes,Red\nnone.png,n,Shoe,Casual Shoes,Red\n"
        )
        file.write("0.png,,Shoe,Casual Shoes,Red\n0.png,s\n../secret.png,e,Shoe,Casual Shoes,Red\n")
    report = prepare(str(folder), tmp_path / "out", workers=1)
    assert [bad.place.number for bad in report.bad_rows] == [5, 6, 7, 8, 9, 10]
    written = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [entry["line"] for entry in written] == [5, 6, 7, 8, 9, 10]
    for entry, reason in zip(
        written, ("damaged", "no picture", "missing", "id is empty", "2 values for 5", "outside"), strict=True
    ):
        assert reason in entry["reason"] and entry["file"].endswith("metadata.csv")
    assert report.kept == 3


def test_jsonl_names_its_bad_lines(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(product(1)))
    good = json.dumps({"file_name": "a.png", "title": "红色运动鞋"}, ensure_ascii=False)
    (tmp_path / "metadata.jsonl").write_text(f'{good}\n{{"file_name": \n[1]\n', encoding="utf-8")
    report = prepare(str(tmp_path), tmp_path / "out", workers=1)
    assert [bad.place.number for bad in report.bad_rows] == [2, 3]
    (row,) = read_shards(tmp_path / "out")
    assert row.id == "a" and row.slots["category"] == "sports_shoes"


@pytest.mark.parametrize("structured", [False, True])
def test_parquet_with_bytes_or_the_structure_of_datasets(tmp_path: Path, structured: bool) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pictures = [encoded(product(i)) for i in range(4)] + [b"broken"]
    cells = [{"bytes": data, "path": None} for data in pictures] if structured else pictures
    table = arrow.table({"id": list(range(5)), "image": cells, "articleType": ["Watches"] * 5})
    parquet.write_table(table, tmp_path / "part-0.parquet")
    report = prepare(str(tmp_path), tmp_path / "out", workers=1)
    assert (report.kept, [str(bad.place).rpartition(" row ")[2] for bad in report.bad_rows]) == (4, ["5"])
    assert [row.id for row in read_shards(tmp_path / "out")] == ["0", "1", "2", "3"]


def webdataset(path: Path, count: int) -> None:
    with tarfile.open(path, "w") as tar:
        for i in range(count):
            members = {"jpg": encoded(product(i), "JPEG"), "json": json.dumps({"title": f"Steel Watch {i}"}).encode()}
            for extension, data in members.items():
                info = tarfile.TarInfo(f"train/{i:03d}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def test_webdataset_and_what_is_left_of_a_truncated_one(tmp_path: Path) -> None:
    webdataset(tmp_path / "a.tar", 6)
    whole = prepare(str(tmp_path / "a.tar"), tmp_path / "whole", workers=1)
    assert whole.kept == 6 and not whole.bad_rows
    assert all(
        row.slots["category"] == "watch" and row.id.startswith("train/") for row in read_shards(tmp_path / "whole")
    )
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(data[: 4 * 3072 + 700])
    part = prepare(str(tmp_path / "b.tar"), tmp_path / "part", workers=1)
    assert 0 < part.kept < 6 and "damaged tar" in part.bad_rows[-1].reason


def test_any_fsspec_url_is_read_like_a_local_path(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    folder = image_folder(tmp_path / "in", shoes(3))
    memory = fsspec.filesystem("memory")
    for path in folder.iterdir():
        memory.pipe(f"/catalogue/{path.name}", path.read_bytes())
    try:
        prepare("memory://catalogue", tmp_path / "remote", workers=1)
    finally:
        memory.rm("/catalogue", recursive=True)
    prepare(str(folder), tmp_path / "local", workers=1)
    assert shard_hashes(tmp_path / "remote") == shard_hashes(tmp_path / "local")


@pytest.mark.parametrize("source", ["nothing-here", "none-*.parquet", "oddprotocol://x/y"])
def test_no_catalogue_is_one_clear_line(tmp_path: Path, source: str) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="accepted"):
        prepare(source, tmp_path / "out", workers=1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id\n")
    with pytest.raises(InputError, match=r"metadata\.csv"):
        prepare(str(tmp_path / "in"), tmp_path / "out", workers=1)


# ---- From rows to a dataset ------------------------------------------------------------------------------------------


def test_the_same_rows_give_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", shoes(40))
    seen: list[tuple[int, int | None]] = []
    report = prepare(str(folder), tmp_path / "one", workers=1, progress=lambda done, total: seen.append((done, total)))
    again = prepare(str(folder), tmp_path / "two", workers=2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()
    }
    assert report == again and seen == [(i, 40) for i in range(1, 41)]


def test_every_row_is_accounted_for_and_reasons_are_shown(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", shoes(4))
    grey = Image.composite(
        product(5),
        Image.new("RGB", (60, 80), (150, 150, 150)),
        product(5).convert("L").point(lambda v: 255 * (v < 250)),
    )
    extra = {
        "grey.png": (grey, "Casual Shoes"),
        "empty.png": (Image.new("RGB", (60, 80), (255, 255, 255)), "Casual Shoes"),
        "kurta.png": (product(6), "Kurtas"),
        "again.png": (product(0), "Casual Shoes"),
        "dot.png": (product(7, size=(15, 20)), "Casual Shoes"),
    }
    with open(folder / "metadata.csv", "a", encoding="utf-8") as file:
        for name, (image, category) in extra.items():
            image.save(folder / name)
            file.write(f"{name},{name},Thing,{category},Red\n")
    report = prepare(str(folder), tmp_path / "out", workers=1)
    assert {reason for reason, count in report.dropped.items() if count} == set(REASONS) - {"person", "text panel"}
    assert report.rows == report.kept + report.superseded + sum(report.dropped.values()) + len(report.bad_rows)
    dropped = {
        r["id"]: r["reason"] for r in map(json.loads, (tmp_path / "out" / "dropped.jsonl").read_text().splitlines())
    }
    assert dropped["kurta.png"] == "category not in the lexicon" and dropped["again.png"] == "duplicate"
    assert sum(report.splits.values()) == sum(report.kept_by_category.values()) == report.kept == 4
    with Image.open(tmp_path / "out" / "examples.png") as sheet:
        assert sheet.height > 5 * 96


def test_of_one_id_the_larger_picture_counts_wherever_it_comes(tmp_path: Path) -> None:
    small = image_folder(tmp_path / "small", shoes(3))
    large = image_folder(tmp_path / "large", shoes(3)[:2])
    for name in ("0.png", "1.png"):
        product(int(name[0]), size=(240, 320)).save(large / name)
    report = prepare(f"{small},{large}", tmp_path / "a", workers=1)
    prepare(f"{large},{small}", tmp_path / "b", workers=1)
    assert shard_hashes(tmp_path / "a") == shard_hashes(tmp_path / "b")
    rows = {row.id: row for row in read_shards(tmp_path / "a")}
    assert report.superseded == 2 and report.fine == 2
    assert rows["2"].fine_pixels is None
    fine = rows["0"].fine_pixels
    assert fine is not None and fine.shape == (256, 256, 3)


def test_rows_hold_what_the_picture_shows(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", shoes(1))
    halves = Image.new("RGB", (60, 80), (255, 255, 255))
    ImageDraw.Draw(halves).rectangle((10, 10, 49, 49), fill=(200, 30, 30))
    ImageDraw.Draw(halves).rectangle((10, 50, 49, 69), fill=(30, 30, 200))
    halves.save(folder / "0.png")
    prepare(str(folder), tmp_path / "out", workers=1, resolution=96)
    (row,) = read_shards(tmp_path / "out")
    assert row.pixels.shape == (96, 96, 3) and row.split == split_of("0")
    (red, blue) = row.colours
    assert red[3] == pytest.approx(2 / 3, abs=0.03) and red[1] > 0.1 and blue[2] < -0.1
    assert row.slots == {
        "category": "casual_shoes",
        "usage": None,
        "gender": None,
        "material": "canvas",
        "style": "retro",
    }


def test_an_output_folder_that_is_there_is_not_touched_unless_it_is_a_dataset_to_overwrite(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in", shoes(2))
    (tmp_path / "mine").mkdir()
    for overwrite in (False, True):
        with pytest.raises(OutputError):
            prepare(str(folder), tmp_path / "mine", workers=1, overwrite=overwrite)
    prepare(str(folder), tmp_path / "out", workers=1)
    with pytest.raises(OutputError, match="--overwrite"):
        prepare(str(folder), tmp_path / "out", workers=1)
    prepare(str(folder), tmp_path / "out", workers=1, overwrite=True, note="second")
    assert read_dataset(tmp_path / "out")["note"] == "second"
    with pytest.raises(OutputError):
        prepare(str(folder), tmp_path / "no" / "parent", workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "mine", "out"]


def test_a_failure_leaves_the_old_dataset_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = image_folder(tmp_path / "in", shoes(2))
    prepare(str(folder), tmp_path / "out", workers=1)
    before = shard_hashes(tmp_path / "out")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("packshot.catalogue.prepare.write_shards", full)
    with pytest.raises(OutputError, match="No space left"):
        prepare(str(folder), tmp_path / "out", workers=1, overwrite=True)
    assert shard_hashes(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_nothing_to_keep_is_an_error_that_says_why(tmp_path: Path) -> None:
    rows = [{**row, "article_type": "Kurtas"} for row in shoes(2)]
    with pytest.raises(InputError, match="2 dropped: category not in the lexicon"):
        prepare(str(image_folder(tmp_path / "in", rows)), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wish", [{"resolution": 0}, {"fine_resolution": 100_000}, {"workers": 0}])
def test_wishes_out_of_range_are_refused(tmp_path: Path, wish: dict[str, int]) -> None:
    with pytest.raises(RequestError, match="accepted"):
        prepare("nothing", tmp_path / "out", **wish)  # type: ignore[arg-type]


# ---- Shards ----------------------------------------------------------------------------------------------------------


def shard_row(product_id: str, fine: bytes | None = None) -> ShardRow:
    captions = {"en": ("red shoes",), "zh": ("红色鞋",)}
    slots = {"category": "casual_shoes", "usage": None}
    return ShardRow(
        product_id, split_of(product_id), "鞋", "Red", slots, ((0.5, 0.1, 0.0, 0.9),), captions, b"webp", fine
    )


def write_dataset(folder: Path, rows: Sequence[ShardRow]) -> None:
    folder.mkdir()
    manifest = {
        "format": "packshot-shards",
        "format_version": 1,
        "shards": write_shards(rows, folder, fine_resolution=256),
    }
    (folder / "dataset.json").write_text(json.dumps(manifest))


def test_shards_return_the_rows_that_were_written_whatever_their_ids(tmp_path: Path) -> None:
    rows = [shard_row(name) for name in ("15970", "a/b.c", "商品 一", "../x", "x" * 300)] + [shard_row("fine", b"fine")]
    write_dataset(tmp_path / "set", rows)
    assert list(read_shards(tmp_path / "set")) == rows


def test_shards_hold_two_thousand_rows_at_the_most(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", [shard_row(str(i)) for i in range(2001)])
    assert [shard["rows"] for shard in read_dataset(tmp_path / "set")["shards"]] == [2000, 1]
    assert sum(1 for _ in read_shards(tmp_path / "set")) == 2001


def test_damage_is_named_before_a_row_of_the_shard_is_read(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", [shard_row("1")])
    shard = tmp_path / "set" / "shard-00000.tar"
    data = bytearray(shard.read_bytes())
    data[600] ^= 1
    shard.write_bytes(data)
    with pytest.raises(InputError, match=r"shard-00000\.tar.*sha256"):
        next(read_shards(tmp_path / "set"))
    shard.unlink()
    with pytest.raises(InputError, match=r"shard-00000\.tar"):
        next(read_shards(tmp_path / "set"))


def test_about_one_id_in_twenty_is_held_out() -> None:
    share = np.mean([split_of(str(i)) == "test" for i in range(20_000)])
    assert share == pytest.approx(0.05, abs=0.01)


# ---- Rules -----------------------------------------------------------------------------------------------------------


def test_repeated_pictures_are_found_and_colourways_are_not() -> None:
    def look(image: Image.Image, colour: tuple[float, float, float]) -> object:
        rgb = np.asarray(image)
        finding = find_product(rgb)
        assert finding is not None
        return look_of(square_on_white(rgb, finding.box, 64, 1.8), colour)

    larger = product(0, size=(240, 320)).resize((180, 240), Image.Resampling.LANCZOS)
    recompressed = Image.open(io.BytesIO(encoded(larger, "JPEG")))
    red, blue = (0.45, 0.15, 0.05), (0.4, 0.0, -0.15)
    looks = [
        look(product(0, size=(240, 320)), red),
        look(product(9), red),
        look(recompressed, red),
        look(product(0, size=(240, 320)), blue),
        look(product(0, colour=(30, 40, 150), size=(240, 320)), red),
    ]
    assert repeated(looks) == [None, None, 0, None, None]  # type: ignore[arg-type]


def person(*, cut_below: bool) -> np.ndarray:
    image = Image.new("RGB", (60, 80), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.ellipse((24, 4, 36, 20), fill=SKIN)
    draw.rectangle((20, 20, 40, 79 if cut_below else 70), fill=(40, 60, 140))
    return np.asarray(image)


def shown(category: str, rgb: np.ndarray) -> bool:
    finding = find_product(rgb)
    assert finding is not None
    return shows_person(category, finding, square_on_white(rgb, finding.box, 64, 1.8))


def test_people_are_told_from_products() -> None:
    assert shown("tshirt", person(cut_below=True)) and shown("backpack", person(cut_below=True))
    assert shown("dress", person(cut_below=False))  # whole figure, bare head
    for category in ("tshirt", "trousers", "scarf", "socks", "backpack", "watch"):
        assert not shown(category, np.asarray(product(3)))
    legs = Image.new("RGB", (60, 80), (255, 255, 255))
    draw = ImageDraw.Draw(legs)
    for left in (18, 34):
        draw.rectangle((left, 0, left + 9, 40), fill=SKIN)
        draw.rectangle((left, 41, left + 9, 70), fill=(20, 20, 20))
    assert shown("socks", np.asarray(legs)) and shown("trousers", np.asarray(legs))
    beige = Image.new("RGB", (60, 80), (255, 255, 255))
    ImageDraw.Draw(beige).rectangle((20, 10, 40, 70), fill=SKIN)
    assert not shown("socks", np.asarray(beige))  # all of it is of one colour: a sock, not a leg


def test_text_panels_are_told_from_products_with_stripes_and_checks() -> None:
    panel = np.full((240, 200, 3), 255, np.uint8)
    dice = np.random.default_rng(0)
    for top in range(10, 230, 14):
        ink = dice.random((7, 180)) < 0.45
        panel[top : top + 7, 10:190][ink] = 20
    assert shows_text_panel(panel)
    stripes = np.full((240, 200, 3), 255, np.uint8)
    stripes[::14] = stripes[1::14] = 20
    checks = stripes.copy()
    checks[:, ::14] = 20
    for other in (stripes, stripes.swapaxes(0, 1), checks, np.asarray(product(1, size=(180, 240)))):
        assert not shows_text_panel(np.ascontiguousarray(other))


def test_real_catalogue_rows_are_sorted_as_by_eye(tmp_path: Path, data_folder: Path) -> None:
    """Forty rows of the real catalogue: most are kept, all kept ones are framed on white."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    batch = next(parquet.ParquetFile(data_folder / "fashion-60x80.parquet").iter_batches(40))
    parquet.write_table(arrow.Table.from_batches([batch]), tmp_path / "in.parquet")
    report = prepare(str(tmp_path / "in.parquet"), tmp_path / "out", workers=1)
    assert report.rows == 40 and 5 <= report.kept <= 35 and report.dropped["person"] > 0
    for row in read_shards(tmp_path / "out"):
        assert (row.pixels[0] > 235).all() and (row.pixels[:, 0] > 235).all()
        assert row.captions["en"] and row.captions["zh"]
