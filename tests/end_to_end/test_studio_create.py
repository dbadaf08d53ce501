"""Create, in a real browser: words to pictures, chips, settings, and what each picture can be used for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from servers import RunningServer, serving
from studio import Studio, photo_bytes, studio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), "--backend", "fake", "--workers", "1") as running:
        yield running


@pytest.fixture
def here(browser: Browser, server: RunningServer) -> Iterator[Studio]:
    with studio(browser, server) as found:
        yield found


@pytest.mark.parametrize(
    ("language", "prompt", "chip", "draw", "label"),
    [
        ("en", "brown leather handbag", "handbag", "Draw", "Favourite"),
        ("zh", "棕色真皮手提包", "手提包", "生成图片", "收藏"),
    ],
)
def test_words_become_four_pictures(
    browser: Browser, server: RunningServer, language: str, prompt: str, chip: str, draw: str, label: str
) -> None:
    with studio(browser, server, language=language) as here:
        page = here.open()
        assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-CN"}[language]
        page.locator("#prompt").fill(prompt)
        expect(page.locator(".chip select").first).to_have_value("handbag")
        expect(page.locator(".chip option:checked").first).to_have_text(chip)
        page.get_by_role("button", name=draw, exact=True).click()
        expect(page.locator(".run .tile img")).to_have_count(4)
        assert all(page.locator(".run .tile img").nth(at).get_attribute("alt") == prompt for at in range(4))
        expect(page.locator("#polite")).to_contain_text("4")
        assert page.evaluate("window.__shift") < 0.02
        tile = page.locator(".run .tile").first
        with page.expect_response(lambda answer: answer.request.method == "PATCH"):
            tile.get_by_role("button", name=label).click()
        expect(tile.get_by_role("button", name=label)).to_have_attribute("aria-pressed", "true")
        identity = tile.get_attribute("data-asset")
        assert server.http.get(f"/v1/assets/{identity}").json()["favourite"] is True
        with page.expect_download() as download:
            tile.locator("a[download]").click()
        assert download.value.suggested_filename.endswith(".png")


def test_changing_a_chip_changes_the_words(here: Studio) -> None:
    page = here.open()
    page.locator("#prompt").fill("red leather handbag for women")
    colour = page.locator("[data-slot=colour0] select")
    expect(colour).to_have_value("red")
    colour.select_option("navy_blue")
    expect(page.locator("#prompt")).to_have_value("navy blue leather handbag for women")
    page.get_by_role("button", name="Remove leather").click()
    expect(page.locator("#prompt")).to_have_value("navy blue handbag for women")
    page.locator(".chip.add select").select_option(label="retro")
    expect(page.locator("#prompt")).to_have_value("navy blue retro handbag for women")
    page.locator("[data-slot=category] select").select_option("backpack")
    expect(page.locator("#prompt")).to_have_value("navy blue retro backpack for women")
    picker = page.locator("[data-slot=colour0] input[type=color]")
    picker.evaluate("(input) => { input.value = '#1f3a6e'; input.dispatchEvent(new Event('change')); }")
    expect(page.locator("#prompt")).to_have_value("#1f3a6e retro backpack for women")


def test_what_is_refused_is_said_at_its_field(browser: Browser, server: RunningServer) -> None:
    with studio(browser, server, language="zh", allowed=("422",)) as here:
        page = here.open()
        prompt = page.locator("#prompt")
        page.get_by_role("button", name="生成图片").click()
        expect(page.locator("#prompt-fault")).to_contain_text("请写出")
        prompt.fill("xqzt")
        prompt.press("Enter")
        expect(page.locator("#prompt-fault")).to_contain_text(
            "xqzt", timeout=60_000
        )  # reads the sentence encoder first
        expect(prompt).to_have_attribute("aria-invalid", "true")
        expect(prompt).to_be_focused()
        assert "prompt-fault" in (prompt.get_attribute("aria-describedby") or "")
        assert page.locator(".tile").count() == 0
        prompt.fill("Nike 运动鞋")
        prompt.press("Enter")
        expect(page.locator("#prompt-fault")).to_contain_text("已拒绝")
        page.locator("summary", has_text="细调").click()
        page.get_by_label("种子", exact=True).fill("seven")
        prompt.fill("红色手表")
        prompt.press("Enter")
        expect(page.get_by_label("种子", exact=True)).to_have_attribute("aria-invalid", "true")


def test_settings_reach_the_recipe_and_come_back_from_it(here: Studio) -> None:
    page = here.open()
    page.locator("#prompt").fill("black watch")
    page.locator("summary", has_text="Fine-tuning").click()
    page.get_by_label("Seed", exact=True).fill("77")
    page.get_by_label("Strength").fill("3")
    page.get_by_label("Emphasis").fill("2")
    page.get_by_label("Variety").fill("0.5")
    page.get_by_label("Avoid").fill("red")
    page.get_by_label("Size").select_option("256")
    page.get_by_label("Pictures", exact=True).select_option("2")
    page.locator("#prompt").press("Enter")
    expect(page.locator(".run .tile img")).to_have_count(2)
    identities = [page.locator(".run .tile").nth(at).get_attribute("data-asset") for at in range(2)]
    recipes = [here.server.http.get(f"/v1/assets/{one}").json()["details"]["recipe"]["request"] for one in identities]
    assert [recipe["seed"] for recipe in recipes] == [77, 78]
    wanted = {"prompt": "black watch", "size": 256, "guidance": 3, "emphasis": 2, "variety": 0.5, "negative": "red"}
    assert all(recipes[0][name] == value for name, value in wanted.items())
    page.reload()
    page.goto(f"{here.server.url}/#/create?reuse={identities[1]}")
    expect(page.locator("#prompt")).to_have_value("black watch")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("78")
    expect(page.get_by_label("Avoid")).to_have_value("red")
    assert page.get_by_label("Variety").input_value() == "0.5"


def test_like_a_photo_and_same_again(here: Studio) -> None:
    page = here.open()
    page.locator("#prompt").fill("red handbag")
    page.locator("summary", has_text="Fine-tuning").click()
    photo = {"name": "bag.png", "mimeType": "image/png", "buffer": photo_bytes()}
    page.locator(".settings input[type=file]").set_input_files(photo)
    expect(page.locator(".holding img")).to_be_visible()
    page.get_by_label("How different").fill("0.3")
    page.get_by_label("Pictures", exact=True).select_option("1")
    page.get_by_label("Size").select_option("256")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator(".run .tile img")).to_have_count(1)
    first = _request_of(here, page, 0)
    assert first["like"].startswith("asset_") and first["change"] == 0.3
    page.locator(".run .tile").get_by_role("button", name="Same again, other seed").click()
    expect(page.locator(".run .tile img")).to_have_count(2)
    second = _request_of(here, page, 0)
    assert second["seed"] != first["seed"] and {**second, "seed": 0} == {**first, "seed": 0}
    page.locator(".run .tile").first.get_by_role("button", name="Variations").click()
    expect(page.locator(".run .tile img")).to_have_count(3)
    assert _request_of(here, page, 0)["like"] == page.locator(".run .tile").nth(1).get_attribute("data-asset")


def _request_of(here: Studio, page: Page, at: int) -> dict[str, object]:
    identity = page.locator(".run .tile").nth(at).get_attribute("data-asset")
    found: dict[str, object] = here.server.http.get(f"/v1/assets/{identity}").json()["details"]["recipe"]["request"]
    return found


def test_create_by_keyboard_alone(here: Studio) -> None:
    page = here.open()
    keyboard = page.keyboard
    for _ in range(20):
        keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "prompt":
            break
    keyboard.type("silver watch for men")
    expect(page.locator(".chip select").first).to_have_value("watch")
    keyboard.press("Enter")
    expect(page.locator(".run .tile img")).to_have_count(4)
    for _ in range(30):
        keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.tile button.picture')"):
            break
    keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("silver watch for men")
    expect(dialog.locator(".facts")).to_contain_text("watch · men · silver")
    assert here.faults() == []
    keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.activeElement.matches('.tile button.picture')")


def test_a_server_without_keys_shows_no_way_in_or_out(here: Studio) -> None:
    with here.page.expect_response(lambda answer: answer.url.endswith("/v1/session")):
        page = here.open()
    page.locator("#prompt").fill("red tie")
    expect(page.locator(".chip select").first).to_have_value("tie")
    expect(page.locator("#sign")).to_be_hidden()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_enter_that_ends_chinese_input_draws_nothing(here: Studio) -> None:
    page = here.open()
    page.locator("#prompt").fill("手表")
    page.locator("#prompt").evaluate(
        "(area) => area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"  # noqa: E501
    )
    page.wait_for_timeout(150)
    assert page.locator(".tile").count() == 0


def test_the_language_is_switched_in_place_and_remembered(here: Studio) -> None:
    page = here.open()
    page.locator("#prompt").fill("red tie")
    expect(page.locator(".chip option:checked").first).to_have_text("tie")
    page.get_by_role("button", name="切换到中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("描述一件商品")
    expect(page.locator("#prompt")).to_have_value("red tie")
    expect(page.locator(".chip option:checked").first).to_have_text("领带")
    assert page.title() == "创作 · packshot"
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("描述一件商品")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Describe a product")
    page.get_by_role("button", name="Light or dark").click()
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
