from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tiny_runs import RECIPES, TELLING, families, run, weights  # noqa: E402
from training_data import write_drawn_shards  # noqa: E402

from packshot.errors import InputError, MissingExtraError, OutputError, RecipeError  # noqa: E402
from packshot.training import checkpoint as checkpoints  # noqa: E402
from packshot.training import logs, loop  # noqa: E402
from packshot.training.data import Batch  # noqa: E402
from packshot.training.distributed import join_team  # noqa: E402
from packshot.training.families import build_trainer, load_data  # noqa: E402
from packshot.training.flow_trainer import FlowTrainer  # noqa: E402
from packshot.training.gan_trainer import GanTrainer  # noqa: E402
from packshot.training.ladd_trainer import LaddTrainer  # noqa: E402
from packshot.training.muon import Muon  # noqa: E402
from packshot.training.objectives.flow import noised  # noqa: E402
from packshot.training.precision import bfloat16_is_fast, mixed_precision  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.schedule import average_decay, rate_factor  # noqa: E402
from packshot.training.trainer import TrainingDiverged  # noqa: E402
from packshot.training.vae_trainer import VaeTrainer  # noqa: E402

TRAINERS = {"flow": FlowTrainer, "gan": GanTrainer, "ladd": LaddTrainer, "vae": VaeTrainer}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_shards(tmp_path_factory.mktemp("data") / "shards")


def before_step(monkeypatch: pytest.MonkeyPatch, family: str, number: int, act: Callable[[], Any]) -> None:
    """Have `act` called once, just before step `number`."""
    kind, done = TRAINERS[family], []
    step = kind.step

    def acting(self: Any, at: int, **moment: float) -> dict[str, float]:
        if at == number and not done:
            done.append(at)
            act()
        return step(self, at, **moment)

    monkeypatch.setattr(kind, "step", acting)


