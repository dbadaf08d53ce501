"""Tables of products: whatever people's programs write is read, or named with its line and reason; nothing is lost."""

from __future__ import annotations

import json
import random
import tracemalloc
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from listing_tables import opened, photo, read, table

from packshot.catalogue.delimited import read_delimited
from packshot.catalogue.rows import BadRow
from packshot.errors import InputError, RequestError
from packshot.listing.intake import open_products
from packshot.listing.products import Problem, Product
from packshot.listing.tables import open_table

HEADER = "SKU,标题,颜色\n"


def workbook(path: Path, rows: list[list[object]], **formats: str) -> str:
    """An XLSX file; `formats` are number formats by cell, such as A2."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, number_format in formats.items():
        book.active[cell].number_format = number_format
    book.save(path)
    return str(path)


# ---- Encodings and delimiters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8 with a byte order mark"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16 LE without a byte order mark"),
        ("utf-16-be", "UTF-16 BE without a byte order mark"),
        ("gbk", "GBK or GB18030"),
        ("gb18030", "GBK or GB18030"),
    ],
)
@pytest.mark.parametrize(("delimiter", "called"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_encoding_and_delimiter_are_found_and_printed(
    tmp_path: Path, encoding: str, named: str, delimiter: str, called: str
) -> None:
    rows = [["货号", "商品标题", "颜色"], ["A1", "复古红色运动鞋, 男; 女", "红色"], ["A2", "黑色真皮手提包", "黑色"]]
    if encoding == "gb18030":
        rows[2][1] += "𠮷"  # beyond GBK
    quoted = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    catalogue = opened(table(tmp_path, quoted, encoding=encoding), words_only=True)
    products, problems = read(str(tmp_path / "products.csv"))
    assert f"{named}, {called} between values" in catalogue.lines()[0]
    assert [product.title for product in products] == [rows[1][1], rows[2][1]] and not problems


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    for data in ("sku,title\n1,Café à la crème\n".encode("latin-1"), "sku,title\n1,鞋\n".encode("utf-32")):
        with pytest.raises(InputError, match=r"UTF-16, GBK or GB18030"):
            open_table(table(tmp_path, data))


def test_a_row_in_another_encoding_costs_itself_alone(tmp_path: Path) -> None:
    data = (
        HEADER.encode() + "A1,红鞋,红\nA2,蓝鞋,蓝\n".encode() + "A3,黑鞋,黑\n".encode("gbk") + "A4,白鞋,白\n".encode()
    )
    source = table(tmp_path, data)
    assert "UTF-8, 1 damaged lines" in opened(source, words_only=True).lines()[0]
    products, problems = read(source)
    assert [p.sku for p in products] == ["A1", "A2", "A4"]
    assert [(p.place.number, "encoding" in p.reason) for p in problems] == [(4, True)]


def test_a_table_in_ascii_survives_a_line_in_latin_1(tmp_path: Path) -> None:
    data = "SKU,title\n" + "".join(f"A{n},{'café' if n == 3 else 'shoe'}\n" for n in range(9))
    products, problems = read(table(tmp_path, data, encoding="latin-1"))
    assert len(products) == 8 and [problem.place.number for problem in problems] == [5]


# ---- Damaged rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "taken", "lost"),
    [
        ("A1,鞋\nA2,鞋,红\n", ["A2"], {2: "2 values for 3 columns"}),
        ("A1,鞋,红,多,余\nA2,鞋,红\n", ["A2"], {2: "5 values for 3 columns"}),
        ("A1,鞋,红,,,\nA2,鞋,红\n", ["A1", "A2"], {}),
        ('A1,"红鞋\nA2,鞋,红\nA3,鞋,黑\n', ["A2", "A3"], {2: "a quote that is not closed"}),
        ('A1,鞋,"红\nA2,鞋,红\nA3,"黑,鞋",黑\n', ["A2", "A3"], {2: "a quote that is not closed"}),
        ('A1,鞋,红\nA2,鞋,"红', ["A1"], {3: "a quote that is not closed"}),
        ('A1,"红\n鞋",红\nA2,5" 手机壳,红\nA3,"他说""好""",红\n', ["A1", "A2", "A3"], {}),
        ("A1,鞋\0子,红\nA2,鞋,红\n", ["A2"], {2: "a NUL character"}),
        (",鞋,红\nA2,,红\nA3,鞋,\n", ["A3"], {2: "no SKU", 3: "no title"}),
        ("A1,鞋,红\nA1,包,黑\nA2,包,黑\n", ["A1", "A2"], {3: "the SKU stands already in line 2"}),
        ("A1,,红\nA1,包,黑\n", ["A1"], {2: "no title"}),
        ("6.90123E+12,鞋,红\nA2,鞋,红\n", ["A2"], {2: "lost digits to a spreadsheet"}),
        ("\n\nA1,鞋,红\n,,\n  ,\t,\nA2,鞋,红\n\n", ["A1", "A2"], {}),
        ("A1,鞋,红\rA2,鞋,红\r", ["A1", "A2"], {}),
        (f"A1,{'鞋' * 140_000},红\nA2,鞋,红\n", ["A2"], {2: "field limit"}),
        (f"{'A' * 101},鞋,红\nA2,鞋,红\n", ["A2"], {2: "101 characters"}),
        ("00042,鞋,红\n2024-03-05,鞋,红\n007,鞋,红\n42.0,鞋,红\n", ["00042", "2024-03-05", "007", "42.0"], {}),
        ("1001.0,鞋,红\n1002.0,鞋,红\n", ["1001", "1002"], {}),
        ("=HYPERLINK(1),鞋,红\n../etc,鞋,红\n", ["=HYPERLINK(1)", "../etc"], {}),
    ],
)
def test_nasty_rows(tmp_path: Path, body: str, taken: list[str], lost: dict[int, str]) -> None:
    products, problems = read(table(tmp_path, HEADER + body))
    assert [product.sku for product in products] == taken
    assert {problem.place.number for problem in problems} == set(lost)
    for problem in problems:
        assert lost[problem.place.number] in problem.reason and problem.place.unit == "line"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "an empty file"),
        ("a.csv", b"\n\n\r\n", "an empty table"),
        ("a.csv", "SKU,标题\n".encode(), "a table without rows"),
        ("a.jsonl", b"[1]\n", "no JSON object"),
        ("a.xlsx", b"PK\x03\x04broken", "damaged workbook"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "encrypted workbook"),
        ("a.parquet", b"PAR1....", "damaged Parquet"),
        ("a.doc", b"sku,title\n1,shoe\n", "another kind"),
        ("a.json", b"[]", "another kind"),
    ],
)
def test_hopeless_files_are_one_clear_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_table(table(tmp_path, content, name))


