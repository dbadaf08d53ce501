"""The contact sheet in a real browser: no network, no markup from tables, filters, keys, marks, languages, a phone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api", reason="pip install 'packshot[dev]'")

from contact_sheets import contact_sheet, failure, made
from playwright.sync_api import Browser, Page, expect

from packshot.listing.contact_sheet import KEY_DIGITS

TITLES = {"shopify": ("Shopify", "Shopify 商品图"), "taobao-main": ("Taobao, main picture", "淘宝主图")}
NASTY = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
FILTERED = """() => {
    const [choice, start] = [document.getElementById("channel"), performance.now()];
    choice.value = "shopify";
    choice.dispatchEvent(new Event("change"));
    return performance.now() - start;
}"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder: 60 products of 84 pictures a page at first, 5,000 lines in all."""
    folder = tmp_path_factory.mktemp("run")
    lines = [
        made(sku=f"SKU-{n:04}", channel=channel, role=role, request=f"{'red' if n % 2 else 'blue'} bag",
             unsure=n % 10 == 0 and role == "main", path="generative" if n % 5 == 0 else "identity")
        for n in range(1250) for channel in TITLES for role in ("main", "scene")
    ]  # fmt: skip
    lines[0] = made(sku=NASTY, request=NASTY, channel="shopify", name="a b/#1 %/<p>.jpg")
    failed = [failure(sku="SKU-0001"), failure(sku="SKU-0001", reason=NASTY, role="size")]
    buffer = io.BytesIO()
    Image.new("RGB", (40, 60), (200, 30, 30)).save(buffer, "JPEG")
    for line in lines[:120]:
        path = folder / line["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    (folder / "index.html").write_bytes(contact_sheet(lines, failed, TITLES))
    return folder


class Opened:
    """A page with what it asked of the network and what went wrong in it."""

    def __init__(self, browser: Browser, run: Path, **context: object) -> None:
        self.context = browser.new_context(**{"locale": "en-US", "viewport": {"width": 1200, "height": 800}, **context})
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.address = (run / "index.html").as_uri()
        self.page = self.open()

    def open(self, part: str = "") -> Page:
        page = self.context.new_page()
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.goto(self.address + part)
        return page


@pytest.fixture
def opened(browser: Browser, run: Path) -> Iterator[Opened]:
    one = Opened(browser, run)
    yield one
    one.context.close()


def tiles(page: Page) -> list[str]:
    return [str(tile.get_attribute("aria-label")) for tile in page.locator(".tile").all()]


def test_markup_in_a_table_stays_text_and_nothing_is_fetched_but_pictures(opened: Opened, run: Path) -> None:
    page = opened.page
    expect(page.locator(".product h2").first).to_have_text(NASTY)
    page.wait_for_function("document.querySelector('.tile img').naturalWidth === 40")
    page.locator(".lacks summary").first.click()
    expect(page.locator(".lacks").first).to_contain_text(NASTY)
    page.locator(".tile").first.click()
    expect(page.locator("#which")).to_contain_text(NASTY)
    assert page.title() == "Contact sheet · packshot" and page.locator("main script, main img[src='x']").count() == 0
    assert all(url.startswith(run.as_uri() + "/") for url in opened.asked)
    assert all(url.endswith(("index.html", ".jpg")) for url in opened.asked)
    assert opened.wrong == []
    blocked = page.evaluate("() => fetch('data:,x').then(() => 'fetched', () => 'blocked')")
    assert blocked == "blocked"
    link = page.locator("#details a").first.get_attribute("href")
    assert link == "./a%20b/%231%20%25/%3Cp%3E.jpg.certificate.json"


def test_five_thousand_pictures_come_a_page_at_a_time_and_lazily(opened: Opened) -> None:
    page = opened.page
    expect(page.locator("#totals")).to_have_text("1,251 products · 5,000 pictures · 2 missing")
    assert page.locator(".product").count() == 24 and page.locator(".tile").count() < 100
    loaded = [url for url in opened.asked if url.endswith(".jpg")]
    assert 0 < len(loaded) < 80  # those in sight, and somewhat beyond
    page.locator("#page").fill("53")
    page.locator("#page").press("Enter")
    expect(page.locator("#of")).to_have_text("of 53")
    assert tiles(page)[-1].startswith("SKU-1249 ")
    page.reload()
    assert tiles(page)[-1].startswith("SKU-1249 ")  # the address remembers
    taken = page.evaluate(FILTERED)
    assert taken < 2000 and all(" shopify " in name for name in tiles(page))


def test_filters_and_search(opened: Opened) -> None:
    page = opened.page
    page.select_option("#verdict", "unsure")
    expect(page.locator("#totals")).to_contain_text("249 pictures")
    page.select_option("#channel", "taobao-main")
    expect(page.locator("#totals")).to_contain_text("125 pictures")
    page.select_option("#role", "scene")
    expect(page.locator("#nothing")).to_be_visible()
    page.select_option("#verdict", "")
    page.select_option("#path", "generative")
    expect(page.locator("#totals")).to_contain_text("250 pictures")
    page.locator("#search").fill("sku-01 RED")
    expect(page.locator("#totals")).to_have_text("10 products · 10 pictures · 0 missing")
    again = opened.open(page.url.partition("index.html")[2])
    expect(again.locator("#totals")).to_have_text("10 products · 10 pictures · 0 missing")
    for name in ("channel", "role", "path"):
        page.select_option(f"#{name}", "")
    page.locator("#search").fill("")
    page.select_option("#verdict", "missing")
    expect(page.locator(".lacks li")).to_have_count(2)
    assert page.locator(".tile").count() == 0


def test_keys_reject_and_the_marks_outlive_the_page(opened: Opened, tmp_path: Path) -> None:
    page = opened.page
    names = tiles(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == names[1]
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert below.split()[0] != names[1].split()[0]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.locator("#reason").fill("the table  is bent")
    page.keyboard.press("Escape")
    expect(page.locator(".tile.rejected")).to_have_count(2)
    expect(page.locator("#marked")).to_have_text("2 marked for rejecting")
    later = opened.open()
    expect(later.locator(".tile.rejected")).to_have_count(2)
    with later.expect_download() as waiting:
        later.locator("#save").click()
    waiting.value.save_as(tmp_path / "rejected.txt")
    rows = (tmp_path / "rejected.txt").read_text("utf-8").splitlines()
    assert waiting.value.suggested_filename == "rejected.txt"
    assert [row.partition(" ")[2] for row in rows] == ["", "the table is bent"]
    assert all(len(row.partition(" ")[0]) == KEY_DIGITS for row in rows)
    later.locator(".tile .quick").first.click()
    expect(later.locator("#marked")).to_have_text("3 marked for rejecting")
    later.select_option("#verdict", "marked")
    expect(later.locator(".tile")).to_have_count(3)
    later.locator("#clear").click()
    expect(later.locator("#tray")).to_be_hidden()
    assert opened.wrong == []


def test_marks_of_pictures_that_are_gone_are_forgotten(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(contact_sheet([made(), made(number=2)], [], TITLES))
    one = Opened(browser, tmp_path)
    for quick in one.page.locator(".quick").all():
        quick.click()
    expect(one.page.locator("#marked")).to_have_text("2 marked for rejecting")
    (tmp_path / "index.html").write_bytes(contact_sheet([made()], [failure(kind="rejected")], TITLES))
    for _ in range(5):  # a busy browser may hand the page's storage to its next process only after that has read it
        one.page.reload()
        if one.page.locator("#marked").text_content() != "0 marked for rejecting":
            break
    expect(one.page.locator("#marked")).to_have_text("1 marked for rejecting")
    one.context.close()


def test_it_speaks_chinese_and_remembers(browser: Browser, run: Path) -> None:
    one = Opened(browser, run, locale="zh-CN")
    expect(one.page.locator("h1")).to_have_text("图片总览")
    assert one.page.locator("html").get_attribute("lang") == "zh-CN"
    expect(one.page.locator(".tile b").first).to_have_text("主图 1")
    one.page.locator("#language").click()
    expect(one.page.locator("h1")).to_have_text("Contact sheet")
    one.page.reload()
    expect(one.page.locator("h1")).to_have_text("Contact sheet")
    says = one.page.evaluate("() => [...document.querySelectorAll('[data-say]')].filter((e) => !e.textContent).length")
    assert says == 0
    one.context.close()


def test_on_a_phone_nothing_sticks_out_and_thumbs_can_reject(browser: Browser, run: Path) -> None:
    one = Opened(browser, run, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = one.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".tile").nth(1).tap()
    expect(page.locator("#viewer")).to_be_visible()
    box = page.locator("#reject").bounding_box()
    assert box is not None and box["height"] >= 44
    page.locator("#reject").tap()
    page.locator("#close").tap()
    expect(page.locator(".tile.rejected")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390 and one.wrong == []
    one.context.close()
