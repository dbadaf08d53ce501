"""What clients say in edits never opens a file of the server's, whatever the operation and the parameter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from listing_pictures import saved
from PIL import Image

from packshot.editing.operations import OPERATIONS
from packshot.editing.pipeline import Step, checked, parameters, run
from packshot.editing.scene import Scene
from packshot.errors import PackshotError, RequestError
from packshot.server.tasks import forms
from packshot.server.tasks.references import CLOSED, MODELS, PACKS, PICTURES, PLAIN, Surroundings, resolved

TEXTS = [f"{name}.{one.name}" for name in OPERATIONS for one in parameters(name) if one.kind is str]
SIDE = 64


def refuse_files(identity: str, where: str) -> Path:
    raise RequestError(where, identity, "an id that exists")


NOTHING = Surroundings(refuse_files, {"matting": frozenset({"cutout"})}, None)


_opened: list[str] = []
_awake: list[bool] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _awake and event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | Path):
        _opened.append(str(arguments[0]))


sys.addaudithook(_hook)  # for good: Python has no way to take one off


@contextmanager
def watched() -> Iterator[list[str]]:
    """Every file that is opened meanwhile."""
    _opened.clear()
    _awake.append(True)
    try:
        yield _opened
    finally:
        _awake.clear()


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A picture in the folder in which the server runs."""
    path = tmp_path / "secret.png"
    path.write_bytes(saved(Image.new("RGB", (SIDE, SIDE), (200, 30, 30)), "PNG"))
    for name in ("wood", "secret", "1"):
        (tmp_path / name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return path


def hostile(path: Path) -> list[str]:
    here = ["wood", "secret", "secret.png", "./secret.png", "1"]
    forms = [
        str(path),
        f"file://{path}",
        f"~/{path.name}",
        f"http://127.0.0.1:1{path}",
        "//host/share/x.png",
        "a\0b.png",
    ]
    kinds = [
        "picture:",
        "photo:",
        "mask:",
        "text:",
        "diffusers:",
        "rembg:",
        "gradient:",
        "sweep:",
        "PICTURE: ",
        "circle:",
    ]
    return [*here, *forms, *(f"{kind}{one}" for kind in kinds for one in (str(path), "secret.png", "secret", "wood"))]


def test_every_text_parameter_is_known() -> None:
    assert set(TEXTS) == PLAIN | set(PICTURES) | set(PACKS) | MODELS | CLOSED
    with pytest.raises(RequestError, match="file on the server"):
        resolved("shadow", {"newcomer": "x"}, NOTHING)


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_opens_a_file(name: str, secret: Path) -> None:
    operation, parameter = name.split(".")
    usual = {str: "white", float: 1.0, int: 1}
    needed = {one.name: usual[one.kind] for one in parameters(operation) if one.required}
    needed |= {"mask": "20,20,9,9"} if operation == "erase" else {}
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    pixels[16:48, 16:48] = (150, 80, 30)
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[16:48, 16:48] = 255
    ran = 0
    for value in hostile(secret):
        with watched() as opened:
            try:
                arguments = resolved(operation, {**needed, parameter: value}, NOTHING)
                ran += 1
                run(Scene(product=pixels, alpha=alpha), [Step(operation, arguments)])  # type: ignore[arg-type]
            except PackshotError:
                pass
        touched = [path for path in opened if path.startswith(str(secret.parent)) or Path(path).name in (
            "wood", "secret", "secret.png", "1")]  # fmt: skip
        assert not touched, (name, value, touched)
    assert ran or name not in PLAIN


def test_the_watch_sees_what_an_operation_opens(secret: Path) -> None:
    scene = Scene(product=np.zeros((SIDE, SIDE, 3), np.uint8), alpha=np.full((SIDE, SIDE), 255, np.uint8))
    with watched() as opened:
        run(scene, [Step("background", {"to": f"picture:{secret}"})])
    assert str(secret) in opened


@pytest.mark.parametrize("name", [*PICTURES])
def test_ids_lead_to_files(name: str, tmp_path: Path) -> None:
    operation, parameter = name.split(".")
    identity, prefix = "asset_" + "0" * 31, PICTURES[name]
    around = Surroundings(lambda one, where: tmp_path / f"{one}.png", {}, None)
    for said in {identity, f"{prefix}{identity}", f" {prefix.upper()} {identity} " if prefix else identity}:
        assert resolved(operation, {parameter: said}, around) == {parameter: f"{prefix}{tmp_path / identity}.png"}


@pytest.mark.parametrize(("name", "words"), [
    ("background.to", "navy"), ("background.to", "#fff"), ("background.to", "gradient:#ffffff,#ddd"),
    ("background.to", "sweep"), ("background.to", "transparent"), ("recolour.to", "酒红色"),
    ("recolour.part", "0.5,0.5"), ("erase.mask", "10,10,5,5; circle:30,30,4"), ("cutout.glass", "auto"),
    ("cutout.pack", "cutout"),
])  # fmt: skip
def test_words_stay_words(name: str, words: str) -> None:
    operation, parameter = name.split(".")
    assert resolved(operation, {parameter: words}, NOTHING) == {parameter: words}


def test_a_place_is_said_as_words() -> None:
    assert resolved("background", {"to": "木桌 窗光"}, NOTHING) == {"to": "text:木桌 窗光"}


def test_models_only_by_the_names_of_the_operators_folder(tmp_path: Path) -> None:
    for name in ("sd", "no-model", ".hidden"):
        (tmp_path / "models" / name).mkdir(parents=True)
    for name in ("sd", ".hidden"):
        (tmp_path / "models" / name / "model_index.json").write_text("{}", "utf-8")
    (tmp_path / "model_index.json").write_text("{}", "utf-8")
    around = Surroundings(refuse_files, {}, tmp_path / "models")
    assert resolved("background", {"by": "diffusers:sd"}, around) == {"by": f"diffusers:{tmp_path}/models/sd"}
    assert resolved("erase", {"by": ""}, around) == {"by": ""}
    for said in ("diffusers:no-model", "diffusers:.hidden", "diffusers:..", "diffusers:../models/sd", str(tmp_path)):
        with pytest.raises(RequestError, match="diffusers:sd"):
            resolved("background", {"by": said}, around)


def refusal(operation: str, **arguments: object) -> str:
    """What an operation says of arguments for a cut-out product; nothing where it takes them."""
    pixels = np.full((240, 240, 3), 255, np.uint8)
    pixels[60:180, 60:180] = (150, 80, 30)
    alpha = np.where(pixels[..., 0] < 255, 255, 0).astype(np.uint8)
    scene = Scene(product=pixels, alpha=None if operation == "cutout" else alpha)
    try:
        run(scene, [Step(operation, checked(operation, arguments))])
    except PackshotError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", [*forms.BOUNDS])
def test_bounds_of_forms_are_those_of_operations(name: str) -> None:
    operation, parameter = name.split(".")
    extra: dict[str, object] = {
        "background": {"to": "#ffffff"}, "recolour": {"to": "navy"}, "erase": {"mask": "90,90,9,9"}, "turn": {},
        "tilt": {"yaw": 5}, "fit": {"size": "300"}, "crop": {"box": "product"}, "text": {"words": "NEW"},
        "badge": {"words": "NEW"}, "cutout": {"glass": "auto"},
    }.get(operation, {})  # fmt: skip
    assert isinstance(extra, dict)
    for bound, beyond in zip(forms.BOUNDS[name], (-1, 1), strict=True):
        inside = refusal(operation, **{**extra, parameter: bound})
        assert f"{parameter}: got" not in inside, inside
        outside = refusal(operation, **{**extra, parameter: bound + beyond * 0.01 * max(1, abs(bound))})
        assert f"{operation}.{parameter}: got" in outside, (name, bound, outside)


@pytest.mark.parametrize(("name", "word"), [(name, word) for name, words in forms.CHOICES.items() for word in words])
def test_choices_of_forms_are_accepted(name: str, word: str) -> None:
    operation, parameter = name.split(".")
    extra = {
        "fit": {"size": "300"}, "text": {"words": "NEW"}, "badge": {"words": "NEW"},
        "dimensions": {"size": "20x20cm", "canvas": "1200"},
    }.get(operation, {})  # fmt: skip
    if name != "enlarge.by":  # seconds of a network
        assert refusal(operation, **{**extra, parameter: word}) == ""
