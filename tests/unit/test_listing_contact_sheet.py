"""The contact sheet as a file: whole, closed against markup, the same for the same lines, and small."""

from __future__ import annotations

import json
import re
from pathlib import Path

from contact_sheets import contact_sheet, failure, made, sheet_of

from packshot.listing.contact_sheet import KEY_DIGITS, ContactSheet, embedded

TITLES = {"shopify": ("Shopify", "Shopify 商品图")}


def document(page: bytes) -> dict[str, object]:
    (found,) = re.findall(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    read: dict[str, object] = json.loads(found)
    return read


def test_nothing_of_a_table_is_markup() -> None:
    nasty = "</script><script>alert(1)</script><!-- ]]> & \u2028 {{script}}"
    page = contact_sheet([made(sku=nasty, request=nasty)], [failure(sku=nasty, reason=nasty)], TITLES)
    assert page.count(b"<script") == 2 and page.count(b"</script>") == 2
    (product,) = document(page)["products"]  # type: ignore[misc]
    assert product["sku"] == product["title"] == product["lacks"][0][4] == nasty
    assert json.loads(embedded([nasty])) == [nasty] and not set("<>&\u2028") & set(embedded([nasty]))


def test_a_page_holds_all_and_loads_nothing_else() -> None:
    page = contact_sheet([made(), made(number=2, unsure=True)], [failure()], TITLES).decode()
    assert not re.search(r"\{\{\w+\}\}", page) and not re.search(r"(src|href)=[\"']|url\(|@import|://", page)
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)
    assert policy is not None and policy[1].startswith("default-src &#x27;none&#x27;")
    assert "unsafe" not in policy[1] and policy[1].count("sha256-") == 2


def test_products_keep_their_order_and_pictures_theirs() -> None:
    lines = [made(sku="B", role="scene", request="bag"), made(sku="A", number=2), made(sku="A"), made(sku="B")]
    data = sheet_of(
        lines, [failure(sku="C"), {"kind": "row", "file": "a.csv", "line": 7, "sku": "", "reason": "x"}], TITLES
    ).data()
    assert [product["sku"] for product in data["products"]] == ["B", "A", "C", ""]
    assert [picture[3:5] for picture in data["products"][0]["pictures"]] == [[0, 1], [4, 1]]
    assert [picture[4] for picture in data["products"][1]["pictures"]] == [1, 2]
    assert data["products"][3]["lacks"] == [["row", -1, -1, 1, "a.csv, line 7: x", ""]]
    assert data["products"][0]["title"] == "bag"
    assert data["channels"] == [["shopify", "Shopify", "Shopify 商品图"]]
    assert len(data["products"][0]["pictures"][0][0]) == KEY_DIGITS
    assert contact_sheet(lines, [], TITLES) == contact_sheet(lines, [], TITLES)


def test_a_resumed_run_shows_products_in_the_catalogues_order() -> None:
    pages = []
    for skus in ("CAB", "ABC"):
        sheet = ContactSheet(TITLES, "ABC")
        for sku in skus:
            for role in ("scene", "main") if sku == "A" else ("main", "scene"):
                sheet.add(made(sku=sku, role=role))
        pages.append(sheet.page())
    assert pages[0] == pages[1]


def test_twenty_thousand_products_stay_light() -> None:
    lines = [made(sku=f"SKU-{n}", number=k, unsure=k == 2) for n in range(2_000) for k in (1, 2, 3)]
    page = contact_sheet(lines, [], TITLES)
    shell = len(contact_sheet([], [], TITLES))
    assert (len(page) - shell) / len(lines) < 150  # bytes a picture: 30 MB for 20,000 products with ten each
    assert len(document(page)["verdicts"]) == 2  # type: ignore[arg-type]


def test_scripts_use_no_way_to_set_markup() -> None:
    folder = Path(__file__).parents[2] / "src" / "packshot" / "listing"
    script = (folder / "contact_sheet.js").read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|fetch\(", script)
