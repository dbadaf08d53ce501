"""Steps are read from words and files as their functions' signatures say, and run in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from editing_fakes import installed, product_photo

from packshot.editing.pipeline import (
    Step,
    parse_step,
    pipeline_text,
    read_pipeline,
    run,
    save_pipeline,
)
from packshot.editing.scene import Scene
from packshot.errors import InputError, PackshotError, RequestError


@pytest.fixture(autouse=True)
def fakes() -> Iterator[None]:
    with installed():
        yield


@pytest.mark.parametrize(
    ("operation", "text", "arguments"),
    [
        ("background", "gradient:#fff,#ddd angle=30", {"to": "gradient:#fff,#ddd", "angle": 30.0}),
        ("background", "angle=-4.5 gradient:#fff soft=yes", {"to": "gradient:#fff", "angle": -4.5, "soft": True}),
        ("background", "text:a table by a window seed=3", {"to": "text:a table by a window", "seed": 3}),
        ("background", "to=white", {"to": "white"}),
        ("background", '"my photo.jpg" soft=off', {"to": "my photo.jpg", "soft": False}),
        ("background", 'to="my photo.jpg"', {"to": "my photo.jpg"}),
        ("background", r"C:\photos\a=b.jpg", {"to": r"C:\photos\a=b.jpg"}),
        ("text", "Don't miss: 50% off! size=40", {"words": "Don't miss: 50% off!", "size": 40.0}),
        ("text", "秋季 大促 colour='#ff0000'", {"words": "秋季 大促", "colour": "#ff0000"}),
        ("text", "e=mc² size=9", {"words": "e=mc²", "size": 9.0}),
        ("text", "'size=3'", {"words": "size=3"}),
        ("exposure", "-0.5", {"stops": -0.5}),
        ("crop", "3 top=4", {"left": 3, "top": 4}),
        ("crop", "", {}),
        ("cutout", "", {}),
    ],
)
def test_words_become_arguments_of_the_signatures_types(operation: str, text: str, arguments: dict) -> None:
    step = parse_step(operation, text)
    assert step.arguments == arguments
    assert [type(value) for value in step.arguments.values()] == [type(value) for value in arguments.values()]
    assert parse_step(operation, str(step).removeprefix(operation)).arguments == arguments


@pytest.mark.parametrize(
    ("operation", "text", "said"),
    [
        ("backgroud", "#fff", r"step: got 'backgroud' \(did you mean 'background'\?\); accepted: cutout, background"),
        ("background", "", "background.to: got nothing; accepted: text"),
        ("background", "#fff angel=3", r"the parameter 'angel' \(did you mean 'angle'\?\); accepted: to, angle, seed"),
        ("background", "#fff angle=steep", "background.angle: got 'steep'; accepted: a number"),
        ("background", "#fff angle=inf", "background.angle: got 'inf'"),
        ("background", "#fff seed=1.5", "background.seed: got '1.5'; accepted: a whole number"),
        ("background", "#fff soft=maybe", "background.soft: got 'maybe'; accepted: yes or no"),
        ("background", "#fff angle=1 angle=2", "background.angle: got two values"),
        ("background", "#fff to=#eee", "background.to: got '#fff' and '#eee'"),
        ("exposure", "much", "exposure.stops: got 'much'; accepted: a number"),
        ("exposure", "1 gamma=2", "exposure: got the parameter 'gamma'; accepted: stops"),
    ],
)
def test_what_does_not_fit_is_one_line_with_what_is_accepted(operation: str, text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        parse_step(operation, text)
    assert "\n" not in str(caught.value)


def test_a_pipeline_file_holds_the_same_steps(tmp_path: Path) -> None:
    steps = [
        parse_step("background", 'to=" ü\\t\\"x\\" " angle=1e-7 soft=yes seed=-2'),
        parse_step("text", "两 行 size=12"),
        Step("cutout"),
    ]
    save_pipeline(steps, tmp_path / "p.toml")
    assert read_pipeline(tmp_path / "p.toml") == steps
    (tmp_path / "q.toml").write_text('[[step]]\nop = "background"\nto = "grey:9"\nangle = 30\n')
    (step,) = read_pipeline(tmp_path / "q.toml")
    assert step == parse_step("background", "grey:9 angle=30") and type(step.arguments["angle"]) is float
    assert pipeline_text([step]) == '[[step]]\nop = "background"\nto = "grey:9"\nangle = 30.0\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = 3", "keys steps"),
        ("", "keys none"),
        ("[[step]", "no TOML"),
        ("[[step]]\nto = 'x'", "step 1 without an operation"),
        ("[[step]]\nop = 'cutout'\n[[step]]\nop = 'cutuot'", r"step 2: op: got 'cutuot' \(did you mean 'cutout'"),
        ("[[step]]\nop = 'background'\nto = 3", "step 1: background.to: got '3'; accepted: text"),
        ("[[step]]\nop = 'background'\nto = 'x'\nseed = true", "step 1: background.seed: got 'yes'"),
        ("[[step]]\nop = 'background'\nto = 'x'\nangel = 3", "'angel' .did you mean 'angle'"),
    ],
)
def test_a_bad_pipeline_file_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(PackshotError, match=said) as caught:
        read_pipeline(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="No such file"):
        read_pipeline(tmp_path / "none.toml")


def test_steps_run_in_the_order_given() -> None:
    photo = product_photo()
    brighter_then_cut = run(Scene(photo), [parse_step("exposure", "3"), parse_step("cutout", "")])
    cut_then_brighter = run(Scene(photo), [parse_step("cutout", ""), parse_step("exposure", "3")])
    assert (brighter_then_cut.scene.product == cut_then_brighter.scene.product).all()
    assert brighter_then_cut.scene.alpha.sum() < cut_then_brighter.scene.alpha.sum()  # what is white by then is lost


def test_a_cut_out_is_put_in_once_and_only_where_one_is_needed() -> None:
    photo = product_photo()
    steps = [parse_step("crop", "2"), parse_step("background", "grey:9"), parse_step("background", "grey:8")]
    ran = run(Scene(photo), steps).steps
    assert [(step.name, step.inserted) for step in ran] == [
        ("crop", False),
        ("cutout", True),
        ("background", False),
        ("background", False),
    ]
    cut = np.full(photo.shape[:2], 7, np.uint8)
    edited = run(Scene(photo, alpha=cut), [steps[1]])  # a photo that came with its alpha
    assert [step.name for step in edited.steps] == ["background"] and (edited.scene.alpha == cut).all()
