"""The pack that ships, really run: small, verified, white, in the colour and of the kind that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from packshot.colour import main_colours, oklab_from_srgb
from packshot.evaluation.judge import Judge
from packshot.framing import find_product
from packshot.generation import GenerationRequest, open_backend
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
    for name, kinds, most in (("base", ("flow", "gan"), 30e6), ("judge-v2", ("judge",), 2e6)):
        pack = find_pack(name, kinds)
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
