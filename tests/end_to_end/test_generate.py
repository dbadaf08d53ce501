"""`packshot generate` as a person runs it, in its own process where that matters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import Done, packshot, packshot_process
from tiny_packs import write_tiny_flow_pack

from packshot.images import open_picture, read_recipe


def pixels(path: Path) -> np.ndarray:
    return open_picture(path, where=path.name)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packs")
    write_tiny_flow_pack(root / "tiny")
    return root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, packs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, where the tiny pack can be found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACKSHOT_PACKS", str(packs))
    return tmp_path


def test_prompts_become_files_with_their_recipe_and_a_sheet(here: Path) -> None:
    options = ("--count", "2", "--seed", "5", "--out", "pictures", "--sheet", "sheet.png", "--json")
    done = packshot_process("generate", "红色跑鞋", "silver watch", "--pack", "tiny", *options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    files = [here / row["file"] for row in report["pictures"]]
    assert len(files) == 4 and len({f.read_bytes() for f in files}) == 4
    for file, row in zip(files, report["pictures"], strict=True):
        assert pixels(file).shape == (256, 256, 3)
        assert read_recipe(file) == row["recipe"]
    assert pixels(here / "sheet.png").shape[1] > 500


def test_the_same_seed_gives_the_same_bytes_alone_or_in_a_batch(here: Path) -> None:
    common = ("--pack", "tiny", "--seed", "9")
    assert packshot_process("generate", "red handbag", *common, "--count", "3", "--out", "a").returncode == 0
    assert packshot("generate", "red handbag", *common, "--count", "1", "--out", "b").returncode == 0
    first = sorted((here / "a").iterdir())[0]
    again = next((here / "b").iterdir())
    assert (pixels(first) == pixels(again)).all()


@pytest.mark.parametrize("form", ["png", "jpg", "webp"])
def test_every_format_carries_the_recipe(here: Path, form: str) -> None:
    done = packshot("generate", "red handbag", "--pack", "tiny", "--count", "1", "--format", form)
    assert done.returncode == 0, done.stderr
    recipe = read_recipe(next((here / "out").glob(f"*.{form}")))
    assert recipe is not None and recipe["request"]["prompt"] == "red handbag"  # type: ignore[index]


def test_explain_prints_slots_and_unknown_words() -> None:
    done = packshot_process("generate", "复古风格红色运动鞋 zzqqx", "--explain", "--json")
    assert done.returncode == 0, done.stderr
    understood = json.loads(done.stdout)[0]
    assert understood["category"] == "sports_shoes" and understood["style"] == "retro"
    assert understood["unknown"] == ["zzqqx"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("",), "prompt"),
        (("   ",), "prompt"),
        (("red shoe " * 1200,), "prompt"),
        (("zzqqx wvvk",), "zzqqx"),
        (("red shoe", "--size", "0"), "size"),
        (("red shoe", "--size", "100000"), "size"),
        (("red shoe", "--count", "0"), "count"),
        (("red shoe", "--background", "blueish"), "background"),
        (("red shoe", "--format", "gif"), "--format"),
        (("red shoe", "--format", "jpg", "--background", "transparent"), "--format"),
        (("red shoe", "--pack", "none-such"), "model pack"),
        (("red shoe", "--out", "file/inside"), "file"),
        (("red shoe", "--seed", "abc"), "--seed"),
        (("red shoe", "--sed", "3"), "--seed"),
    ],
)
def test_bad_input_gets_one_line_and_exit_2_and_writes_nothing(
    here: Path, arguments: tuple[str, ...], said: str
) -> None:
    refused(packshot, here, arguments, said)


def test_a_process_of_its_own_ends_so_too(here: Path) -> None:
    refused(packshot_process, here, ("red shoe", "--size", "0"), "size")


def refused(command: Callable[..., Done], here: Path, arguments: tuple[str, ...], said: str) -> None:
    (here / "file").write_text("not a folder")
    options = arguments if "--pack" in arguments else (*arguments, "--pack", "tiny")
    done = command("generate", *options)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr and len(done.stderr) < 1500
    assert [p.name for p in here.rglob("*")] == ["file"]


def test_a_damaged_pack_is_refused_and_leaves_no_picture(
    here: Path, packs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = here / "packs"
    shutil.copytree(packs, damaged)
    (damaged / "tiny" / "generator.onnx").write_bytes((packs / "tiny" / "upscaler.onnx").read_bytes())
    monkeypatch.setenv("PACKSHOT_PACKS", str(damaged))
    done = packshot("generate", "red shoe", "--pack", "tiny", "--out", "o")
    assert done.returncode == 2
    assert "sha256" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not list((here / "o").glob("*"))


def test_models_lists_what_is_installed() -> None:
    done = packshot("models", "--json")
    assert done.returncode == 0, done.stderr
    assert "tiny" in {pack["name"] for pack in json.loads(done.stdout)}
