"""The one training loop: clock, checkpoints, logs, sheets, signals and resuming. Knows no family of networks."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from packshot.errors import InputError, OutputError, RecipeError
from packshot.training.checkpoint import Checkpoint, latest_checkpoint, read_checkpoint, read_recipe, save_checkpoint
from packshot.training.distributed import Team, join_team, leave_team
from packshot.training.families import TrainingData, build_trainer, load_data
from packshot.training.logs import Diary
from packshot.training.precision import bfloat16_is_fast
from packshot.training.recipe import LIMITS, Recipe, load_recipe
from packshot.training.sampling import write_sheet
from packshot.training.schedule import progress, rate_factor
from packshot.training.trainer import Trainer, TrainingDiverged

SHEETS = "sheets"
SEEDS_APART = 1_000_003
"""Distance of the processes' seeds."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a run ended.

    Attributes:
        out: its folder.
        checkpoint: the folder of the last checkpoint.
        ended: `finished` at the recipe's end, `interrupted` by a signal.
        step: steps taken in all sittings.
        minutes: spent in all sittings.
        pictures_per_second: lately.
        losses: means of what was logged last.
    """

    out: Path
    checkpoint: Path
    ended: Literal["finished", "interrupted"]
    step: int
    minutes: float
    pictures_per_second: float
    losses: dict[str, float]

    def __str__(self) -> str:
        losses = ", ".join(f"{name} {value:.4f}" for name, value in self.losses.items())
        speed = f"{self.pictures_per_second:.0f} pictures a second"
        advice = "; repeat the command to go on" if self.ended == "interrupted" else ""
        spent = f"step {self.step} after {self.minutes:.1f} min, {speed}"
        return f"{self.ended} at {spent} ({losses}): {self.checkpoint}{advice}"


def train(
    recipe_path: Path,
    data: Path,
    out: Path,
    *,
    overrides: Sequence[str] = (),
    max_minutes: float | None = None,
    progress: bool = True,
) -> TrainingReport:
    """Train by a recipe, or go on where the same command stopped.

    Started under torchrun, every process calls this with the same arguments.

    Args:
        recipe_path: a TOML file, see `packshot.training.recipe`.
        data: shards made by `packshot data prepare`.
        out: folder for checkpoints, `log.jsonl`, `recipe.toml` and sheets.
        overrides: settings such as `optimiser.learning_rate=1e-4`.
        max_minutes: overrides `loop.max_minutes`.
        progress: show a bar where standard error is a terminal.

    Raises:
        RecipeError: the recipe is wrong, does not fit the data, or is not the one that `out` was begun with.
        InputError: the shards or the checkpoint cannot be read, or the data are not those that `out` was begun with.
        OutputError: `out` cannot be written or its disk is full; earlier checkpoints stay.
        TrainingDiverged: a loss became NaN or infinite; earlier checkpoints stay.
        MissingExtraError: TensorBoard is asked for and not installed.
    """
    if max_minutes is not None:
        overrides = [*overrides, f"loop.max_minutes={max_minutes}"]
    recipe = load_recipe(recipe_path, overrides)
    begun = latest_checkpoint(out)
    if begun is not None:
        _same_recipe(recipe, begun)
    team = join_team(recipe.loop.device)
    try:
        if team.leads:
            _begin_folder(out, recipe)
        run = _Run(recipe, _load_in_turn(data, recipe, team), out, team, begun)
        report = run.go(progress)
        team.meet()
        return report
    finally:
        leave_team(team)


class _Run:
    """One sitting of a run."""

    def __init__(self, recipe: Recipe, data: TrainingData, out: Path, team: Team, begun: Path | None) -> None:
        self.recipe, self.out, self.team, self.data = recipe, out, team, data
        self.generator = torch.Generator(team.device).manual_seed(recipe.loop.seed + SEEDS_APART * team.rank)
        fresh = recipe if begun is None else _without_start(recipe)
        bfloat16_is_fast(team.device)  # ask before anything is compiled
        with torch.random.fork_rng():
            torch.manual_seed(recipe.loop.seed)
            self.trainer: Trainer = build_trainer(fresh, data, self.generator, team)
        self.step, self.minutes = 0, 0.0
        self.checkpoint: Path | None = begun
        if begun is not None:
            self._restore(begun)
        self._started = time.monotonic() - self.minutes * 60
        self._saved_at = self._drawn_at = self.minutes

    def go(self, progress: bool) -> TrainingReport:
        """Train to the end of the recipe or until a signal."""
        loop = self.recipe.loop
        diary = Diary(
            self.out, every=loop.log_every, tensorboard=loop.tensorboard, progress=progress, leads=self.team.leads
        )
        first = self.step
        with diary, _signals() as stop:
            while not self._over() and not self.team.any(stop.is_set()):
                self._one_step(diary)
                self._look_after_files(diary)
            diary.tell(self.step, self.minutes, self._progress(), self._rate(), at_once=True)
            ended: Literal["finished", "interrupted"] = "finished" if self._over() else "interrupted"
            if self.step > first or self.checkpoint is None:
                self._save()
                self._draw_sheet(diary)
        assert self.checkpoint is not None
        return TrainingReport(
            self.out, self.checkpoint, ended, self.step, self.minutes, diary.pictures_per_second, diary.means
        )

    def _one_step(self, diary: Diary) -> None:
        progress = self._progress()
        factor = rate_factor(self.step, progress, self.recipe.optimiser)
        try:
            values = self.trainer.step(self.step, rate=factor, progress=progress)
        except TrainingDiverged as error:
            kept = f"the last checkpoint is {self.checkpoint}" if self.checkpoint else "no checkpoint was written yet"
            raise TrainingDiverged(error.where, error.got, f"{error.accepted}; {kept}") from None
        self.step += 1
        self.minutes = self.team.lead((time.monotonic() - self._started) / 60)
        diary.note(values, self.recipe.loop.batch)
        diary.tell(self.step, self.minutes, self._progress(), factor * self.recipe.optimiser.learning_rate)

    def _look_after_files(self, diary: Diary) -> None:
        """Save and draw when it is time; the end does both anyway."""
        loop = self.recipe.loop
        if self._over():
            return
        if self.minutes - self._saved_at >= loop.checkpoint_minutes:
            self._save()
        if loop.sheet_minutes and self.minutes - self._drawn_at >= loop.sheet_minutes:
            self._draw_sheet(diary)

    def _over(self) -> bool:
        loop = self.recipe.loop
        return self.step >= loop.steps or bool(loop.max_minutes and self.minutes >= loop.max_minutes)

    def _progress(self) -> float:
        return progress(self.step, self.minutes, self.recipe.loop)

    def _rate(self) -> float:
        return self.recipe.optimiser.learning_rate * rate_factor(self.step, self._progress(), self.recipe.optimiser)

    def _save(self) -> None:
        states = self.team.gather(self.generator.get_state())
        self._saved_at = self.minutes
        if self.team.leads:
            parts = {**self.trainer.state(), "generators": {"states": states}}
            state = {
                "step": self.step,
                "minutes": self.minutes,
                "pictures_seen": self.step * self.recipe.loop.batch,
                "data": self.data.fingerprint,
                **self.data.facts(),
            }
            self.checkpoint = save_checkpoint(self.out, Checkpoint(parts, state), self.recipe)
        elif self.checkpoint is None:
            self.checkpoint = self.out

    def _restore(self, folder: Path) -> None:
        saved = read_checkpoint(folder, device=self.team.device)
        if saved.state["data"] != self.data.fingerprint:
            raise InputError(
                "--data", "other pictures than this run was begun with", "the same shards, or another --out"
            )
        states = saved.parts["generators"]["states"].cpu()
        if len(states) != self.team.size:
            raise RecipeError("torchrun", f"{self.team.size} processes", f"{len(states)}, as the run was begun with")
        self.trainer.load_state(saved.parts)
        self.generator.set_state(states[self.team.rank])
        self.step, self.minutes = int(saved.state["step"]), float(saved.state["minutes"])

    def _draw_sheet(self, diary: Diary) -> None:
        self._drawn_at = self.minutes
        if self.team.leads:
            sheet = self.trainer.sheet()
            diary.tell_sheet(self.step, self.minutes, sheet.values)
            write_sheet(sheet, self.out / SHEETS / f"step-{self.step:08d}.png")


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets, so that the step is finished; a second signal acts as it did before."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python delivers signals to the main thread alone
        return
    earlier = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, earlier[signal.Signals(number)])

    for number in earlier:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _load_in_turn(data: Path, recipe: Recipe, team: Team) -> TrainingData:
    """Load the data, rank 0 first, so that sentences are embedded once."""
    if not team.leads:
        team.lead(0.0)
    loaded = load_data(data, recipe, team.device)
    if team.leads:
        team.lead(0.0)
    return loaded


def _begin_folder(out: Path, recipe: Recipe) -> None:
    path = out / "recipe.toml"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(recipe.to_toml(), encoding="utf-8")
    except OSError as error:
        raise OutputError(path, error.strerror or "a failed write", "a writable folder with enough room") from None


def _same_recipe(recipe: Recipe, begun: Path) -> None:
    """Refuse to go on with another recipe; only the loop's limits may differ."""
    before = read_recipe(begun)
    if recipe.family != before.family:
        raise RecipeError(
            "family", f"'{recipe.family}'", f"'{before.family}', as this run was begun with, or another --out"
        )
    for section in ("data", "network", "objective", "optimiser", "loop"):
        new, old = (dataclasses.asdict(getattr(r, section)) for r in (recipe, before))
        for key, value in new.items():
            if value != old[key] and not (section == "loop" and key in LIMITS):
                accepted = f"{old[key]!r}, as this run was begun with, or another --out"
                raise RecipeError(f"{section}.{key}", repr(value), accepted)


def _without_start(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, loop=dataclasses.replace(recipe.loop, init_from=""))
