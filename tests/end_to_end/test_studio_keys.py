"""The page of a server that asks for keys, in a real browser: signing in and out, ended keys, keys of few scopes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from keyed import SHOP, Keyed, keyed
from playwright.sync_api import Browser, Page, Route, expect
from studio import Studio, studio

REFUSED = ("401", "403")
"""What the browser notes on its console of answers that these tests provoke."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def here(browser: Browser, shop: Keyed) -> Iterator[Studio]:
    with studio(browser, shop.server, allowed=REFUSED) as found:
        yield found


def enter(page: Page, key: str) -> None:
    """Sign in, by keyboard."""
    expect(page.locator("#key")).to_be_focused()
    page.keyboard.insert_text(key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def signed_in(here: Studio, key: str, screen: str = "create") -> Page:
    """The page, after its form."""
    here.page.goto(f"{here.server.url}/#/{screen}")
    enter(here.page, key)
    return here.page


def drawn(page: Page, count: int = 4) -> None:
    """Wait until so many pictures are seen, by the browser and not by their place alone."""
    expect(page.locator(".run .tile img")).to_have_count(count)
    assert page.evaluate("[...document.querySelectorAll('.run .tile img')].every((one) => one.naturalWidth > 0)")


def cookies(page: Page) -> list[str]:
    return [str(cookie.get("name")) for cookie in page.context.cookies()]


WORDS = {
    "en": ("This server asks for a key", "Enter the key first", "This key is not valid", "切换到中文", "Sign out"),
    "zh": ("本服务器需要密钥", "请先输入密钥", "密钥无效", "Switch to English", "退出"),
}


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1280, False), ("zh", 390, True)])
def test_a_key_is_asked_for_and_opens_the_page(
    browser: Browser, shop: Keyed, language: str, width: int, dark: bool
) -> None:
    title, missing, wrong, switch, sign_out = WORDS[language]
    _, key = shop.key()
    with studio(browser, shop.server, language=language, width=width, dark=dark, allowed=REFUSED) as here:
        page = here.page
        page.goto(f"{here.server.url}/#/create?prompt=red%20shoe")
        form, field, fault = page.get_by_role("dialog", name=title), page.locator("#key"), page.locator("#key-fault")
        expect(form).to_be_visible()
        expect(field).to_be_focused()
        field.press("Enter")
        expect(fault).to_contain_text(missing)
        for text in ("packshot_" + "a" * 43, "钥匙"):  # one that nobody made, and one that no header can hold
            field.fill(text)
            field.press("Enter")
            expect(fault).to_contain_text(wrong)
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(field).to_be_focused()
            assert "key-fault" in (field.get_attribute("aria-describedby") or "")
        here.settle()
        assert here.faults("dialog") == [] and here.sideways_px() <= 0 and cookies(page) == []
        field.fill(f"  {key}\t")
        form.get_by_role("button", name=switch).click()
        expect(page.locator("#key-title")).not_to_have_text(title)
        page.locator("#key").press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.locator("#language").click()
        expect(page.locator("#prompt")).to_have_value("red shoe")  # the address was followed once somebody was in
        page.locator("#prompt").press("Enter")
        drawn(page)
        assert key not in page.evaluate("JSON.stringify([document.cookie, localStorage, sessionStorage, location])")
        page.reload()
        expect(page.get_by_role("button", name=sign_out)).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert here.sideways_px() <= 0


def test_signing_out_ends_the_session_and_shows_nothing_of_it(here: Studio, shop: Keyed) -> None:
    name, key = shop.key()
    page = signed_in(here, key)
    page.locator("#prompt").fill("red tie")
    page.locator("#prompt").press("Enter")
    drawn(page)
    (cookie,) = page.context.cookies()
    assert cookie.get("httpOnly") and cookie.get("sameSite") == "Strict"
    expect(page.locator("#sign")).to_have_attribute("title", f"Signed in with the key “{name}”")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#key")).to_be_focused()
    assert page.locator(".tile").count() == 0 and page.locator("#prompt").input_value() == "" and cookies(page) == []
    old = {"Cookie": f"{cookie.get('name')}={cookie.get('value')}", "Authorization": ""}
    assert here.server.http.get("/v1/session", headers=old).status_code == 401


