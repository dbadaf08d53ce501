"""Packs of a shop's own: `packshot data prepare`, `train` and `export` in a folder of the training's own."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from packshot.errors import InputError, MissingExtraError, RequestError
from packshot.generation.parallel import cores
from packshot.listing.store import LocalStore
from packshot.packs import available
from packshot.server import stock
from packshot.server.ids import is_id
from packshot.server.kept import Kept, Sharing, kept
from packshot.server.settings import Settings
from packshot.server.tasks import packs
from packshot.server.tasks.interface import Context, Outcome
from packshot.server.tasks.processes import Command, run

FOLDER, CATALOGUE, SHARDS, RUN, SHEETS = "trainings", "catalogue", "shards", "run", "sheets"
LOG = "log.jsonl"
KINDS = "kinds.toml"
"""In a training's folder: the shop's own kinds of product, where it gave any."""

LONGEST_MINUTES = 2_880.0
CHECKPOINT_SECONDS = 60.0
"""For a training to write a checkpoint when it is cancelled."""

COMPILING_MINUTES = 10.0
"""From here on a training is compiled first, which takes a minute or more and makes steps some 1.6 times faster."""

NEEDED = ("torch", "onnx", "safetensors")
_SOURCE = re.compile(r"[\w][\w .\-]{0,99}")
_PREPARING, _TRAINING = 0.1, 0.95


@dataclass(frozen=True, slots=True)
class Offer:
    """A training that clients may ask for; see `trainings.toml`."""

    name: str
    recipe: str
    title: str
    summary: str
    resolution: int
    fine_resolution: int
    upscaler: str
    minutes: float
    generation: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a recipe that clients may change, and between what."""

    type: str
    minimum: float
    maximum: float


OVERRIDES = {
    "loop.batch": Setting("integer", 4, 256),
    "loop.seed": Setting("integer", 0, 2**31 - 1),
    "optimiser.learning_rate": Setting("number", 1e-6, 1e-1),
    "data.balance": Setting("number", 0, 1),
}


def offers() -> dict[str, Offer]:
    """Trainings by name."""
    text = resources.files("packshot.server.tasks").joinpath("trainings.toml").read_text(encoding="utf-8")
    return {name: Offer(name, **table) for name, table in tomllib.loads(text).items()}


def files_of(settings: Settings, request: Mapping[str, Any]) -> Kept:
    """A training's catalogue, shards and run, as every server sees them."""
    identity = str(request["folder"])
    if not is_id(identity, "training"):
        raise RequestError("folder", f"'{identity[:80]}'", "training_…")
    return kept(settings, FOLDER, identity)


def sources(settings: Settings) -> list[str]:
    """Folders of catalogues that the operator lends."""
    root = settings.catalogues
    if root is None or not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if path.is_dir() and _SOURCE.fullmatch(path.name))


def insist_on_packages() -> None:
    """Raise MissingExtraError where trainings can't run here."""
    for module in NEEDED:
        if find_spec(module) is None:
            raise MissingExtraError("trainings", f"no module {module}", "pip install 'packshot[train]'")


def understood(request: Mapping[str, Any], settings: Settings) -> None:
    """Check a request before it is accepted.

    Raises:
        PackshotError: it can't be done; says why.
    """
    insist_on_packages()
    known = offers()
    if request["recipe"] not in known:
        raise RequestError("recipe", f"'{request['recipe'][:80]}'", ", ".join(known))
    if not stock.NAME.fullmatch(request["name"]):
        raise RequestError("name", f"'{request['name'][:80]}'", "letters a to z, digits and hyphens, at most 40")
    stock.bring(settings, request["name"])
    if request["name"] in available():
        raise RequestError("name", f"'{request['name']}', a pack that is there", "a new name")
    if not 0 < request["minutes"] <= LONGEST_MINUTES:
        raise RequestError("minutes", request["minutes"], f"up to {LONGEST_MINUTES:,.0f}")
    if request["source"] and request["source"] not in (lent := sources(settings)):
        raise RequestError("source", f"'{request['source'][:80]}'", ", ".join(lent) or "none: the operator lends none")
    for name, value in request["overrides"].items():
        _check_override(name, value)


