"""The whole road for every family: shards -> training -> pack -> pictures, by the commands a person types."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import packshot, packshot_process
from PIL import Image, ImageDraw
from training_data import write_drawn_shards

from packshot.generation import GenerationRequest, open_backend

RECIPES = Path(__file__).parents[2] / "recipes"
CARD = """
name = "drawn"
version = "0"
licence = "Apache-2.0"
training_data = "drawn circles and squares"
[quality]
[generation]
steps = 2
guidance = 1.5
guidance_interval = [0.0, 1.0]
time_shift = 1.0
emphasis = 1.0
categories = ["watch", "wallet", "belt"]
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("data") / "shards", fine_side=32)


@pytest.fixture(scope="module")
def upscaler(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "upscaler"
    done = packshot("train", RECIPES / "tiny-upscaler.toml", "--data", shards, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def flow(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "flow"
    done = packshot_process("train", RECIPES / "tiny-flow.toml", "--data", shards, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), [("flow", "flow"), ("ladd", "flow"), ("gan", "gan"), ("vae", "vae")])
def test_a_catalogue_becomes_a_pack_that_draws(
    family: str, kind: str, shards: Path, upscaler: Path, flow: Path, tmp_path: Path
) -> None:
    run, pack, card = tmp_path / "run", tmp_path / "pack", tmp_path / "card.toml"
    start = ["--set", f"loop.init_from={flow}"] if family == "ladd" else []
    done = packshot("train", RECIPES / f"tiny-{family}.toml", "--data", shards, "--out", run, *start)
    assert done.returncode == 0, done.stderr
    card.write_text(CARD, encoding="utf-8")
    export = packshot_process if family == "flow" else packshot
    done = export("export", run, "--upscaler", upscaler, "--card", card, "--out", pack)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((pack / "pack.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == kind
    assert set(manifest["files"]) == {"text.onnx", "generator.onnx", "upscaler.onnx"}
    backend = open_backend("embedded", str(pack))
    results = list(backend.generate([GenerationRequest("silver watch", 2, 1, 64)]))
    assert [r.pixels.shape for r in results] == [(64, 64, 3)] * 2
    assert results[0].pixels.tobytes() != results[1].pixels.tobytes()
    typical = [r.pixels for r in backend.generate([GenerationRequest("silver watch", 2, 1, 64, variety=0.0)])]
    if kind == "flow":  # more guidance, which draws untrained flows nowhere in particular
        assert typical[0].tobytes() not in (results[0].pixels.tobytes(), typical[1].tobytes())
    else:
        assert typical[0].tobytes() == typical[1].tobytes()  # no latent is left


@pytest.mark.slow
def test_a_sellers_own_kind_of_product_goes_from_the_catalogue_to_the_prompt(upscaler: Path, tmp_path: Path) -> None:
    kinds, photos, shards, pack = (tmp_path / name for name in ("kinds.toml", "photos", "shards", "pack"))
    kinds.write_text('[kettle]\nen = ["kettle"]\nzh = ["水壶"]\n', encoding="utf-8")
    photos.mkdir()
    lines = ["file_name,title,category,colour"]
    for number in range(24):
        picture = Image.new("RGB", (64, 64), "white")
        box = (8, 4 + number % 5, 40 + number, 60 - number // 5)
        ImageDraw.Draw(picture).ellipse(box, fill=(200, 30 + 9 * number, 30))
        picture.save(photos / f"{number}.png")
        lines.append(f"{number}.png,Thing {number},Kettle,Red")
    (photos / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    sizes = ("--resolution", 16, "--fine-resolution", 0, "--workers", 2)
    done = packshot("data", "prepare", photos, "--kinds", kinds, "--out", shards, *sizes)
    assert done.returncode == 0 and "kept by category: kettle 2" in done.stdout, (done.stdout, done.stderr)
    done = packshot("train", RECIPES / "tiny-vae.toml", "--data", shards, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    card = tmp_path / "card.toml"
    card.write_text(CARD.replace('categories = ["watch", "wallet", "belt"]', ""), encoding="utf-8")
    done = packshot("export", tmp_path / "run", "--upscaler", upscaler, "--card", card, "--out", pack)
    assert done.returncode == 0, done.stderr
    # A fresh process, so that nothing but the pack can tell it of kettles.
    done = packshot_process("generate", "红色水壶", "--pack", pack, "--count", 1, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert [row["prompt"]["category"] for row in json.loads(done.stdout)["pictures"]] == ["kettle"]
    done = packshot("generate", "red watch", "--pack", pack, "--out", tmp_path / "out")
    assert done.returncode == 2 and done.stderr.endswith("accepted: kettle\n")
    done = packshot("generate", "红色水壶", "--out", tmp_path / "out")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1  # base has never heard of it


def test_a_damaged_shard_and_a_wrong_recipe_are_one_line_each(shards: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "shards"
    damaged.mkdir()
    for file in shards.iterdir():
        data = bytearray(file.read_bytes())
        if file.suffix == ".tar":
            data[len(data) // 2] ^= 1
        (damaged / file.name).write_bytes(bytes(data))
    for arguments, said in (
        (("train", RECIPES / "tiny-flow.toml", "--data", damaged), "shard-00000.tar"),
        (("train", RECIPES / "tiny-flow.toml", "--data", shards, "--set", "loop.stepz=3"), "steps"),
        (("train", tmp_path / "none.toml", "--data", shards), "none.toml"),
    ):
        done = packshot(*arguments, "--out", tmp_path / "out")
        assert done.returncode == 2, (done.stdout, done.stderr)
        assert said in done.stderr and "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on_with_nothing_lost(shards: Path, tmp_path: Path) -> None:
    settings = ("loop.steps=30", "loop.checkpoint_minutes=0")  # a checkpoint at every step, so that kills meet them
    options = [part for setting in settings for part in ("--set", setting)]

    def command(out: Path) -> list[str]:
        return ["train", str(RECIPES / "tiny-flow.toml"), "--data", str(shards), "--out", str(out), *options]

    def finished(out: Path) -> dict[str, bytes]:
        folder = out / "checkpoints/step-00000030"
        return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}

    assert packshot(*command(tmp_path / "whole")).returncode == 0
    out, seen = tmp_path / "killed", set[str]()
    for _ in range(2):
        start = [sys.executable, "-m", "packshot", *command(out)]
        process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begun = len(seen)
        while process.poll() is None and len(seen) < begun + 3:
            seen |= {path.name for path in out.glob("checkpoints/step-*")}
            time.sleep(0.001)  # looking without a pause would take a core from the run
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it was to be killed while it ran"
    assert packshot(*command(out)).returncode == 0
    assert finished(out) == finished(tmp_path / "whole") != {}
    assert [path.name for path in out.glob("checkpoints/*")] == ["step-00000030"]