@pytest.mark.parametrize(("language", "said"), [("en", "Your sign-in has ended"), ("zh", "登录已失效")])
def test_an_ended_key_asks_again_and_nothing_that_was_typed_is_lost(
    browser: Browser, shop: Keyed, language: str, said: str
) -> None:
    name, key = shop.key()
    with studio(browser, shop.server, language=language, allowed=REFUSED) as here:
        page = signed_in(here, key)
        page.locator("#prompt").fill("silver watch")
        expect(page.locator("[data-slot=category] select")).to_have_value("watch")  # nothing more is asked by itself
        page.locator(".settings input[inputmode=numeric]").evaluate("(seed) => { seed.value = '77'; }")
        shop.revoke(name)
        page.locator("#prompt").press("Enter")
        form = page.get_by_role("dialog")
        expect(form).to_contain_text(said)
        assert cookies(page) == []  # lest each picture of the page shows it once more
        page.keyboard.press("Escape")  # to read what was typed, or to look for the new key
        expect(page.locator("#prompt-fault")).to_be_visible()
        expect(page.locator("#prompt")).to_have_value("silver watch")
        page.locator("#prompt").press("Enter")
        enter(page, shop.key()[1])
        drawn(page)  # what was asked for goes on by itself
        first = page.locator(".run .tile").first.get_attribute("data-asset")
        request = shop.server.http.get(f"/v1/assets/{first}").json()["details"]["recipe"]["request"]
        assert request["seed"] == 77 and request["prompt"] == "silver watch"


def test_a_refusal_that_comes_late_does_not_open_the_form_again(browser: Browser, shop: Keyed) -> None:
    name, key = shop.key()
    held = list[Route]()
    with studio(browser, shop.server, allowed=REFUSED) as here:
        page = signed_in(here, key)
        page.locator("#prompt").fill("silver watch")
        expect(page.locator(".understood")).to_contain_text("watch")
        page.route("**/v1/generations", lambda route: held.append(route))
        shop.revoke(name)
        page.locator("#prompt").press("Enter")
        while len(held) < 2:  # two at once
            page.wait_for_timeout(50)
        held[0].continue_()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        with page.expect_response("**/v1/generations"):
            held[1].continue_()
        page.wait_for_timeout(300)
        assert page.get_by_role("dialog").count() == 0 and page.locator("#prompt").input_value() == "silver watch"


def test_a_closed_form_leaves_a_way_in(here: Studio, shop: Keyed) -> None:
    page = here.page
    page.goto(f"{here.server.url}/#/gallery")
    expect(page.locator("#key")).to_be_focused()
    page.mouse.click(5, 5)  # beside it: by accident
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Sign in").click()
    enter(page, shop.key()[1])
    expect(page.locator("section.gallery .empty")).to_be_visible()  # the screen is filled then


def test_events_that_are_refused_go_on_after_signing_in_again(here: Studio, shop: Keyed) -> None:
    """Browsers do not tell a page why: it has to ask."""
    name, key = shop.key()
    page, others = signed_in(here, key), list[str]()

    def end_the_key(route: Route) -> None:
        if not others:
            others.append(shop.rotate(name))
        route.continue_()

    page.route("**/events", end_the_key)
    page.locator("#prompt").fill("red shoe")
    page.locator("#prompt").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    enter(page, others[0])
    drawn(page)


LIMITS = {
    "en": {
        "create": "may not draw pictures", "edit": "may not edit photos, upload or change pictures",
        "listing": "may not make listings", "models": "may not train models",
    },
    "zh": {
        "create": "没有“生成图片”的权限", "edit": "没有“编辑照片、上传或修改图片”的权限",
        "listing": "没有“制作上架图”的权限", "models": "没有“训练模型”的权限",
    },
}  # fmt: skip