@families
def test_interrupted_and_resumed_equals_uninterrupted(
    family: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(family, shards, tmp_path / "whole")
    before_step(monkeypatch, family, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    report = run(family, shards, tmp_path / "parts")
    assert (report.ended, report.step) == ("interrupted", 3)  # the step under way was finished
    report = run(family, shards, tmp_path / "parts")
    assert (report.ended, report.step) == ("finished", 6)
    for part in checkpoints.PARTS:
        whole, parts = weights(tmp_path / "whole", part), weights(tmp_path / "parts", part)
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole), part


@families
def test_a_run_leaves_log_sheet_recipe_and_one_checkpoint(family: str, shards: Path, tmp_path: Path) -> None:
    report = run(family, shards, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert all(line["pictures_per_second"] > 0 for line in lines)
    assert load_recipe(tmp_path / "out/recipe.toml").family == family
    assert [p.name for p in (tmp_path / "out/sheets").iterdir()] == ["step-00000006.png"]
    assert [p.name for p in (tmp_path / "out/checkpoints").iterdir()] == ["step-00000006"]
    assert {p.suffix for p in report.checkpoint.iterdir()} == {".safetensors", ".json", ".toml"}
    assert all(value.isfinite().all() for value in weights(tmp_path / "out", "ema").values())


@families
def test_a_finished_run_is_left_as_it_is_and_goes_on_with_more_steps(family: str, shards: Path, tmp_path: Path) -> None:
    first = run(family, shards, tmp_path / "out")
    before = {path: path.read_bytes() for path in first.checkpoint.iterdir()}
    assert run(family, shards, tmp_path / "out").step == 6
    assert {path: path.read_bytes() for path in first.checkpoint.iterdir()} == before
    assert run(family, shards, tmp_path / "out", "loop.steps=8").step == 8


GUIDED_BY_MUON = ("optimiser.matrix_optimiser=muon", "objective.guidance_scale=2.0")


def test_muon_and_a_guiding_teacher_resume_exactly(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("flow", shards, tmp_path / "whole", *GUIDED_BY_MUON)
    before_step(monkeypatch, "flow", 3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert run("flow", shards, tmp_path / "parts", *GUIDED_BY_MUON).step == 4  # folding has begun at step 3
    assert run("flow", shards, tmp_path / "parts", *GUIDED_BY_MUON).ended == "finished"
    for part in checkpoints.PARTS:
        whole, parts = weights(tmp_path / "whole", part), weights(tmp_path / "parts", part)
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole), part
    assert any(name.startswith("teacher.") for name in weights(tmp_path / "whole", "model"))


def test_muon_takes_the_matrices_of_blocks_and_nothing_else(shards: Path, tmp_path: Path) -> None:
    run("flow", shards, tmp_path / "out", "optimiser.matrix_optimiser=muon", "loop.steps=1")
    kinds: dict[str, set[str]] = {"momentum_buffer": set(), "exp_avg": set()}
    for full in weights(tmp_path / "out", "optimiser"):
        name, _, key = full.rpartition("/")
        kinds.setdefault(key, set()).add(name)
    layers = ("qkv", "out", "up", "down")
    assert kinds["momentum_buffer"] == {f"blocks.{i}.{layer}.weight" for i in range(2) for layer in layers}
    everything = weights(tmp_path / "out", "model").keys()
    assert kinds["momentum_buffer"] | kinds["exp_avg"] == everything
    assert not kinds["momentum_buffer"] & kinds["exp_avg"]


@pytest.mark.parametrize("fast", [True, False])
def test_muon_steps_as_that_of_pytorch_does(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": fast})
    monkeypatch.setattr("packshot.training.precision._FAST", {})
    random, start = torch.Generator().manual_seed(0), [torch.randn(6, 4), torch.randn(3, 8), torch.randn(6, 4)]
    ours, theirs = ([torch.nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2))
    own = Muon(ours, 0.01, weight_decay=0.1, momentum=0.9)
    reference = torch.optim.Muon(theirs, 0.01, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for first, second in zip(ours, theirs, strict=True):
            first.grad = torch.randn(first.shape, generator=random)
            second.grad = first.grad.clone()
        own.step()
        reference.step()
    tolerance = 1e-6 if fast else 1e-3  # theirs has the eight bits of bfloat16, of updates of about 0.01
    for first, second in zip(ours, theirs, strict=True):
        torch.testing.assert_close(first, second, atol=tolerance, rtol=0)


def test_choosing_a_precision_splits_no_compiled_graph() -> None:
    """A split at the autocast context made torch.compile start anew at each step, and give up after eight."""

    def doubled(x: torch.Tensor) -> torch.Tensor:
        with mixed_precision(torch.device("cpu"), "auto"):
            return x @ x

    bfloat16_is_fast(torch.device("cpu"))  # as the loop does before anything is compiled
    whole = torch.compile(doubled, backend="eager", fullgraph=True)
    assert torch.equal(whole(torch.eye(3)), torch.eye(3))


def test_muon_lowers_the_loss_and_steps_at_its_own_rate(shards: Path, tmp_path: Path) -> None:
    settings = ["loop.steps=60", "loop.log_every=20", "optimiser.matrix_optimiser=muon", "optimiser.learning_rate=1e-8"]
    for name, rate in (("slow", "1e-8"), ("fast", "1e-2")):
        run("flow", shards, tmp_path / name, *settings, f"optimiser.matrix_learning_rate={rate}")
    start, end = weights(tmp_path / "slow", "model"), weights(tmp_path / "fast", "model")
    moved = {name for name in start if (start[name] - end[name]).abs().max() > 1e-4}
    assert {name.split(".")[0] for name in moved} == {"blocks"}


def test_another_recipe_or_other_data_are_refused(shards: Path, tmp_path: Path) -> None:
    run("flow", shards, tmp_path / "out", "loop.steps=1")
    with pytest.raises(RecipeError, match=r"optimiser\.learning_rate: got 0\.1; accepted: 0\.0005, as this run"):
        run("flow", shards, tmp_path / "out", "optimiser.learning_rate=0.1")
    with pytest.raises(RecipeError, match="family: got 'gan'"):
        run("gan", shards, tmp_path / "out")
    with pytest.raises(InputError, match="other pictures"):
        run("flow", write_drawn_shards(tmp_path / "other", rows=5), tmp_path / "out")


@pytest.mark.parametrize("family", list(TELLING))
def test_training_lowers_what_it_should(family: str, shards: Path, tmp_path: Path) -> None:
    settings = ["loop.steps=60", "loop.log_every=20", "optimiser.learning_rate=0.003"]
    run(family, shards, tmp_path / "out", *settings)
    lines = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text(encoding="utf-8").splitlines()]
    name = TELLING[family]
    assert lines[-1][name] < 0.8 * lines[0][name]


@families
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(
    family: str, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(family, shards, tmp_path / "out", "loop.steps=2")
    kept = {path: path.read_bytes() for path in report.checkpoint.iterdir()}
    draw = torch.randn

    def poisoned(*size: Any, **options: Any) -> torch.Tensor:
        return draw(*size, **options) * float("nan")

    before_step(monkeypatch, family, 3, lambda: monkeypatch.setattr(torch, "randn", poisoned))
    with pytest.raises(TrainingDiverged) as caught:
        run(family, shards, tmp_path / "out", "loop.steps=6")
    assert str(report.checkpoint) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in report.checkpoint.iterdir()} == kept


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run("flow", shards, tmp_path / "out", "loop.steps=2")
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "optimiser.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left on device"):
        run("flow", shards, tmp_path / "out", "loop.steps=4")
    assert [p.name for p in (tmp_path / "out/checkpoints").iterdir()] == ["step-00000002"]
    assert checkpoints.latest_checkpoint(tmp_path / "out") == report.checkpoint


def test_minutes_end_a_run_and_checkpoints_come_on_the_way(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 100_000, 30))  # each look at the clock is half a minute later
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(clock)))
    saved: list[int] = []
    save = loop.save_checkpoint
    monkeypatch.setattr(
        loop, "save_checkpoint", lambda out, made, recipe: saved.append(made.state["step"]) or save(out, made, recipe)
    )
    settings = ["loop.steps=1000", "loop.max_minutes=6", "loop.checkpoint_minutes=2"]
    report = run("flow", shards, tmp_path / "out", *settings)
    assert report.ended == "finished"
    assert 6 <= report.minutes < 8
    assert len(saved) >= 3
    assert saved == sorted(set(saved))
    assert saved[-1] == report.step < 20


