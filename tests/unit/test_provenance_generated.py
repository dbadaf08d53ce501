"""What `packshot generate` says of its pictures by itself, and `packshot verify` reads back in plain words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import packshot
from PIL import Image
from provenance_fakes import product_picture

from packshot.images import open_layers, read_recipe
from packshot.provenance import origin
from packshot.provenance.generated import labelled
from packshot.provenance.reading import read_labels

RECIPE = {"request": {"prompt": "鞋"}, "pack": {"name": "base"}}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_generated_picture_says_so_four_times(suffix: str) -> None:
    done = labelled(product_picture(256), Path(f"p.{suffix}"), RECIPE, producer="店")
    found = read_labels(done.data, "p")
    assert found.problems == ()
    assert found.source_type == origin.GENERATED
    assert found.aigc is not None and found.aigc.producer == "店"
    assert found.mark is not None and found.mark.payload.kind == 2
    assert found.lines()[0] == "made by a model, says its recipe, its metadata, its AIGC label and its mark"
    assert read_recipe(done.data, where="p") == RECIPE
    assert {row["label"] for row in done.record["labels"]} == {"visible", "aigc", "iptc", "c2pa", "mark"}


def test_equal_pictures_get_equal_bytes_in_any_batch_and_others_another_number() -> None:
    first, again = (labelled(product_picture(256), Path("p.png"), RECIPE) for _ in range(2))
    batch = labelled(product_picture(256), Path("p.png"), {**RECIPE, "request": {"count": 8}})
    other = labelled(product_picture(256, seed=2), Path("p.png"), RECIPE)
    assert first.data == again.data
    pixels = [open_layers(done.data, where="p").rgb for done in (first, batch)]
    np.testing.assert_array_equal(pixels[0], pixels[1])
    numbers = [found.payload.number for done in (first, batch, other) if (found := read_labels(done.data, "p").mark)]
    assert numbers[0] == numbers[1] != numbers[2]


def test_white_stays_white_and_transparency_transparent() -> None:
    pixels = product_picture(256)
    alpha = np.where((pixels == 255).all(axis=2), 0, 255).astype(np.uint8)
    for given in (pixels, np.dstack([pixels, alpha])):
        layers = open_layers(labelled(given, Path("p.png"), RECIPE).data, where="p")
        np.testing.assert_array_equal((layers.rgb == 255).all(axis=2), (pixels == 255).all(axis=2))
        assert layers.alpha is None or np.array_equal(layers.alpha, alpha)


def test_a_picture_that_cannot_carry_a_mark_is_labelled_all_the_same() -> None:
    done = labelled(np.full((64, 64, 3), 255, np.uint8), Path("p.png"), RECIPE)
    outcomes = {row["label"]: row["outcome"] for row in done.record["labels"]}
    assert "too little" in outcomes["mark"] and outcomes["iptc"] == "set"


def test_the_command_labels_pictures_and_sheet_and_verify_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--backend", "fake", "--count", "1", "--seed", "1", "--producer", "店", "--sheet", "sheet.jpg", "--json")
    done = packshot("generate", "red shoe", *options)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["pictures"][0]
    assert row["labels"]["iptc"] == row["labels"]["aigc"] == "set"
    told = packshot("verify", row["file"])
    assert told.returncode == 0 and told.stdout.startswith("made by a model, says its recipe, its metadata")
    assert read_labels(Path("sheet.jpg").read_bytes(), "sheet.jpg").source_type == origin.GENERATED
    bare = packshot("generate", "red shoe", *options, "--no-labels", "--out", "bare")
    assert json.loads(bare.stdout)["pictures"][0]["labels"] == {}
    found = read_labels(next(Path("bare").iterdir()).read_bytes(), "p")
    assert not found.any and found.recipe


def test_a_producer_not_named_at_first_is_named_by_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.png").write_bytes(labelled(product_picture(256), Path("p.png"), RECIPE).data)
    for given, expected in (("店", "店"), ("another", "店")):
        done = packshot("label", "p.png", "--channel", "shopify", "--producer", given, "--out", "o")
        assert done.returncode == 0, done.stderr
        found = read_labels(Path("o/p.png").read_bytes(), "p").aigc
        assert found is not None and found.producer == expected
        Path("p.png").write_bytes(Path("o/p.png").read_bytes())


def test_a_jpeg_is_encoded_once() -> None:
    pixels = product_picture(256)
    done = labelled(pixels, Path("p.jpg"), RECIPE)
    with Image.open(io.BytesIO(done.data)) as image:
        difference = np.abs(np.array(image).astype(int) - pixels).mean()
    assert difference < 3
