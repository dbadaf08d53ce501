"""Edit, in a real browser: steps, a mark, before and after, and the certificate in words that fit its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, expect
from servers import RunningServer, serving
from studio import photo_bytes, studio, upload


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), "--backend", "fake", "--workers", "1") as running:
        yield running


def _photo(ground: str = "#c9b8a0") -> dict[str, object]:
    return {"name": "bag.png", "mimeType": "image/png", "buffer": photo_bytes(ground=ground)}


def shown_at(canvas: Locator) -> FloatRect:
    """Where an easel stands once its picture has come and nothing moves any more."""
    expect(canvas).to_have_attribute("width", re.compile("[0-9]+"))
    canvas.hover()
    box = canvas.bounding_box()
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("language", "preset", "apply", "proof", "again", "agrees"),
    [
        ("en", "Soft studio", "Apply", "exactly the photo's", "Check again", "Everything agrees"),
        ("zh", "柔光影棚", "应用", "与原图完全相同", "重新验证", "全部相符"),
    ],
)
def test_a_photo_is_edited_and_the_proof_is_told(
    browser: Browser, server: RunningServer, language: str, preset: str, apply: str, proof: str, again: str, agrees: str
) -> None:
    with studio(browser, server, language=language) as here:
        page = here.open("edit")
        page.locator(".edit input[type=file]").first.set_input_files(_photo())  # type: ignore[arg-type]
        page.get_by_role("button", name=preset).click()
        expect(page.locator(".step")).to_have_count(2)
        page.get_by_role("button", name=apply).click()
        expect(page.locator(".compare .after")).to_be_visible()
        expect(page.locator(".proof-lines .good")).to_contain_text(proof)
        made = server.http.get("/v1/assets?kind=edited&limit=1").json()["assets"][0]
        assert [step["op"] for step in made["details"]["steps"]] == ["background", "shadow"]
        document = server.http.get(f"/v1/assets/{made['details']['certificate']}/content").json()
        kept = document["measured"]["kept"]
        assert kept["differing"] == 0
        expect(page.locator(".proof-lines .good")).to_contain_text(f"{kept['pixels']:,}")
        slider = page.locator(".compare input[type=range]")
        slider.focus()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        assert page.locator(".compare").evaluate("(one) => one.style.getPropertyValue('--at')") == "60%"
        page.get_by_role("button", name=again).click()
        expect(page.locator(".proof")).to_contain_text(agrees)
        here.settle()
        assert here.faults() == []


def test_steps_are_added_ordered_filled_and_refused_where_they_stand(browser: Browser, server: RunningServer) -> None:
    with studio(browser, server, allowed=("422",)) as here:
        page = here.open("edit")
        page.locator(".edit input[type=file]").first.set_input_files(_photo())  # type: ignore[arg-type]
        for name in ("Background", "Fit", "Text"):
            page.get_by_role("button", name="Add a step").click()
            dialog = page.get_by_role("dialog")
            if name == "Background":
                assert here.faults("dialog") == []
            dialog.locator(".op", has=page.locator(f"strong:text-is('{name}')")).click()
        titles = page.locator(".step h3 span:last-child")
        assert titles.all_inner_texts() == ["Background", "Fit", "Text"]
        page.locator(".step").nth(2).get_by_role("button", name="Earlier").click()
        assert titles.all_inner_texts() == ["Background", "Text", "Fit"]
        expect(page.locator(".step").nth(1).get_by_role("button", name="Earlier")).to_be_focused()
        page.get_by_role("button", name="Apply").click()
        words = page.locator(".step").nth(1).get_by_label("Words")
        expect(words).to_have_attribute("aria-invalid", "true")
        expect(words).to_be_focused()
        words.fill("New\n新品")
        page.locator(".step").nth(2).get_by_label("Canvas (pixels)").fill("a lot")
        page.get_by_role("button", name="Apply").click()
        canvas = page.locator(".step").nth(2).get_by_label("Canvas (pixels)")
        expect(canvas).to_have_attribute("aria-invalid", "true")
        expect(page.locator(".step").nth(2).locator(".fault:visible")).to_contain_text("a lot")
        page.locator(".step").nth(2).get_by_role("button", name="Remove").click()
        page.get_by_label("What behind it").select_option("place")
        page.get_by_label("The place in words").fill("橡木桌面 窗光")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator(".compare .after")).to_be_visible()
        made = server.http.get("/v1/assets?kind=edited&limit=1").json()["assets"][0]
        assert made["details"]["steps"] == [
            {"op": "background", "to": "橡木桌面 窗光"}, {"op": "text", "words": "New\\n新品"}
        ]  # fmt: skip
        page.goto(f"{server.url}/#/edit?reuse={made['id']}")
        expect(page.get_by_label("The place in words")).to_have_value("橡木桌面 窗光")
        expect(page.locator(".step").nth(1).get_by_label("Words")).to_have_value("New\n新品")


def test_a_mark_is_painted_or_typed(browser: Browser, server: RunningServer) -> None:
    asset = upload(server, photo_bytes(ground="#f2f2f2"))
    with studio(browser, server) as here:
        page = here.open(f"edit?photo={asset['id']}")
        page.get_by_role("button", name="Add a step").click()
        page.locator(".op", has=page.locator("strong:text-is('Erase')")).click()
        page.get_by_role("button", name="Mark it on the photo").click()
        dialog = page.get_by_role("dialog")
        canvas = dialog.locator("canvas")
        expect(dialog.get_by_role("button", name="Undo")).to_be_disabled()
        box = shown_at(canvas)
        page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=5)
        page.mouse.up()
        dialog.get_by_role("button", name="Undo").click()
        dialog.locator("summary").click()
        for label, value in (("Left", 150), ("Top", 190), ("Width", 60), ("Height", 900)):
            dialog.get_by_label(label).fill(str(value))
        dialog.get_by_role("button", name="Add rectangle").click()
        expect(dialog.locator(".fault:visible")).to_contain_text("480 × 360")
        dialog.get_by_label("Height").fill("20")
        dialog.get_by_role("button", name="Add rectangle").click()
        assert here.faults("dialog") == []
        dialog.get_by_role("button", name="Done").click()
        expect(page.locator(".step")).to_contain_text("Marked")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator(".proof-lines")).to_contain_text("meant to change")
        made = server.http.get("/v1/assets?kind=edited&limit=1").json()["assets"][0]
        assert made["details"]["steps"] == [{"op": "erase", "mask": "150,190,60,20"}]


def test_strokes_follow_the_finger_in_the_photos_own_pixels(browser: Browser, server: RunningServer) -> None:
    asset = upload(server, photo_bytes((960, 720), ground="#f2f2f2"))
    with studio(browser, server, width=390) as here:
        page = here.open(f"edit?photo={asset['id']}")
        page.get_by_role("button", name="Add a step").click()
        page.locator(".op", has=page.locator("strong:text-is('Erase')")).click()
        page.get_by_role("button", name="Mark it on the photo").click()
        canvas = page.get_by_role("dialog").locator("canvas")
        box = shown_at(canvas)
        assert box["width"] < 390
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
        page.get_by_role("dialog").get_by_role("button", name="Done").click()
        with page.expect_request("**/v1/edits") as asked:
            page.get_by_role("button", name="Apply").click()
        circles = [tuple(map(int, one.removeprefix("circle:").split(","))) for one in
                   asked.value.post_data_json["steps"][0]["mask"].split(";")]  # fmt: skip
        xs = [x for x, _, _ in circles]
        assert abs(min(xs) - 240) < 15 and abs(max(xs) - 720) < 30 and len(circles) > 10
        assert all(abs(y - 360) < 15 and radius == 29 for _, y, radius in circles)
        assert here.sideways_px() <= 0
        expect(page.locator(".compare .after")).to_be_visible()