def test_a_run_can_start_from_the_average_of_another(shards: Path, tmp_path: Path) -> None:
    run("flow", shards, tmp_path / "first")
    start = weights(tmp_path / "first", "ema")
    still = ["loop.steps=1", "optimiser.learning_rate=1e-8", "optimiser.weight_decay=0", "optimiser.ema_decay=0"]
    run("flow", shards, tmp_path / "second", f"loop.init_from={tmp_path / 'first'}", *still)
    for name, tensor in weights(tmp_path / "second", "model").items():
        torch.testing.assert_close(tensor, start[name], atol=1e-6, rtol=0)
    with pytest.raises(RecipeError, match="as the recipe's network has"):
        run("flow", shards, tmp_path / "third", f"loop.init_from={tmp_path / 'first'}", "network.width=48")
    with pytest.raises(InputError, match=r"no ema\.safetensors"):
        run("gan", shards, tmp_path / "fourth", f"loop.init_from={tmp_path / 'absent'}")


def test_a_gan_starts_from_both_networks_of_another(shards: Path, tmp_path: Path) -> None:
    run("gan", shards, tmp_path / "first")
    generator, both = weights(tmp_path / "first", "ema"), weights(tmp_path / "first", "model")
    still = ["loop.steps=1", "optimiser.learning_rate=1e-8", "optimiser.weight_decay=0"]
    run("gan", shards, tmp_path / "second", f"loop.init_from={tmp_path / 'first'}", *still)
    expected = {name: both[name] for name in both if name.startswith("discriminator.")}
    expected |= {f"generator.{name}": tensor for name, tensor in generator.items()}
    for name, tensor in weights(tmp_path / "second", "model").items():
        if not name.startswith("guard."):
            torch.testing.assert_close(tensor, expected[name], atol=1e-6, rtol=0)


