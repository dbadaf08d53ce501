"""The pack that ships, really run: small, verified, white, in the colour and of the kind that was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import Done, packshot, packshot_process

from packshot.colour import main_colours, oklab_from_srgb
from packshot.errors import RequestError
from packshot.evaluation.judge import Judge
from packshot.framing import find_product
from packshot.generation import GenerationRequest, open_backend
from packshot.images import save_picture
from packshot.packs import find_pack
from packshot.prompt import parse

PROMPTS = {
    "红色运动鞋": "sports_shoes",
    "black sunglasses": "sunglasses",
    "蓝色双肩包": "backpack",
    "silver watch": "watch",
    "brown belt": "belt",
    "green T-shirt": "tshirt",
}


@pytest.fixture(scope="module")
def pictures() -> dict[str, list[np.ndarray]]:
    requests = [GenerationRequest(prompt, 4, seed=1) for prompt in PROMPTS]
    found: dict[str, list[np.ndarray]] = {prompt: [] for prompt in PROMPTS}
    for result in open_backend().generate(requests):
        found[result.request.prompt].append(result.pixels)
    return found


def test_every_file_of_the_shipped_packs_has_its_hash_and_they_are_small() -> None:
    limits = {"base": ("flow", 30e6), "flow": ("flow", 30e6), "gan": ("gan", 6e6), "judge-v2": ("judge", 2e6)}
    for name, (kind, most) in limits.items():
        pack = find_pack(name, (kind,))
        assert sum(len(pack.read(file)) for file in pack.manifest["files"]) <= most
        assert not [f for f in pack.folder.iterdir() if f.suffix in {".pkl", ".pt", ".pth", ".bin"}]


def test_backgrounds_are_white(pictures: dict[str, list[np.ndarray]]) -> None:
    for made in pictures.values():
        for pixels in made:
            border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
            assert (border == 255).all(-1).mean() > 0.95


def test_products_are_of_the_kind_that_was_asked_for(pictures: dict[str, list[np.ndarray]]) -> None:
    judge = Judge.open()
    right = sum(
        found == PROMPTS[prompt] for prompt, made in pictures.items() for found in judge.read(np.stack(made)).categories
    )
    assert right >= 0.6 * 4 * len(PROMPTS)


@pytest.mark.parametrize("pack", ["flow", "gan"])
def test_those_beside_it_draw_most_kinds_too(pack: str) -> None:
    requests = [GenerationRequest(prompt, 4, seed=1) for prompt in PROMPTS]
    made = list(open_backend("embedded", pack).generate(requests))
    read = Judge.open().read(np.stack([r.pixels for r in made])).categories
    assert sum(name == PROMPTS[r.request.prompt] for name, r in zip(read, made, strict=True)) >= 0.6 * len(made)


def test_what_a_pack_cannot_do_is_refused() -> None:
    for wish in ("steps", "guidance", "emphasis"):
        with pytest.raises(RequestError, match=rf"^{wish}: got pack 'gan', a gan; accepted: a pack of the kind 'flow'"):
            open_backend("embedded", "gan").check(GenerationRequest("wallet for women", **{wish: 2}))  # type: ignore[arg-type]


def test_main_colours_are_near_the_words(pictures: dict[str, list[np.ndarray]]) -> None:
    distances = []
    for prompt, made in pictures.items():
        wanted = np.asarray(parse(prompt).colours[0].oklab)
        for pixels in made:
            finding = find_product(pixels)
            assert finding is not None
            distances.append(np.linalg.norm(main_colours(oklab_from_srgb(pixels)[finding.mask], 1)[0][0] - wanted))
    assert np.median(distances) < 0.06


def test_four_pictures_of_a_prompt_differ(pictures: dict[str, list[np.ndarray]]) -> None:
    for made in pictures.values():
        for index, first in enumerate(made):
            for second in made[index + 1 :]:
                product = (first < 250).any(-1) | (second < 250).any(-1)
                assert np.abs(first.astype(int) - second)[product].mean() > 6


@pytest.mark.parametrize(
    ("prompt", "shown", "run"), [("silver watch", "watch", packshot_process), ("蓝色双肩包", "backpack", packshot)]
)
def test_a_photo_alone_becomes_variations_of_what_it_shows(
    prompt: str,
    shown: str,
    run: Callable[..., Done],
    pictures: dict[str, list[np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_picture(pictures[prompt][0], tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    command = ("generate", "--variations", "photo.png", "--count", 2, "--seed", 1)
    done = run(*command, "--json")
    assert done.returncode == 0, done.stderr
    recipes = [row["recipe"]["request"] for row in json.loads(done.stdout)["pictures"]]
    assert [recipe["prompt"] for recipe in recipes] == [shown] * 2
    assert {recipe["like"] for recipe in recipes} == {"photo.png"}
    for more in (["red shoe"], ["--like", "photo.png"]):
        done = packshot(*command, *more)
        assert done.returncode == 2 and done.stderr.startswith("packshot: --variations: got a prompt or --like")


def test_a_photo_of_nothing_known_asks_for_a_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.full((200, 200, 3), 255, np.uint8)
    pixels[90:110, 20:180] = (120, 200, 40)
    pixels[20:180, 90:110] = (120, 60, 200)
    save_picture(pixels, tmp_path / "cross.png")
    monkeypatch.chdir(tmp_path)
    done = packshot("generate", "--variations", "cross.png")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "a photo that shows nothing for sure" in done.stderr and not list(tmp_path.glob("out/*"))
