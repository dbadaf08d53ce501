"""Places and fillings by a diffusers model: real pipelines, tiny and untrained, really run, without a network."""

from __future__ import annotations

import hashlib
import json
import pickle
import socket
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command_line import packshot
from tiny_diffusers import SIDE, save_inpainting, save_text_to_image

from packshot.editing import background as background_module
from packshot.editing import diffusers
from packshot.editing import erase as erase_module
from packshot.editing.background import background
from packshot.editing.diffusers import Wish, drawn
from packshot.editing.erase import erase
from packshot.editing.pipeline import parse_step, run
from packshot.editing.place_light import light_in
from packshot.editing.scene import Made, Scene
from packshot.errors import InputError, MissingExtraError, RequestError
from packshot.images import save_picture


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a way to the network was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The folders of both pipelines, and what names them in `by`."""
    for module in ("diffusers", "transformers", "torch"):
        pytest.importorskip(module, reason="needs diffusers: pip install 'packshot[diffusion]'")
    folder = tmp_path_factory.mktemp("models")
    places, fillings = save_text_to_image(folder / "tiny-places"), save_inpainting(folder / "tiny-fillings")
    return SimpleNamespace(
        places=places, fillings=fillings, draws=f"diffusers:{places}", fills=f"diffusers:{fillings}", folder=folder
    )


def product(height: int = 60, width: int = 80) -> Scene:
    """A dark box on white, cut out."""
    photo = np.full((height, width, 3), 255, np.uint8)
    photo[20:50, 30:60] = np.random.default_rng(0).integers(20, 120, (30, 30, 3), dtype=np.uint8)
    return Scene(photo, np.where(photo.max(-1) < 255, 255, 0).astype(np.uint8))


def textured(height: int = 90, width: int = 120) -> np.ndarray:
    return np.random.default_rng(1).integers(60, 200, (height, width, 3), dtype=np.uint8)


def test_a_place_depends_on_the_request_alone(models: SimpleNamespace) -> None:
    def place(**other: Any) -> np.ndarray:
        diffusers._kept_picture.cache_clear()
        return drawn(replace(Wish("background", models.draws, "a table", seed=3, steps=2), **other), (60, 80))[0]

    first = place()
    assert first.shape == (56, 72, 3) and first.std() > 5
    assert np.array_equal(first, place())
    for other in ({"seed": 4}, {"words": "snow"}, {"steps": 3}, {"guidance": 1.0}):
        assert not np.array_equal(first, place(**other)), other


@pytest.mark.parametrize(
    ("frame", "made"), [((60, 60), (64, 64)), ((100, 200), (88, 48)), ((400, 100), (48, 88)), ((1, 999), (88, 48))]
)
def test_a_place_has_the_models_area_and_the_frames_proportions(
    models: SimpleNamespace, frame: tuple[int, int], made: tuple[int, int]
) -> None:
    picture, record = drawn(Wish("background", models.draws, "a", steps=1), frame)
    assert picture.shape == (made[1], made[0], 3) and SIDE == 64
    assert record.sizes == ((made, frame[::-1]),) and record.pipeline == "StableDiffusionPipeline"


def test_a_place_fills_the_frame_and_leaves_the_product(models: SimpleNamespace) -> None:
    scene = product()
    after = background(scene, "text: a table", by=models.draws, steps=1, seed=1)
    assert after.backdrop is not None and after.backdrop.shape == scene.product.shape
    assert after.product is scene.product and after.alpha is scene.alpha
    assert [made.model for made in after.made] == ["tiny-places"]
    assert background(after, "white").made == ()
    assert len(background(after, "snow", by=models.draws, steps=1).made) == 1


def test_what_was_made_is_remembered_through_other_steps(models: SimpleNamespace) -> None:
    steps = [parse_step("background", f"a table steps=1 by={models.draws}")]
    steps += [parse_step("fit", "100x100 upscale=yes"), parse_step("flip", ""), parse_step("crop", "2,2,90,90")]
    assert [made.operation for made in run(product(), steps).scene.made] == ["background"]


def test_the_light_of_a_models_place_is_measured(models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    dark = np.broadcast_to(np.linspace(60, 230, 80)[None, :, None], (60, 80, 3)).astype(np.uint8)
    record = Made("background", "lit", "Pipeline", "0", ())
    asked = []

    def lit(wish: Wish, size: tuple[int, int]) -> tuple[np.ndarray, Made]:
        asked.append((wish, size))
        return dark, record

    monkeypatch.setattr(background_module, "drawn", lit)
    expected = light_in(dark)
    assert expected is not None and expected.towards[0] > 0
    place, shade = parse_step("background", f"a room by={models.draws} seed=2"), parse_step("shadow", "drop")
    after, before = run(product(), [place, shade]).scene, run(product(), [shade, place]).scene
    assert after.light == before.light == expected
    assert after.shade is not None and before.shade is not None and np.array_equal(after.shade, before.shade)
    assert {(wish.seed, size) for wish, size in asked} == {(2, (60, 80))}
    asked.clear()
    run(product(), [shade, parse_step("crop", "4,0,76,60"), place])
    assert [size for _, size in asked] == [(60, 76)]  # not asked for a frame that it is not for


def test_only_what_the_mask_covers_is_painted(models: SimpleNamespace) -> None:
    photo = textured()
    after = erase(Scene(photo), "10,10,30,20; circle:100,70,9", by=models.fills, steps=2)
    hole = after.touched
    assert hole is not None and np.array_equal(after.product[~hole], photo[~hole])
    assert (after.product[hole] != photo[hole]).any(-1).mean() > 0.95
    again = erase(Scene(photo), "10,10,30,20; circle:100,70,9", by=models.fills, steps=2)
    other = erase(Scene(photo), "10,10,30,20; circle:100,70,9", by=models.fills, steps=2, seed=1)
    assert np.array_equal(after.product, again.product) and not np.array_equal(after.product, other.product)
    (made,) = after.made
    assert (made.operation, made.model) == ("erase", "tiny-fillings") and len(made.sizes) in (1, 2)


@pytest.mark.parametrize("kind", ["fills", "draws"])
def test_what_was_erased_is_not_seen_by_the_model(models: SimpleNamespace, kind: str) -> None:
    by, mask = getattr(models, kind), "30,20,30,20"
    photos = [textured(), textured()]
    photos[1][20:40, 30:60] = 255 - photos[1][20:40, 30:60]
    one, two = (erase(Scene(photo), mask, by=by, steps=1, feather=0).product for photo in photos)
    assert np.array_equal(one, two)


def test_a_hole_that_is_painted_in_parts_has_no_seam_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def black(_: Wish, picture: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, Made]:
        return np.zeros_like(picture), Made("erase", "black", "Pipeline", "0", (((8, 8), hole.shape),))

    monkeypatch.setattr(erase_module, "painted", black)
    monkeypatch.setattr(erase_module, "own_side", lambda _: 64)
    photo = np.full((70, 400, 3), 255, np.uint8)  # the first hole's surroundings end within the second
    after = erase(Scene(photo), "4,30,12,12; 46,30,100,12", by=a_folder(tmp_path), feather=4)
    assert len(after.made[0].sizes) == 2
    assert after.product[35:37, 51:141].max() == 0


def test_the_old_fades_out_inside_of_the_mask(models: SimpleNamespace) -> None:
    photo = textured()
    soft, hard = (
        erase(Scene(photo), "30,20,40,40", by=models.fills, steps=1, feather=feather).product.astype(int)
        for feather in (6, 0)
    )
    edge, middle = (slice(20, 21), slice(36, 64)), (slice(30, 50), slice(40, 60))
    assert np.abs(soft[edge] - photo[edge]).mean() < 0.3 * np.abs(hard[edge] - photo[edge]).mean()
    assert np.array_equal(soft[middle], hard[middle])


def test_a_text_to_image_model_can_fill_too(models: SimpleNamespace) -> None:
    after = erase(Scene(textured()), "30,20,30,20", by=models.draws, words="wood", steps=2)
    assert after.made[0].pipeline == "StableDiffusionInpaintPipeline"


def test_weights_in_half_precision_alone_are_taken(models: SimpleNamespace, tmp_path: Path) -> None:
    folder = save_text_to_image(tmp_path / "half", variant="fp16")
    assert not list(folder.glob("unet/diffusion_pytorch_model.safetensors"))
    assert drawn(Wish("background", f"diffusers:{folder}", "a", steps=1), (60, 60))[0].std() > 5


def test_the_command_certifies_a_models_place(models: SimpleNamespace, tmp_path: Path) -> None:
    save_picture(product().product, tmp_path / "photo.png")
    ordered = (
        "edit",
        tmp_path / "photo.png",
        "--out",
        tmp_path / "new.png",
        "--erase",
        f"2,2,9,9 by={models.fills} steps=1",
    )
    place = f"a walnut table by={models.draws} steps=2 seed=3"
    done = packshot(*ordered, "--background", place)
    assert done.returncode == 0 and "kept pixels identical" in done.stdout
    assert "background made by 'tiny-places' (StableDiffusionPipeline) at 72×56, enlarged to 80×60" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    path = tmp_path / "new.png.certificate.json"
    document = json.loads(path.read_text())
    assert document["generative"] is True and [m["op"] for m in document["models"]] == ["erase", "background"]
    assert document["models"][1]["sha256"] == listed_sha256(models.places)
    assert document["models"][0]["folder"] == "tiny-fillings"
    verify = ("verify", tmp_path / "new.png", "--original", tmp_path / "photo.png")
    assert packshot(*verify).returncode == 0
    for lie, line in (({"generative": False}, "generative: "), ({"models": document["models"][:1]}, "models: ")):
        path.write_text(json.dumps({**document, **lie}))
        said = packshot(*verify)
        assert said.returncode == 1 and said.stdout.startswith(line)


def listed_sha256(folder: Path) -> str:
    """Of the lines that sha256sum prints, as docs/editing.md says it."""
    files = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: p.relative_to(folder).as_posix()
    )
    lines = (f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_no_pickle_is_loaded(models: SimpleNamespace, tmp_path: Path, part: str) -> None:
    folder, trace = save_text_to_image(tmp_path / "pickled"), tmp_path / "trace"

    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[Path]]:
            return Path.touch, (trace,)

    (weights,) = (folder / part).glob("*.safetensors")
    weights.unlink()
    name = "pytorch_model.bin" if part == "text_encoder" else "diffusion_pytorch_model.bin"
    (folder / part / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"pickled: got no pipeline for text to image .*no file named .*safetensors"):
        drawn(Wish("background", f"diffusers:{folder}", "a"), (60, 60))
    assert not trace.exists()


def test_no_code_of_the_folder_is_run(models: SimpleNamespace, tmp_path: Path) -> None:
    folder, trace = save_text_to_image(tmp_path / "coded"), tmp_path / "trace"
    index = json.loads((folder / "model_index.json").read_text())
    for place, changed in {
        "pipeline.py": {"_class_name": ["pipeline", "Trap"]},
        "unet/trap.py": {"unet": ["trap", "Trap"]},
    }.items():
        (folder / place).write_text(f"open({str(trace)!r}, 'w')\nclass Trap: pass\n")
        (folder / "model_index.json").write_text(json.dumps({**index, **changed}))
        diffusers._opened.cache_clear()
        with pytest.raises(InputError, match="coded: got no pipeline for text to image"):
            drawn(Wish("background", f"diffusers:{folder}", "a"), (60, 60))
    assert not trace.exists()


def test_damaged_weights_are_one_line(models: SimpleNamespace, tmp_path: Path) -> None:
    folder = save_text_to_image(tmp_path / "cut")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"cut: got no pipeline .* can be loaded \(.*\); accepted: a whole one"):
        drawn(Wish("background", f"diffusers:{folder}", "a"), (60, 60))


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_weights_that_are_missing_are_not_made_up(models: SimpleNamespace, tmp_path: Path, part: str) -> None:
    from safetensors.numpy import load_file, save_file

    (weights,) = (save_text_to_image(tmp_path / "less") / part).glob("*.safetensors")
    save_file(dict(list(load_file(weights).items())[1:]), weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"less: got a model without all of its weights \(.*\); accepted: a whole one"):
        drawn(Wish("background", f"diffusers:{tmp_path / 'less'}", "a"), (60, 60))


def test_a_model_for_something_else_is_one_line(models: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"background\.by: got 'tiny-fillings', .* that failed \(RuntimeError"):
        drawn(Wish("background", models.fills, "a", steps=1), (60, 60))
    folder = save_text_to_image(tmp_path / "unconditional")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "DDPMPipeline"}))
    with pytest.raises(InputError, match="unconditional: got no pipeline for text to image"):
        drawn(Wish("background", f"diffusers:{folder}", "a"), (60, 60))


class Withheld:
    """A pipeline's call and what it gives back."""

    def __init__(self, value: float, flagged: bool) -> None:
        self.value, self.flagged = value, flagged

    def __call__(self, prompt: str, width: int, height: int, output_type: str, generator: object) -> SimpleNamespace:
        images = np.full((1, height, width, 3), self.value)
        return SimpleNamespace(images=images, nsfw_content_detected=[self.flagged])