def test_a_gan_compares_pictures_of_one_category(shards: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []
    losses = GanTrainer._discriminator_losses
    monkeypatch.setattr(
        GanTrainer, "_discriminator_losses", lambda self, *given: seen.append(given[-2]) or losses(self, *given)
    )
    run("gan", shards, tmp_path / "out", "loop.steps=2")
    assert len(seen) == 2 and all(torch.equal(batch, batch.sort().values) for batch in seen)


def test_a_teachers_own_predictions_are_pushed_by_guidance_and_emphasis(shards: Path) -> None:
    settings = [
        f"objective.{wish}" for wish in ("guidance_scale=3.0", "guidance_start=0", "guidance_share=1", "emphasis=2.0")
    ]
    more = ["objective.guidance_target=teacher", "objective.guidance_interval=[0.0, 0.5]", "loop.init_from=unused"]
    recipe = load_recipe(RECIPES / "tiny-flow.toml", [*settings, *more])
    fresh = dataclasses.replace(recipe, loop=dataclasses.replace(recipe.loop, init_from=""))
    trainer = build_trainer(
        fresh, load_data(shards, fresh, torch.device("cpu")), torch.Generator().manual_seed(0), join_team("cpu")
    )
    assert isinstance(trainer, FlowTrainer)
    teacher = deepcopy(trainer.network)
    for parameter in teacher.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    slots = torch.tensor([[1, 0, 0, 0, 0], [1, 0, 2, 0, 0], [1, 0, 2, 0, 0]])
    text, colours = torch.randn(3, 512), torch.rand(3, 8)
    batch = Batch(torch.rand(3, 3, 16, 16), slots, colours, text, slots[:, 0], torch.zeros(3))
    time, noise = torch.tensor([0.1, 0.1, 0.9]), torch.randn(3, 3, 16, 16)
    found = trainer._target(teacher, batch, time, noise)
    with torch.no_grad():
        noisy = noised(batch.pictures, noise, time)
        told, untold, plain = (
            teacher(noisy, time, teacher.encode(s, c, t))
            for s, c, t in (
                (slots, colours, text),
                (slots * 0, colours * 0, text * 0),
                (slots * torch.tensor([1, 0, 0, 0, 0]), colours, text * 0),
            )
        )
    torch.testing.assert_close(found[0], (untold + 3 * (told - untold))[0])  # says nothing beyond product and colour
    torch.testing.assert_close(found[1], (untold + 3 * (told - untold) + 2 * (told - plain))[1])
    torch.testing.assert_close(found[2], told[2])  # too late for either
    assert (told - untold).abs().max() > 1e-4 < (told - plain).abs().max()


def test_folded_guidance_trains_and_differs_from_plain(shards: Path, tmp_path: Path) -> None:
    run("flow", shards, tmp_path / "plain")
    run("flow", shards, tmp_path / "folded", "objective.guidance_scale=3.0")
    plain, folded = weights(tmp_path / "plain", "model"), weights(tmp_path / "folded", "model")
    assert any(not torch.equal(plain[name], folded[name]) for name in plain)
    assert all(tensor.isfinite().all() for tensor in folded.values())


def test_classic_losses_and_bf16_train(shards: Path, tmp_path: Path) -> None:
    report = run(
        "gan", shards, tmp_path / "out", "objective.loss=classic", "objective.penalty=0", "loop.precision=bf16"
    )
    assert report.losses["d_adversarial"] == pytest.approx(2 * 0.6931, rel=0.2)  # still undecided
    assert "d_penalty" not in report.losses


@pytest.mark.parametrize(
    ("wish", "fast", "half"), [("auto", True, 1), ("auto", False, 0), ("bf16", False, 1), ("fp32", True, 0)]
)
def test_bfloat16_is_used_where_the_processor_has_it(
    wish: str, fast: bool, half: int, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    able = {"avx512_bf16": fast, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr("packshot.training.precision._FAST", {})
    seen: set[torch.dtype] = set()
    hook = torch.nn.Linear.forward
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: _noting(seen, hook(self, x)))
    run("flow", shards, tmp_path / "out", "loop.steps=1", f"loop.precision={wish}")
    assert (torch.bfloat16 in seen) == bool(half)


def _noting(seen: set[torch.dtype], output: torch.Tensor) -> torch.Tensor:
    seen.add(output.dtype)
    return output


def test_tensorboard_is_written_where_it_is_asked_for(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    run("flow", shards, tmp_path / "out", "loop.tensorboard=true")
    assert list((tmp_path / "out/tensorboard").glob("events.*"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"packshot\[train\]"):
        logs.Diary(tmp_path, every=1, tensorboard=True, progress=False, leads=True)


def test_schedule_warms_up_stays_and_decays() -> None:
    recipe = load_recipe(RECIPES / "flow.toml").optimiser
    assert rate_factor(0, 0.0, recipe) == pytest.approx(1 / 100)
    assert rate_factor(100, 0.5, recipe) == 1
    assert rate_factor(10_000, 0.875, recipe) == pytest.approx(0.5)
    assert rate_factor(10_000, 1.0, recipe) == pytest.approx(0.02)
    assert average_decay(1, recipe) == pytest.approx(2 / 11)
    assert average_decay(5999, recipe) == pytest.approx(0.9983, abs=1e-3)
    assert average_decay(100_000, recipe) == 0.9995
