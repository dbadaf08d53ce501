"""Listing and Models, in a real browser: a table becomes pictures to look at, a catalogue a training to watch."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from listing_pictures import jpeg, two_items
from messages import is_chinese
from PIL import Image
from playwright.sync_api import Browser, expect
from servers import RunningServer, serving
from studio import photo_bytes, studio
from trained_packs import put_pack

TABLE = "货号,品名,图片\nA-1,红色手提包,bag.png\nA-2,女士手提包,gone.png\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), "--backend", "fake", "--workers", "1") as running:
        yield running


def test_a_table_becomes_pictures_of_which_some_are_rejected(browser: Browser, server: RunningServer) -> None:
    table = {"name": "shop.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    photo = {"name": "bag.png", "mimeType": "image/png", "buffer": photo_bytes((900, 900))}
    with studio(browser, server, language="zh") as here:
        page = here.open("listing")
        start = page.get_by_role("button", name="开始制作")
        start.click()
        expect(page.locator(".fault:visible")).to_contain_text("请先选择商品表")
        files = page.locator(".listing input[type=file]")
        files.nth(0).set_input_files(table)  # type: ignore[arg-type]
        files.nth(1).set_input_files([photo])  # type: ignore[list-item]
        start.click()
        expect(page.locator("#channels-fault")).to_contain_text("请至少选择一个渠道")
        page.get_by_label("Shopify 商品图").check()
        start.click()
        expect(page.locator(".opened h2")).to_have_text("shop.csv")
        expect(page.locator(".run-row .badge")).to_have_text("完成", timeout=90_000)
        expect(page.locator(".product h3")).to_contain_text("A-1")
        expect(page.locator(".failures")).to_be_visible()
        page.locator(".failures summary").click()
        expect(page.locator(".failures")).to_contain_text("gone.png")
        tiles = page.locator(".opened .tile")
        shown = tiles.count()
        assert shown >= 1
        expect(page.locator(".counts")).to_contain_text(f"已完成 {shown}")
        tiles.first.get_by_role("button", name="剔除").click()
        expect(page.locator(".counts")).to_contain_text("剔除 1")
        page.get_by_role("combobox", name="显示").select_option("rejected")
        expect(tiles.locator("visible=true")).to_have_count(1)
        tiles.first.locator("button.picture").click()
        expect(page.get_by_role("dialog").get_by_role("table")).to_contain_text("合格")
        here.settle()
        assert here.faults() == []
        page.keyboard.press("Escape")
        with page.expect_download() as download:
            page.get_by_role("link", name="下载 ZIP").click()
        with zipfile.ZipFile(download.value.path()) as archive:
            names = archive.namelist()
        assert sum(not name.endswith((".json", ".jsonl")) for name in names) == shown - 1
        page.get_by_role("button", name="Switch to English").click()
        expect(page.locator(".run-row .badge")).to_have_text("done")
        expect(tiles.first).to_contain_text("Shopify, product media")
        page.reload()
        expect(page.locator(".run-row")).to_contain_text("shop.csv")


def test_a_chinese_shopkeeper_reads_no_english(browser: Browser, server: RunningServer) -> None:
    rows = "货号,品名,图片\nB-1,红色手提包,bag.png\nB-2,女士手提包,gone.png\nB-3,小包,small.png\nB-4,手提包,two.jpg\n"
    table = {"name": "shop.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    sizes = {"bag.png": (900, 900), "small.png": (60, 60)}
    photos = [{"name": name, "mimeType": "image/png", "buffer": photo_bytes(size)} for name, size in sizes.items()]
    photos.append({"name": "two.jpg", "mimeType": "image/jpeg", "buffer": jpeg(two_items())})
    with studio(browser, server, language="zh", allowed=("415",)) as here:
        page = here.open("listing")
        files = page.locator(".listing input[type=file]")
        files.nth(0).set_input_files({**table, "buffer": b""})  # type: ignore[arg-type]
        files.nth(1).set_input_files(photos)  # type: ignore[arg-type]
        page.get_by_label("淘宝白底图").check()
        page.get_by_role("button", name="开始制作").click()
        expect(page.locator(".opened .fault")).to_contain_text("空文件", timeout=90_000)
        files.nth(0).set_input_files(table)  # type: ignore[arg-type]
        page.get_by_role("button", name="开始制作").click()
        expect(page.locator(".run-row .badge").first).to_have_text("完成", timeout=90_000)
        for summary in page.locator(".opened summary").all():
            summary.click()
        expect(page.locator(".failures")).to_contain_text("缺少照片“gone.png”")
        expect(page.locator(".failures")).to_contain_text(re.compile("B-3 · 淘宝白底图 · 主图 太小：需放大"))
        expect(page.locator(".failures")).to_contain_text(re.compile("B-4 · 淘宝白底图 · 主图 商品件数：请自行指定"))
        page.locator(".opened .tile button.picture").first.click()
        verdicts = page.get_by_role("dialog").get_by_role("table")
        expect(verdicts).to_contain_text("纯白背景边缘 100 %、背景 100 % 为纯白")
        said = [*page.locator(".opened").inner_text().splitlines(), *verdicts.inner_text().splitlines()]
        assert [line for line in said if line.strip() and not is_chinese(line) and " " in line] == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Switch to English").click()
        expect(page.locator(".failures")).to_contain_text("the photo 'gone.png' is missing")


def test_packs_are_told_and_draw(browser: Browser, server: RunningServer) -> None:
    with studio(browser, server) as here:
        page = here.open("models")
        card = page.get_by_role("article", name="base")
        expect(card.get_by_role("table")).to_contain_text("category right")
        card.get_by_role("button", name="Draw with it").click()
        expect(page.get_by_label("Model", exact=True)).to_have_value("base")


def test_a_prompt_means_what_the_chosen_pack_has_learned(browser: Browser, server: RunningServer) -> None:
    kettle = {"key": "kettle", "en": ["kettle"], "zh": ["水壶"], "value": 47}
    put_pack(server.home, "kettles", generation={"categories": ["watch", "kettle"], "kinds": [kettle]})
    with studio(browser, server, allowed=("422",)) as here:
        page = here.open("models")
        card = page.get_by_role("article", name="kettles")
        card.get_by_text("Card").click()
        expect(card).to_contain_text("watch, kettle")
        page.get_by_role("button", name="中文").click()
        expect(card).to_contain_text("手表、水壶")
        page.get_by_role("button", name="English").click()
        card.get_by_role("button", name="Draw with it").click()
        page.locator("#prompt").fill("red kettle")
        kind = page.locator("[data-slot=category] select")
        expect(kind).to_have_value("kettle")
        page.locator("[data-slot=colour0] select").select_option("navy_blue")
        expect(page.locator("#prompt")).to_have_value("navy blue kettle")
        page.get_by_role("combobox", name="Model", exact=True).select_option("base")
        expect(page.locator(".understood")).to_contain_text("not used: kettle")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_trained_pack_is_deleted_after_a_question(browser: Browser, server: RunningServer, language: str) -> None:
    delete, cancel, needed, gone, model = {
        "en": ("Delete", "Cancel", "Work that has not ended yet", "The model is deleted", "Model"),
        "zh": ("删除", "取消", "还有任务要用这个模型", "模型已删除", "模型"),
    }[language]
    folder = put_pack(server.home, f"shop-{language}", summary="Autumn shoes")
    with studio(browser, server, language=language, allowed=("409",)) as here:
        page = here.open("create")
        page.locator("details.more > summary").first.click()
        offered = page.get_by_role("combobox", name=model, exact=True).locator(f"option[value=shop-{language}]")
        expect(offered).to_have_count(1)
        page.get_by_role("combobox", name=model, exact=True).select_option(f"shop-{language}")
        here.open("models")
        assert page.get_by_role("article", name="base").get_by_role("button", name=delete).count() == 0
        card = page.get_by_role("article", name=f"shop-{language}")
        question = page.get_by_role("dialog")
        card.get_by_role("button", name=delete).click()
        expect(question).to_contain_text(f"shop-{language}")
        here.settle()
        assert here.faults() == []
        question.get_by_role("button", name=cancel).click()
        with server.halted():
            wish = {"prompt": "red watch", "count": 1, "size": 64, "pack": f"shop-{language}"}
            job = server.http.post("/v1/generations", json=wish).json()
            card.get_by_role("button", name=delete).click()
            question.get_by_role("button", name=delete).click()
            expect(page.locator("#notices").get_by_text(needed)).to_be_visible()
            server.http.post(f"/v1/jobs/{job['id']}/cancel")
        assert (folder / "pack.json").is_file()
        card.get_by_role("button", name=delete).click()
        question.get_by_role("button", name=delete).click()
        expect(page.locator("#notices").get_by_text(gone)).to_be_visible()
        expect(card).to_have_count(0)
        expect(page.locator(".packs")).to_be_focused()
        assert not folder.exists()
        here.open("create")
        expect(offered).to_have_count(0)
        expect(page.get_by_role("combobox", name=model, exact=True)).to_have_value("")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_catalogue_is_sent_watched_stopped_and_resumed(
    browser: Browser, server: RunningServer, language: str
) -> None:
    said = {
        "en": ("Name", "Minutes", "Start training", "Stop", "Curve", "step 200", "stopped", "Step of the sheet",
               "Your own kinds of product"),
        "zh": ("名称", "分钟", "开始训练", "停止", "曲线", "第 200 步", "已停止", "样图的步数", "自有商品类型"),
    }[language]  # fmt: skip
    name, minutes, start, stop, curve, step, stopped, sheet, kinds = said
    table = "file_name,title\n" + "".join(f"{n}.png,red handbag {n}\n" for n in range(3))
    files = [{"name": "metadata.csv", "mimeType": "text/csv", "buffer": table.encode()}]
    for n in range(3):
        files.append({"name": f"{n}.png", "mimeType": "image/png", "buffer": photo_bytes(colour=f"#a01c{n}c")})
    with studio(browser, server, language=language, allowed=("415",)) as here:
        page = here.open("models")
        page.get_by_label(name, exact=True).fill(f"our-shop-{language}")
        page.get_by_label(minutes, exact=True).first.fill("1")
        page.locator(".models input[type=file]").first.set_input_files(files)  # type: ignore[arg-type]
        page.locator("summary", has_text=kinds).click()
        with page.expect_download() as example:
            page.get_by_role("link", name={"en": "Example file", "zh": "示例文件"}[language]).click()
        own = page.get_by_label(kinds, exact=True)
        own.set_input_files({"name": "kinds.toml", "mimeType": "", "buffer": b'[kettle]\nen = ["kettle"]'})
        page.get_by_role("button", name=start).click()
        expect(page.locator("details", has=own).locator(".fault")).to_contain_text("[kettle]")
        own.set_input_files(example.value.path())
        page.get_by_role("button", name=start).click()
        expect(page.locator(".opened h2")).to_have_text(f"our-shop-{language}", timeout=30_000)
        job = server.http.get("/v1/jobs?kind=training&limit=1").json()["jobs"][0]
        assert job["request"]["kinds"] == ["kettle", "phone_case"]
        folder = server.home / "trainings" / job["request"]["folder"]
        assert sorted(path.name for path in folder.rglob("*.png"))[:3] == ["0.png", "1.png", "2.png"]
        _as_if_it_ran(folder)
        page.locator(".opened").get_by_role("button", name=stop).click()
        expect(page.locator(".run-row .badge").first).to_have_text(stopped, timeout=60_000)
        expect(page.locator(".opened svg.curve")).to_be_visible()
        expect(page.locator(".opened svg.curve")).to_have_attribute("aria-label", re.compile(re.escape(step)))
        slider = page.get_by_label(sheet)
        first = page.locator(".sheet img").get_attribute("src")
        slider.fill("0")
        assert page.locator(".sheet img").get_attribute("src") != first
        assert page.get_by_label(curve, exact=True).count() == 1
        here.settle()
        assert here.faults() == []


def _as_if_it_ran(folder: Path) -> None:
    """What a training writes: a log, and sheets. Training itself has tests of its own."""
    run = folder / "run"
    (run / "sheets").mkdir(parents=True, exist_ok=True)
    rows = [{"step": step, "loss": 1 / step, "minutes": step / 400, "learning_rate": 1e-4, "pictures_per_second": 9.0}
            for step in range(10, 201, 10)]  # fmt: skip
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for step in (100, 200):
        picture = io.BytesIO()
        Image.new("RGB", (64, 64), (step, 90, 90)).save(picture, "PNG")
        (run / "sheets" / f"step-{step:08}.png").write_bytes(picture.getvalue())