def test_pictures_withheld_or_without_numbers_are_refused(models: SimpleNamespace) -> None:
    wish = Wish("background", models.draws, "a")
    with pytest.raises(RequestError, match="safety checker withholds"):
        diffusers._ran(Withheld(0.0, flagged=True), wish, (8, 8))
    with pytest.raises(RequestError, match="no numbers"):
        diffusers._ran(Withheld(float("nan"), flagged=False), wish, (8, 8))
    with pytest.raises(RequestError, match=r"a Withheld, which does not take num_inference_steps"):
        diffusers._ran(Withheld(0.0, flagged=False), replace(wish, steps=2), (8, 8))


def a_folder(tmp_path: Path) -> str:
    (tmp_path / "model_index.json").write_text("{}")
    return f"diffusers:{tmp_path}"


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("wood by=sdxl", r"background\.by: got 'sdxl'; accepted: diffusers:FOLDER"),
        ("wood by=diffusers:nowhere", r"background\.by: got 'nowhere', which has no model_index\.json"),
        ("wood by=BY seed=-1", r"background\.seed: got -1; accepted: 0 to"),
        ("wood by=BY steps=0", r"background\.steps: got 0"),
        ("wood by=BY guidance=-2", r"background\.guidance: got -2"),
        ("wood steps=4", r"background\.steps: got '4' without a model; accepted: by=diffusers:FOLDER"),
        ("wood guidance=0", r"background\.guidance: got '0.0' without a model"),
        ("#fff by=BY", r"background\.to: got '#fff' to be made by a model; accepted: a place in words"),
        ("sweep by=BY", r"background\.to: got 'sweep'"),
        ("there.png by=BY", r"background\.to: got 'there\.png'"),
        ("text: by=BY", r"background\.to: got 'text:'"),
    ],
)
def test_wishes_that_are_none(tmp_path: Path, words: str, wrong: str) -> None:
    with pytest.raises(RequestError, match=wrong):
        run(product(), [parse_step("background", words.replace("BY", a_folder(tmp_path)))])


def test_fillings_that_are_none(tmp_path: Path) -> None:
    scene = Scene(textured(), np.full((90, 120), 255, np.uint8))
    with pytest.raises(RequestError, match=r"erase\.words: got 'wood' without a model"):
        erase(scene, "1,1,9,9", words="wood")
    with pytest.raises(RequestError, match=r"erase\.by: got a model beside away=yes"):
        erase(scene, "1,1,9,9", by=a_folder(tmp_path), away=True)


def test_without_the_extra_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "diffusers"] or ["diffusers"]:
        monkeypatch.setitem(sys.modules, name, None)
    step = parse_step("background", f"a table by={a_folder(tmp_path)}")
    with pytest.raises(MissingExtraError, match=r"background\.by: got no module diffusers.*packshot\[diffusion\]"):
        run(product(), [step])