def train(request: Mapping[str, Any], context: Context) -> Outcome:
    """Prepare, train and export, going on with whatever of it is there."""
    insist_on_packages()
    files = files_of(context.settings, request)
    if not files.there():
        raise RequestError("training", "a folder that is gone", "a new training")
    context.progress(0, 1, "fetching what is there")
    prepared = bool(files.names(SHARDS))
    files.pull(lambda name: prepared and name.startswith(f"{CATALOGUE}/"))
    with Sharing(files) as sharing:
        return _trained(request, context, files.work, sharing)


def _trained(request: Mapping[str, Any], context: Context, folder: Path, sharing: Sharing) -> Outcome:
    offer, target = offers()[request["recipe"]], _target(request, context.settings)
    if not (folder / SHARDS / "dataset.json").exists():
        context.progress(0, 1, "preparing the catalogue")
        run(Command(_prepare(request, folder, offer, context.settings), folder), context, lambda: (0.01, 1, "prepare"))
        sharing.push()

    def look() -> tuple[float, float, str]:
        sharing.now_and_then()
        return how_far(folder, request)

    every_core = (("OMP_NUM_THREADS", str(cores())),)  # the worker's own work is kept to one
    run(Command(_train(request, folder, offer), folder, CHECKPOINT_SECONDS, every_core), context, look)
    (folder / "card.toml").write_text(_card(request, folder, offer), encoding="utf-8")
    _target(request, context.settings)
    words = ["export", str(folder / RUN), f"--card={folder / 'card.toml'}", f"--out={target}"]
    upscaler = [f"--upscaler={offer.upscaler}"]
    run(Command([*words, *upscaler], folder), context, lambda: (_TRAINING, 1, "export"))
    stock.publish(context.settings, str(request["name"]))
    points, counts = curve(LocalStore(folder)), counts_of(LocalStore(folder))
    last = points[-1] if points else {}
    return Outcome({
        "pack": request["name"], "kept": counts.get("kept"), "rows": counts.get("rows"), "step": last.get("step"),
        "minutes": last.get("minutes"),
    })  # fmt: skip


def _target(request: Mapping[str, Any], settings: Settings) -> Path:
    """Where the pack goes: a place that is free, or that this training has filled before."""
    target = settings.home / packs.FOLDER / str(request["name"])
    stock.bring(settings, str(request["name"]))
    if target.exists() and packs.training_of(target) != request["folder"]:
        raise RequestError("name", f"'{request['name']}', a pack that is there by now", "a new training, another name")
    target.parent.mkdir(exist_ok=True)
    return target


def expected_seconds(request: Mapping[str, Any]) -> float:
    """Of a worker's time."""
    return 60.0 * float(request["minutes"])


def how_far(folder: Path, request: Mapping[str, Any]) -> tuple[float, float, str]:
    """Of the whole: done, total, in words."""
    last = _last_point(folder)
    share = min(1.0, last.get("minutes", 0.0) / request["minutes"])
    words = f"train: step {last['step']:,}, {last['minutes']:.1f} min" if last else "train"
    return round(_PREPARING + (_TRAINING - _PREPARING) * share, 4), 1, words


class Files(Protocol):
    """Those of a training, here or in the bucket."""

    def read(self, name: str) -> bytes | None:
        """One of them; None where there is none."""


def curve(files: Files) -> list[dict[str, Any]]:
    """Lines of the training's log, in order; what a sheet has measured stands on lines of its own."""
    lines = (files.read(f"{RUN}/{LOG}") or b"").split(b"\n")
    return [row for row in map(_row, lines) if row is not None]


def counts_of(files: Files) -> dict[str, Any]:
    """Of the prepared catalogue; empty before that."""
    document = json.loads(files.read(f"{SHARDS}/dataset.json") or b"{}")
    return dict(document.get("counts", {}))


def resumable(files: Kept) -> bool:
    """Whether there is a checkpoint to go on from."""
    return bool(files.names(f"{RUN}/checkpoints"))


