"""The gallery in a real browser; and what holds for every screen: nothing for axe to find, a phone's width, focus."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from servers import RunningServer, serving
from studio import photo_bytes, studio, upload

SCREENS = ("create", "edit", "listing", "gallery", "models")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), "--backend", "fake", "--workers", "1") as running:
        for prompt in ("red running shoe", "女士金色手表", "blue backpack"):
            body = {"prompt": prompt, "count": 1, "seed": 3, "size": 256}
            answer = running.http.post("/v1/generations", json=body, headers={"Prefer": "wait=30"})
            assert answer.json()["status"] == "done", answer.text
        upload(running, photo_bytes())
        yield running


def _titles(page: Page) -> list[str]:
    return [str(image.get_attribute("alt")) for image in page.locator("section.gallery .tile img").all()]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pictures_are_found_compared_used_again_and_deleted(
    browser: Browser, server: RunningServer, language: str
) -> None:
    said = {
        "en": ("Search", "Favourite", "Favourites", "Compare", "Use its recipe", "Delete", "Order"),
        "zh": ("搜索", "收藏", "收藏", "对比", "使用它的参数", "删除", "排序"),
    }[language]
    search, favourite, favourites, compare, reuse, delete, order = said
    prompt = {"en": "silk scarf", "zh": "真丝围巾"}[language]
    body = {"prompt": prompt, "count": 2, "seed": 11, "size": 256}
    assert server.http.post("/v1/generations", json=body, headers={"Prefer": "wait=30"}).json()["status"] == "done"
    with studio(browser, server, language=language) as here:
        page = here.open("gallery")
        expect(page.locator(".tile").first).to_be_visible()
        box = page.get_by_role("searchbox", name=search)
        tiles = page.locator("section.gallery .tile", has=page.locator(f'img[alt="{prompt}"]'))
        box.fill({"en": "围巾", "zh": "scarf"}[language])  # what was understood is found in either language
        expect(tiles).to_have_count(2)
        expect(page.locator('section.gallery img[alt="blue backpack"]')).to_have_count(0)
        with page.expect_response(lambda answer: answer.request.method == "PATCH"):
            tiles.first.get_by_role("button", name=favourite, exact=True).click()
        kept = tiles.first.get_attribute("data-asset")
        tiles.nth(0).get_by_role("button", name=compare).click()
        tiles.nth(1).get_by_role("button", name=compare).click()
        page.locator(".float .primary").click()
        expect(page.get_by_role("dialog").locator("img")).to_have_count(2)
        assert here.faults("dialog") == []
        page.keyboard.press("Escape")
        box.fill("")
        page.locator(".segments").get_by_role("button", name=favourites, exact=True).click()
        expect(page.locator(f'.gallery [data-asset="{kept}"]')).to_be_visible()
        page.locator(".segments button").first.click()
        page.get_by_role("combobox", name=order).select_option("oldest")
        expect(page.locator("section.gallery .tile img").first).to_have_attribute("alt", "red running shoe")
        page.locator(f'.gallery [data-asset="{kept}"] button.picture').click()
        page.get_by_role("dialog").get_by_role("button", name=reuse).click()
        expect(page.locator("#prompt")).to_have_value(prompt)
        here.open("gallery")
        page.locator(f'.gallery [data-asset="{kept}"] button.picture').click()
        page.get_by_role("dialog").get_by_role("button", name=delete).click()
        question = page.locator("dialog", has=page.locator("#ask-title"))
        expect(question).to_contain_text(prompt)
        question.get_by_role("button", name=delete).click()
        expect(page.locator(f'.gallery [data-asset="{kept}"]')).to_have_count(0)
        assert server.http.get(f"/v1/assets/{kept}").status_code == 404


@pytest.mark.parametrize(("language", "dark"), [("en", False), ("zh", True)])
def test_axe_finds_no_serious_fault_on_any_screen(
    browser: Browser, server: RunningServer, language: str, dark: bool
) -> None:
    with studio(browser, server, language=language, dark=dark) as here:
        for screen in SCREENS:
            page = here.open(screen)
            page.wait_for_load_state("networkidle")
            for more in page.locator(f"section.{screen} details.more").all():
                more.evaluate("(one) => { one.open = true; }")
            here.settle()
            assert here.faults() == [], screen


def test_every_screen_fits_a_phone(browser: Browser, server: RunningServer) -> None:
    with studio(browser, server, language="en", width=360) as here:
        for screen in SCREENS:
            page = here.open(screen)
            page.wait_for_load_state("networkidle")
            for more in page.locator(f"section.{screen} details.more").all():
                more.evaluate("(one) => { one.open = true; }")
            assert here.sideways_px() <= 0, screen
            assert _small_targets(page, screen) == []


def _small_targets(page: Page, screen: str) -> list[str]:
    """Controls that a finger would miss: under 44 px high; small ones within a line of text are left out."""
    found: list[str] = page.evaluate(
        """(screen) => [...document.querySelectorAll(`section.${screen} :is(button, select, input, a.button, summary), .bar :is(a, button)`)]
        .filter((one) => one.offsetParent && !one.matches('.tiny, input[type=checkbox], input[type=file]'))
        .filter((one) => one.getBoundingClientRect().height < 43.5)
        .map((one) => one.outerHTML.slice(0, 120))""",  # noqa: E501
        screen,
    )
    return found


def test_screens_are_announced_and_kept(browser: Browser, server: RunningServer) -> None:
    with studio(browser, server, language="en") as here:
        page = here.open("create")
        page.locator("#prompt").fill("half a thought")
        page.get_by_role("link", name="Gallery").click()
        expect(page.get_by_role("heading", level=1, name="Gallery")).to_be_focused()
        assert page.title() == "Gallery · packshot"
        assert page.locator(".tabs a[aria-current=page]").inner_text() == "Gallery"
        assert (
            page.locator("main").count()
            == page.get_by_role("navigation").count()
            == page.locator("header.bar").count()
            == 1
        )
        page.go_back()
        expect(page.locator("#prompt")).to_have_value("half a thought")


def test_the_first_screen_is_there_without_moving(browser: Browser, server: RunningServer) -> None:
    with studio(browser, server) as here:
        page = here.open("create")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.__shift") < 0.02
        sizes = json.loads(
            page.evaluate("JSON.stringify(performance.getEntriesByType('resource').map((one) => one.decodedBodySize))")
        )
        assert sum(sizes) < 200_000, "the first screen got heavy"