@pytest.mark.parametrize(("language", "width"), [("en", 390), ("zh", 1280)])
def test_what_a_key_may_not_do_is_said_where_it_would_be_done(
    browser: Browser, shop: Keyed, language: str, width: int
) -> None:
    name, reader = shop.key("read")
    with studio(browser, shop.server, language=language, width=width, allowed=REFUSED) as here:
        page = signed_in(here, reader)
        for screen, words in LIMITS[language].items():
            page.goto(f"{here.server.url}/#/{screen}")
            line = page.locator(f"section.{screen} .limits")
            expect(line).to_contain_text(words)
            expect(line).to_contain_text(name)
            assert here.sideways_px() <= 0
        expect(page.locator(".pack").first).to_be_visible()  # what it may see is there
        page.goto(f"{here.server.url}/#/create")
        page.locator("#prompt").fill("red shoe")
        page.locator("#prompt").press("Enter")
        expect(page.locator("#prompt-fault")).to_contain_text(LIMITS[language]["create"])
        assert page.locator("section.create .fault:visible").count() == 1
        here.settle()
        assert here.faults() == []


@pytest.mark.parametrize(("language", "said"), [("en", "may not upload or change pictures"), ("zh", "上传或修改图片")])
def test_a_refusal_for_one_button_is_a_notice(browser: Browser, shop: Keyed, language: str, said: str) -> None:
    _, key = shop.key("read", "generate")
    with studio(browser, shop.server, language=language, allowed=REFUSED) as here:
        page = signed_in(here, key)
        expect(page.locator("section.create .limits")).to_be_hidden()
        page.locator("#prompt").fill("red tie")
        page.locator("#prompt").press("Enter")
        drawn(page)
        heart = page.locator(".run .tile").first.locator("button[aria-pressed]")
        heart.click()
        expect(page.locator(".notice")).to_contain_text(said)
        expect(heart).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize(("language", "said"), [("en", "which this page needs"), ("zh", "本页面无法使用")])
def test_a_key_that_may_not_read_is_told_that_the_page_needs_it(
    browser: Browser, shop: Keyed, language: str, said: str
) -> None:
    _, key = shop.key("generate")
    with studio(browser, shop.server, language=language, width=390, allowed=REFUSED) as here:
        page = signed_in(here, key)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for screen in ("create", "models", "gallery"):
            page.goto(f"{here.server.url}/#/{screen}")
            expect(page.locator(f"section.{screen} .limits")).to_contain_text(said)
        expect(page.locator("section.gallery .gallery-tools")).to_be_hidden()
        page.locator("#sign").click()
        enter(page, shop.key(*SHOP)[1])
        expect(page.locator("section.gallery .gallery-tools")).to_be_visible()
        assert not [url for url in asked if url.endswith("/v1/packs")]  # nothing that would only be refused


def test_too_many_wrong_keys_are_said_to_be_that_and_a_right_one_still_opens(browser: Browser, shop: Keyed) -> None:
    guess = {"Authorization": "Bearer packshot_" + "b" * 43}
    with studio(browser, shop.server, allowed=("401", "429")) as here:
        page = here.page
        page.goto(here.server.url)
        field, fault = page.locator("#key"), page.locator("#key-fault span")
        for _ in range(10):  # a slow machine may take so long that one more guess is granted
            while here.server.http.get("/v1/session", headers=guess).status_code != 429:
                pass
            field.fill("packshot_" + "c" * 43)
            field.press("Enter")
            expect(page.locator("#key-fault")).to_be_visible()
            if "not valid" not in fault.inner_text():
                break
        expect(fault).to_contain_text("Too many requests. Try again in")
        field.fill("")
        enter(page, shop.key()[1])