def recipe_file(name: str) -> Path:
    """A recipe that ships: in the package, or beside it in a checkout.

    Raises:
        InputError: it is in neither.
    """
    packaged = Path(str(resources.files("packshot").joinpath("recipes", name)))
    for path in (packaged, Path(__file__).parents[4] / "recipes" / name):
        if path.is_file():
            return path
    raise InputError(name, "no such recipe", "an installation of packshot with its recipes")


def _prepare(request: Mapping[str, Any], folder: Path, offer: Offer, settings: Settings) -> list[str]:
    source = folder / CATALOGUE
    if request["source"]:
        assert settings.catalogues is not None
        source = settings.catalogues / request["source"]
    words = ["data", "prepare", str(source), f"--out={folder / SHARDS}", "--json"]
    words += [f"--resolution={offer.resolution}", f"--fine-resolution={offer.fine_resolution}"]
    words += [f"--kinds={folder / KINDS}"] if request["kinds"] else []
    return [*words, f"--note={request['note']}", f"--licence={request['licence']}"]


def _train(request: Mapping[str, Any], folder: Path, offer: Offer) -> list[str]:
    minutes = float(request["minutes"])
    settings = {
        "loop.compile": str(_compiles(request, folder, offer)).lower(),
        "loop.sheet_minutes": f"{min(15.0, max(0.1, minutes / 8)):g}",
        **{name: f"{value:g}" if isinstance(value, float) else str(value)
           for name, value in {**offer.settings, **request["overrides"]}.items()},
    }  # fmt: skip
    words = ["train", str(recipe_file(offer.recipe)), f"--data={folder / SHARDS}", f"--out={folder / RUN}"]
    return [*words, f"--max-minutes={minutes:g}", *(f"--set={name}={value}" for name, value in settings.items())]


def _compiles(request: Mapping[str, Any], folder: Path, offer: Offer) -> bool:
    """Whether to compile, as in the first sitting if there was one: a run goes on by the recipe it began with."""
    with suppress(FileNotFoundError):
        begun = tomllib.loads((folder / RUN / "recipe.toml").read_text(encoding="utf-8"))
        return bool(begun["loop"]["compile"])
    worth = offer.name != "trial" and request["minutes"] >= COMPILING_MINUTES
    return worth and shutil.which("c++") is not None


def _card(request: Mapping[str, Any], folder: Path, offer: Offer) -> str:
    """The card of the pack; a JSON text is a TOML text but for DEL."""
    counts = counts_of(LocalStore(folder))
    summary = f"{offer.title}; {counts.get('kept', '?')} pictures, {request['minutes']:g} minutes"
    rows = {
        "name": request["name"], "version": "1", "summary": summary,
        "licence": request["licence"] or "not said", "training_data": request["note"] or "a shop's own catalogue",
        packs.TRAINING: request["folder"],
    }  # fmt: skip
    lines = [f"{name} = {_text(value)}" for name, value in rows.items()]
    generation = [f"{name} = {json.dumps(value)}" for name, value in offer.generation.items()]
    return "\n".join([*lines, "[quality]", "[generation]", *generation]) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_override(name: str, value: object) -> None:
    if name not in OVERRIDES:
        raise RequestError("overrides", f"'{name[:80]}'", ", ".join(OVERRIDES))
    setting = OVERRIDES[name]
    kinds = (int,) if setting.type == "integer" else (int, float)
    fits = isinstance(value, kinds) and not isinstance(value, bool)
    if not fits or not setting.minimum <= value <= setting.maximum:  # type: ignore[operator]
        accepted = f"{setting.type}, {setting.minimum:g} to {setting.maximum:g}"
        raise RequestError(f"overrides.{name}", str(value)[:40], accepted)


def _last_point(folder: Path) -> dict[str, Any]:
    try:
        with (folder / RUN / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - 4_000))
            lines = log.read().split(b"\n")
    except FileNotFoundError:
        return {}
    rows = [row for row in map(_row, lines) if row is not None and "learning_rate" in row]
    return rows[-1] if rows else {}


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "step" in row else None
