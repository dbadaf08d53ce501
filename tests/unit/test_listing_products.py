"""Columns by name, content or order; products with their attributes and photos; every row accounted for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from listing_tables import opened, photo, read, split, table, truncated

from packshot.errors import InputError, RequestError
from packshot.listing.columns import header_row, read_choice
from packshot.listing.intake import read_products, read_size
from packshot.listing.photos import PhotoFolder
from packshot.listing.products import Path_

# ---- Columns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "meanings"),
    [
        (
            "SKU,标题,颜色,图片,类目,材质,品牌,SPU,价格",
            {"sku": "SKU", "photo": "图片", "parent": "SPU", "material": "材质"},
        ),
        ("商品编号,品名,主图,售价", {"sku": "商品编号", "title": "品名", "photo": "主图"}),
        (
            "id,Name,Image_File,Colour,parent sku",
            {"sku": "id", "title": "Name", "photo": "Image_File", "colour": "Colour"},
        ),
        ("SKU/货号,* 商品标题 【必填】,图片1,图片2", {"sku": "SKU/货号", "title": "* 商品标题 【必填】"}),
        ("id,SKU,product title,name", {"sku": "SKU", "title": "product title"}),
        ("ｓｋｕ,ＴＩＴＬＥ,photo", {"sku": "ｓｋｕ", "title": "ＴＩＴＬＥ", "photo": "photo"}),
        ("产品编码,商品名称,尺寸(cm),photo", {"title": "商品名称", "size": "尺寸(cm)", "photo": "photo"}),
    ],
)
def test_columns_are_known_by_name(tmp_path: Path, header: str, meanings: dict[str, str]) -> None:
    cells = ["A1", "红色运动鞋", *["9.5"] * (header.count(",") - 1)]
    catalogue = opened(table(tmp_path, f"{header}\n{','.join(cells)}\n"), tmp_path)
    found = catalogue.columns.by_meaning
    assert {meaning: found[meaning][0] for meaning in meanings} == meanings
    assert found.get("photo", ()) != ("图片1",)  # both, where there are two


def test_columns_are_known_by_content(tmp_path: Path) -> None:
    rows = [
        "a,b,c,d,e,f",
        "X-1,19.90,a.jpg,red running shoes,Red,Sports Shoes",
        "X-2,29.90,b.jpg,black leather bag,Black,Handbags",
    ]
    catalogue = opened(table(tmp_path, "\n".join(rows)), tmp_path)
    assert catalogue.columns.by_meaning == {
        "sku": ("a",), "title": ("d",), "photo": ("c",), "category": ("f",), "colour": ("e",)
    }  # fmt: skip
    assert catalogue.columns.left_out == ("b",) and "sku from 'a' (by content)" in catalogue.lines()[1]


def test_the_users_choice_wins_and_is_checked(tmp_path: Path) -> None:
    source = table(tmp_path, "SKU,title,品名,图,细节\nA1,wrong,红鞋,a.jpg,b.jpg\n")
    catalogue = opened(source, tmp_path, "title=品名, photo=图,photo=细节")
    assert catalogue.columns.by_meaning["title"] == ("品名",)
    assert catalogue.columns.by_meaning["photo"] == ("图", "细节")
    assert "title from '品名' (as told)" in catalogue.lines()[1]
    with pytest.raises(InputError, match=r"columns SKU, title.*'名称', as told for title"):
        opened(source, tmp_path, "title=名称")
    assert read_choice("title=name, first,sku=a") == {"title": ("name, first",), "sku": ("a",)}
    for wrong in ("品名", "titel=品名", "title=a,title=b", "title=", "x,title=a"):
        with pytest.raises(RequestError, match="columns"):
            read_choice(wrong)


def test_missing_columns_are_one_line_that_says_how_to_tell_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column for title among SKU, 数量; accepted: .*--columns title=COLUMN"):
        opened(table(tmp_path, "SKU,数量\nA1,3\n"), tmp_path)
    source = table(tmp_path, "SKU,标题,数量\nA1,鞋,3\n")
    with pytest.raises(InputError, match=r"no column for photo.*--columns photo=COLUMN"):
        opened(source)
    assert opened(source, words_only=True).photos is None
    with pytest.raises(RequestError, match="one of the two"):
        opened(source, tmp_path, words_only=True)
    with pytest.raises(InputError, match="a folder of photos"):
        opened(source, tmp_path / "none")


def test_the_header_is_the_row_with_most_known_names() -> None:
    assert header_row([["目录", "", ""], ["SKU", "标题", "x"], ["A1", "鞋", "y"]]) == 1
    assert header_row([["a", "b"], ["1", "2"]]) == 0 and header_row([]) == 0


# ---- Attributes ------------------------------------------------------------------------------------------------------


def test_attributes_come_from_columns_first_then_from_words(tmp_path: Path) -> None:
    rows = ["sku,title,类目,颜色,材质,品牌,SPU,尺寸,适用性别,描述,价格"]
    rows += ["A1,复古女士挎包 黑色,手提包,酒红色,真皮,Acme,P1,30x20x10cm,男士,适合商务,99"]
    rows += ["A2,red leather belt for men,,,,,,M,,,99"]
    rows += ["A3,神秘物品,,无,,,,,,,99"]
    (first, second, third), problems = read(table(tmp_path, "\n".join(rows)))
    assert first.slots | {"usage": "formal"} == {
        "category": "handbag", "usage": "formal", "gender": "men", "material": "leather", "style": "retro"
    }  # fmt: skip
    assert (first.colour, first.brand, first.parent, first.size_cm) == ("酒红色", "Acme", "P1", (30, 20, 10))
    assert first.colour_hex.startswith("#") and first.text == "适合商务"
    assert (second.slots["category"], second.slots["material"], second.colour) == ("belt", "leather", "red")
    assert second.size_cm == () and second.colour_hex.startswith("#")
    assert (third.slots["category"], third.colour, third.colour_hex) == (None, "", "") and not problems


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("30 x 20 x 10 cm", (30, 20, 10)),
        ("30cm×20cm", (30, 20)),
        ("长300毫米 宽200毫米 高5厘米", (30, 20, 5)),
        ("12*8*3 inches", (30.48, 20.32, 7.62)),
        ("１２×８ ｃｍ", (12, 8)),
        ('4.5" x 2"', (11.43, 5.08)),
        ("42", ()),
        ("S/M/L", ()),
        ("30x20", ()),
        ("0 x 3 cm", ()),
        ("1x2x3x4 cm", ()),
    ],
)
def test_sizes(text: str, lengths: tuple[float, ...]) -> None:
    assert read_size(text) == lengths


def test_content_leaves_out_prices_and_places(tmp_path: Path) -> None:
    (first,), _ = read(table(tmp_path, "sku,title,price\nA1,red shoe,5\n"))
    (moved,), _ = read(table(tmp_path, "price,title,sku\n\n7,red shoe,A1\n"))
    (other,), _ = read(table(tmp_path, "sku,title,price\nA1,red shoes,5\n"))
    assert first.content_sha256 == moved.content_sha256 != other.content_sha256


# ---- Photos ----------------------------------------------------------------------------------------------------------


def test_photos_decide_the_path_and_every_fault_is_named(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    main, side = photo(shop / "in" / "Main.JPG"), photo(shop / "side.png", 20)
    truncated(shop / "cut.jpg")
    (shop / "text.jpg").write_text("no picture")
    photo(tmp_path / "secret.jpg")
    (shop / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    photo(shop / "x" / "twice.jpg"), photo(shop / "y" / "twice.jpg", 60)
    cells = [
        "in/main.jpg",
        "side",
        "MAIN.jpg;side.png",
        "in\\Main.JPG、none.jpg",
        "",
        "none.jpg",
        "cut.jpg",
        "text.jpg",
    ]
    cells += [
        "../secret.jpg",
        "/etc/passwd",
        "C:\\a.jpg",
        "http://a.b/c.jpg",
        "link.jpg",
        "twice.jpg",
        "x/twice.jpg",
        "in/../side.png",
    ]
    source = table(tmp_path, "sku;title;photo\n" + "".join(f'S{n};shoe;"{cell}"\n' for n, cell in enumerate(cells)))
    products, problems = read(source, shop)
    found = {product.sku: [file.name for file in product.photos] for product in products}
    assert found == {
        "S0": ["in/Main.JPG"], "S1": ["side.png"], "S2": ["in/Main.JPG", "side.png"], "S3": ["in/Main.JPG"], "S4": [],
        "S14": ["x/twice.jpg"],
    }  # fmt: skip
    assert [product.path for product in products].count(Path_.GENERATIVE) == 1 and products[4].path is Path_.GENERATIVE
    assert products[0].photos[0].sha256 == hashlib.sha256(main.read_bytes()).hexdigest()
    assert (products[1].photos[0].path, products[1].photos[0].width_px) == (side, 32)
    reasons = {problem.sku: (problem.lost, problem.reason) for problem in problems}
    expected = {
        "S3": "missing",
        "S5": "missing",
        "S6": "cannot be read",
        "S7": "no picture",
        "S8": "outside",
        "S9": "absolute",
    }
    expected |= {"S10": "absolute", "S11": "URL", "S12": "outside", "S13": "any of 2 files", "S15": "outside"}
    assert set(reasons) == set(expected) and reasons["S3"][0] == "photo"
    for sku, said in expected.items():
        assert said in reasons[sku][1] and (sku == "S3" or reasons[sku][0] == "row")


def test_photos_are_found_by_sku_in_their_order(tmp_path: Path) -> None:
    names = [
        "A1_10.jpg",
        "A1_2.jpg",
        "A1.jpg",
        "a1-front.jpg",
        "A1-B.jpg",
        "A1-B_1.jpg",
        "A10.jpg",
        "C/1.jpg",
        "C/1²3.jpg",
        "C/main.jpg",
        "é.jpg",
    ]
    names += ["x_y_主图.jpg", ".hidden.jpg", "A1_x.jpg", "__MACOSX/A1.jpg", "A1.txt"]
    for grey, name in enumerate(names):
        (tmp_path / "p").mkdir(exist_ok=True)
        photo(tmp_path / "p" / name, grey) if name.endswith("jpg") else (tmp_path / "p" / name).write_text("")
    source = table(
        tmp_path, "sku,title\n" + "".join(f"{sku},shoe\n" for sku in ("A1", "A1-B", "C", "e\u0301", "x/y", "Z"))
    )
    products, problems = read(source, tmp_path / "p")
    assert {product.sku: [file.name for file in product.photos] for product in products} == {
        "A1": ["A1.jpg", "a1-front.jpg", "A1_2.jpg", "A1_10.jpg"],
        "A1-B": ["A1-B.jpg", "A1-B_1.jpg"],
        "C": ["C/1.jpg", "C/1²3.jpg", "C/main.jpg"],
        "é": ["é.jpg"],
        "x/y": ["x_y_主图.jpg"],
        "Z": [],
    }
    assert not problems


def test_a_folder_is_a_catalogue(tmp_path: Path) -> None:
    for grey, name in enumerate(["bag_1.jpg", "bag_2.jpg", "red shoe.jpg", "hats/a.png", "hats/b.png"]):
        photo(tmp_path / name, grey)
    truncated(tmp_path / "cut.jpg")
    table(tmp_path, "sku,title\n")
    assert "tables in it are not read: products.csv" in opened(str(tmp_path)).lines()[0]
    products, problems = split(list(read_products(opened(str(tmp_path)))))
    assert {product.sku: len(product.photos) for product in products} == {"bag": 2, "red shoe": 1, "hats": 2}
    assert [(problem.sku, problem.lost) for problem in problems] == [("cut", "row")]
    assert "5 photos of" not in opened(str(tmp_path)).lines()[0] and "6 photos of 4" in opened(str(tmp_path)).lines()[0]
    with pytest.raises(InputError, match="without pictures"):
        opened(str((tmp_path / "empty").mkdir() or tmp_path / "empty"))
    assert PhotoFolder(tmp_path).named("hats/a.png, bag_1").files == ("hats/a.png", "bag_1.jpg")


def test_one_photo_under_two_names_counts_once(tmp_path: Path) -> None:
    photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    (product,), _ = read(table(tmp_path, 'sku,title,photo\nA,shoe,"a.png,b.png"\n'), tmp_path)
    assert [file.name for file in product.photos] == ["a.png"]