def test_a_missing_file_and_a_zip_that_is_no_workbook(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_table(str(tmp_path / "none.csv"))
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(InputError, match="no workbook"):
        open_table(str(tmp_path / "a.xlsx"))
    with pytest.raises(RequestError, match="query"):
        open_table(table(tmp_path, HEADER), query="products")


def test_jsonl_with_bad_lines_and_lists_of_photos(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg"), photo(tmp_path / "b.jpg", 30)
    lines = ['{"sku": 7, "title": "red shoe", "photos": ["a.jpg", "b.jpg"]}', "{", "[1]", "[" * 100_000]
    lines += ['{"sku": "8", "title": "bag", "photos": {"url": 1}}', '{"title": "hat"}']
    products, problems = read(table(tmp_path, "\n".join(lines), "a.jsonl"), tmp_path)
    assert [(p.sku, [f.name for f in p.photos]) for p in products] == [("7", ["a.jpg", "b.jpg"])]
    assert [(p.place.number, p.sku) for p in problems] == [(2, ""), (3, ""), (4, ""), (5, "8"), (6, "")]


def test_parquet_leaves_out_embedded_pictures(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = {"sku": [1.0, 2.0], "title": ["red shoe", None], "image": [b"x", b"y"]}
    parquet.write_table(arrow.table(rows), tmp_path / "a.parquet")
    source = str(tmp_path / "a.parquet")
    assert "columns not read: image" in opened(source, words_only=True).lines()[0]
    products, problems = read(source)
    assert [p.sku for p in products] == ["1"] and [p.place.number for p in problems] == [2]


# ---- Spreadsheets ----------------------------------------------------------------------------------------------------


def test_what_a_spreadsheet_did_to_numbers(tmp_path: Path) -> None:
    rows: list[list[object]] = [["SKU", "标题"]]
    rows += [
        [sku, "鞋"] for sku in ("00042", 42, 12345.0, date(2024, 3, 5), 6901234567890123456, "#REF!", '="A"&1', 1.5)
    ]
    products, problems = read(workbook(tmp_path / "a.xlsx", rows, A3="00000"))
    assert [p.sku for p in products] == ["00042", "12345", "1.5"]
    assert [(p.place.unit, p.place.number) for p in problems] == [("row", n) for n in (3, 5, 6, 7, 8)]
    for problem, said in zip(
        problems, ("already", "a date (2024-03-05)", "15 digits", "#REF!", "formula"), strict=True
    ):
        assert said in problem.reason


def test_headers_of_workbooks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["请先阅读说明"])
    sheet = book.create_sheet("商品")
    sheet.append(["2026 春季商品目录"])
    sheet.merge_cells("A1:E1")
    sheet.append([])
    sheet.append(["*SKU（必填）", "商品标题", "商品图片", None, "价格"])
    sheet.append([None, None, "主图", "细节图", None])
    sheet.merge_cells("C3:D3"), sheet.merge_cells("A3:A4")
    sheet.append(["A1", "红色运动鞋", "a.jpg", "b.jpg", 99.9])
    sheet.append([None] * 5)
    sheet.append(["A2", "黑色手提包", None, None, 10, "zu viel"])
    book.save(tmp_path / "a.xlsx")
    photo(tmp_path / "a.jpg"), photo(tmp_path / "b.jpg", 20)
    catalogue = opened(str(tmp_path / "a.xlsx"))
    assert "sheet '商品' of 2, header in row 4" in catalogue.lines()[0]
    assert catalogue.columns.by_meaning["photo"] == ("主图", "细节图") and catalogue.columns.left_out == ("价格",)
    products, problems = read(str(tmp_path / "a.xlsx"), tmp_path)
    assert [[f.name for f in p.photos] for p in products] == [["a.jpg", "b.jpg"]]
    assert [(p.place.number, "6 values for 5" in p.reason) for p in problems] == [(7, True)]
    with pytest.raises(InputError, match="Sheet, 商品"):
        open_table(str(tmp_path / "a.xlsx"), sheet="Blatt")


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = workbook(tmp_path / "a.xlsx", [["SKU", "标题"], ["1", "鞋"]])
    monkeypatch.setattr("packshot.listing.spreadsheet._LARGEST_UNPACKED", 1000)
    with pytest.raises(InputError, match="unpacked"):
        open_table(source)


# ---- Width and length ------------------------------------------------------------------------------------------------


def test_a_hundred_columns_and_repeated_names(tmp_path: Path) -> None:
    names = ["SKU", "标题", "标题", "", *(f"属性{n}" for n in range(96))]
    source = table(tmp_path, ",".join(names) + "\n" + ",".join(["A1", "红鞋", "蓝鞋", *["x"] * 97]) + "\n")
    catalogue = opened(source, words_only=True)
    assert len(catalogue.table.columns) == 100 and catalogue.columns.by_meaning["title"] == ("标题",)
    assert "标题 (2), column 4" in catalogue.lines()[2] and "78 more" in catalogue.lines()[2]
    assert [p.title for p in read(source)[0]] == ["红鞋"]


def test_a_title_above_the_header_and_a_told_delimiter(tmp_path: Path) -> None:
    source = table(tmp_path, "sep=;\r\n商品清单;;\r\n货号;品名;颜色\r\nA1;鞋, 红;红\r\n")
    assert "header in line 3" in opened(source, words_only=True).lines()[0]
    products, _ = read(source)
    assert [(p.sku, p.title, p.place.number) for p in products] == [("A1", "鞋, 红", 4)]


def test_length_costs_no_memory() -> None:
    lines = (f'{n},"鞋 {n}",红\n' for n in range(12_000))
    first = "SKU,标题,颜色\n"
    tracemalloc.start()
    try:
        rows = read_delimited((line for part in ([first], lines) for line in part), "a.csv").rows
        count = sum(not isinstance(row, BadRow) for row in rows)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 12_000 and peak < 300_000


def test_a_database_in_a_file(tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute('create table "my goods" (sku text primary key, title text, price real)')
    connection.executemany('insert into "my goods" values (?, ?, 1)', [("B", "red shoe"), ("007", "bag"), ("C", None)])
    connection.commit(), connection.close()
    url = f"sqlite:///{tmp_path}/shop.db"
    with pytest.raises(InputError, match=r"no table or query.*my goods"):
        open_table(url)
    with pytest.raises(InputError, match="no rows"):
        open_table(url, query='select * from "my goods" where 1 = 0')
    with pytest.raises(InputError, match=r"readonly|read-only|does not return rows"):
        open_table(url, query='delete from "my goods" returning *')
    with pytest.raises(InputError, match="no such file"):
        open_table(f"sqlite:///{tmp_path}/none.db", query="goods")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(InputError, match="without a folder of photos"):
        open_products(open_table(url, query='select * from "my goods"'))
    found = open_table(
        url, query="select sku, title from \"my goods\" where title like '%o%' or sku = ':x' order by sku;"
    )
    assert [json.dumps(dict(row.cells)) for row in found.sample()] == ['{"sku": "B", "title": "red shoe"}']


# ---- Anything at all -------------------------------------------------------------------------------------------------


def test_whatever_befalls_a_table_each_of_its_rows_is_accounted_for(tmp_path: Path) -> None:
    """Damage one line of a table at random: what was not touched is read, and what was is read or named."""
    dice = random.Random(1)
    debris = [
        b'"',
        b",",
        b"\0",
        b"\xff",
        b"\n",
        b"\r",
        b";",
        b"\xe9\x9e",
        b"'",
        b"\x1a",
        b'","',
        b"\xef\xbb\xbf",
        b"A7",
    ]
    for _ in range(60):
        lines = [HEADER.encode(), *(f'A{n},"鞋, {n}",红\n'.encode() for n in range(12))]
        hit = dice.randrange(1, len(lines))
        cut = dice.randrange(len(lines[hit]))
        lines[hit] = (
            lines[hit][:cut] + dice.choice(debris) + lines[hit][min(cut + dice.randint(0, 2), len(lines[hit]) - 1) :]
        )
        products, problems = read(table(tmp_path, b"".join(lines)))
        found = {product.sku for product in products}
        # A quote may pair with the next line's, and a SKU may become another's: then a problem names the lines.
        missing = {f"A{n}" for n in range(12)} - {f"A{hit - 1}"} - found
        assert not missing or (problems and len(missing) <= len(problems)), (lines[hit], problems)
        assert len(products) + len(problems) >= 12, (lines[hit], problems)


def test_damaged_containers_end_in_one_line_or_in_bad_rows(tmp_path: Path) -> None:
    """The same for bytes of XLSX, its sheet, Parquet and JSON lines."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [["SKU", "标题"], *([f"A{n}", f"红色运动鞋 {n}"] for n in range(30))]
    whole = zipfile.ZipFile(workbook(tmp_path / "whole.xlsx", rows))
    parts = {name: whole.read(name) for name in whole.namelist()}
    columns = {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}
    parquet.write_table(arrow.table(columns), tmp_path / "whole.parquet", compression="none")
    json_lines = "".join(
        json.dumps(dict(zip(*pair, strict=True))) + "\n" for pair in ((rows[0], row) for row in rows[1:])
    )
    dice = random.Random(2)
    ends: set[type] = set()
    for turn in range(48):
        name = ("a.xlsx", "sheet.xlsx", "a.parquet", "a.jsonl")[turn % 4]
        if name == "sheet.xlsx":
            sheet = spoiled(parts["xl/worksheets/sheet1.xml"], dice)
            with zipfile.ZipFile(tmp_path / name, "w") as archive:
                for part, content in (parts | {"xl/worksheets/sheet1.xml": sheet}).items():
                    archive.writestr(part, content)
        else:
            content = json_lines.encode() if name == "a.jsonl" else (tmp_path / f"whole.{name[2:]}").read_bytes()
            (tmp_path / name).write_bytes(spoiled(content, dice))
        try:
            products, problems = read(str(tmp_path / name))
            ends.update(map(type, (*products, *problems)))
        except InputError as error:
            assert "\n" not in str(error)
            ends.add(InputError)
    assert ends == {InputError, Product, Problem}


def spoiled(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, or the end cut off."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed) if dice.random() < 0.7 else bytes(changed[: dice.randrange(1, len(changed))])
