"""A training recipe: one complete TOML file as nested frozen dataclasses. Imports neither torch nor any network."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from packshot.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Within:
    """Annotates a number, or numbers in a list or table, as lying in [low, high]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """What is drawn from the shards, and what of its description is kept back.

    Attributes:
        resolution: side of the pictures, pixels.
        balance: a category is drawn in proportion to its count ** (1 - balance); 0 as it comes, 1 all alike.
        balance_floor: categories are counted as at least so many pictures, so that a rare one is not learnt by heart.
        drop_slots: probability that each slot is kept back, in slot order.
        drop_colour: probability that both colours are kept back.
        drop_second_colour: probability that the second colour is.
        drop_text: probability that the sentence is.
        drop_all: probability that everything is, for guidance.
        text_noise: standard deviation of the noise on the sentence embedding.
        category_weights: multiplies the share of single categories, by name.
    """

    resolution: Annotated[int, Within(16, 1024)]
    balance: Annotated[float, Within(0, 1)]
    balance_floor: Annotated[int, Within(1, 1_000_000)]
    drop_slots: Annotated[tuple[float, ...], Within(0, 1)]
    drop_colour: Annotated[float, Within(0, 1)]
    drop_second_colour: Annotated[float, Within(0, 1)]
    drop_text: Annotated[float, Within(0, 1)]
    drop_all: Annotated[float, Within(0, 1)]
    text_noise: Annotated[float, Within(0, 1)]
    category_weights: Annotated[dict[str, float], Within(0, 1000)]


@dataclass(frozen=True, slots=True)
class FlowNetworkRecipe:
    """Sizes of a flow transformer; see `FlowSpec`. `vocabulary` has one size per slot, with room to append."""

    patch: Annotated[int, Within(1, 64)]
    width: Annotated[int, Within(16, 4096)]
    depth: Annotated[int, Within(1, 64)]
    heads: Annotated[int, Within(1, 64)]
    refine: Annotated[int, Within(1, 1024)]
    vocabulary: Annotated[tuple[int, ...], Within(2, 100_000)]


@dataclass(frozen=True, slots=True)
class GanNetworkRecipe:
    """Sizes of a generator and discriminator; see `GanSpec`. `vocabulary` has a size per slot, with room to append."""

    latent: Annotated[int, Within(1, 4096)]
    style: Annotated[int, Within(8, 4096)]
    augmented_text: Annotated[int, Within(1, 4096)]
    condition: Annotated[int, Within(8, 4096)]
    generator_channels: Annotated[tuple[int, ...], Within(4, 4096)]
    discriminator_channels: Annotated[tuple[int, ...], Within(4, 4096)]
    vocabulary: Annotated[tuple[int, ...], Within(2, 100_000)]


@dataclass(frozen=True, slots=True)
class FlowObjectiveRecipe:
    """What a flow is asked for; see `objectives/flow.py`.

    Attributes:
        time_mean: of the normal behind the logit-normal times.
        time_deviation: of the same.
        smallest_gap: 1 - t is not taken below this in the loss.
        guidance_scale: w of guidance folding; 1 trains plainly.
        guidance_share: of each batch whose target is folded.
        guidance_interval: times between which it is.
    """

    time_mean: Annotated[float, Within(-5, 5)]
    time_deviation: Annotated[float, Within(0.01, 5)]
    smallest_gap: Annotated[float, Within(0.001, 1)]
    guidance_scale: Annotated[float, Within(1, 20)]
    guidance_share: Annotated[float, Within(0, 1)]
    guidance_interval: Annotated[tuple[float, float], Within(0, 1)]


@dataclass(frozen=True, slots=True)
class GanObjectiveRecipe:
    """What a GAN is asked for; see `objectives/gan.py`.

    Attributes:
        loss: `relativistic` (R3GAN) or `classic` (Goodfellow et al. 2014, non-saturating).
        penalty: gamma of the zero-centred gradient penalties on real (R1) and fake (R2) pictures; 0 for none.
        penalty_every: evaluate them every so many steps, scaled up accordingly.
        mismatched: weight of real pictures under another product's description as a further fake; 0 for none.
        divergence: weight of the KL term of conditioning augmentation.
        category: weight of the discriminator's auxiliary category head; 0 builds none.
        discriminator_rate: D's learning rate over G's.
        augment_share: of pictures moved before D sees them.
        augment_translate: largest shift over the side.
        augment_zoom: largest change of scale.
        augment_flip: probability of mirroring among the moved.
    """

    loss: Literal["relativistic", "classic"]
    penalty: Annotated[float, Within(0, 1000)]
    penalty_every: Annotated[int, Within(1, 1000)]
    mismatched: Annotated[float, Within(0, 10)]
    divergence: Annotated[float, Within(0, 100)]
    category: Annotated[float, Within(0, 10)]
    discriminator_rate: Annotated[float, Within(0.01, 100)]
    augment_share: Annotated[float, Within(0, 1)]
    augment_translate: Annotated[float, Within(0, 0.5)]
    augment_zoom: Annotated[float, Within(0, 0.5)]
    augment_flip: Annotated[float, Within(0, 1)]


@dataclass(frozen=True, slots=True)
class OptimiserRecipe:
    """AdamW, its schedule, and the moving average.

    Attributes:
        learning_rate: peak.
        betas: of the moments.
        weight_decay: of matrices and kernels; biases and gains decay never.
        clip_norm: gradients are scaled down to this norm.
        warmup_steps: the rate rises linearly over these.
        decay_share: the rate falls linearly over this last share of the run's minutes, or steps without a limit.
        decay_floor: down to this share of the peak.
        ema_decay: of the moving average of the weights that is sampled and exported.
        ema_early_decay: the same before step `ema_early_steps`.
        ema_early_steps: length of the early phase.
    """

    learning_rate: Annotated[float, Within(1e-8, 1)]
    betas: Annotated[tuple[float, float], Within(0, 0.99999)]
    weight_decay: Annotated[float, Within(0, 10)]
    clip_norm: Annotated[float, Within(1e-6, 1e6)]
    warmup_steps: Annotated[int, Within(1, 10_000_000)]
    decay_share: Annotated[float, Within(0.001, 1)]
    decay_floor: Annotated[float, Within(0, 1)]
    ema_decay: Annotated[float, Within(0, 1)]
    ema_early_decay: Annotated[float, Within(0, 1)]
    ema_early_steps: Annotated[int, Within(0, 1_000_000_000)]


@dataclass(frozen=True, slots=True)
class LoopRecipe:
    """How the run goes.

    Attributes:
        batch: pictures a step, over all processes together.
        steps: length of the run.
        max_minutes: of training over all sittings after which the run ends; 0 for no limit.
        seed: of every random draw.
        precision: `bf16` autocast or `fp32`.
        compile: use torch.compile.
        device: `auto`, `cpu`, `cuda`.
        log_every: steps between lines of the log.
        checkpoint_minutes: between checkpoints.
        sheet_minutes: between sample sheets; 0 for none but the last.
        tensorboard: write TensorBoard events too.
        init_from: a run or checkpoint folder whose moving average the network starts from; empty for none.
    """

    batch: Annotated[int, Within(1, 1_000_000)]
    steps: Annotated[int, Within(1, 1_000_000_000)]
    max_minutes: Annotated[float, Within(0, 10_000_000)]
    seed: Annotated[int, Within(0, 2**62)]
    precision: Literal["bf16", "fp32"]
    compile: bool
    device: Literal["auto", "cpu", "cuda"]
    log_every: Annotated[int, Within(1, 1_000_000)]
    checkpoint_minutes: Annotated[float, Within(0, 100_000)]
    sheet_minutes: Annotated[float, Within(0, 100_000)]
    tensorboard: bool
    init_from: str


LIMITS = ("steps", "max_minutes", "log_every", "checkpoint_minutes", "sheet_minutes", "tensorboard")
"""Keys of [loop] that may change when a run is resumed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe; `network` and `objective` are of the family's own types."""

    family: Literal["gan", "flow"]
    data: DataRecipe
    network: FlowNetworkRecipe | GanNetworkRecipe
    objective: FlowObjectiveRecipe | GanObjectiveRecipe
    optimiser: OptimiserRecipe
    loop: LoopRecipe

    def to_toml(self) -> str:
        """The recipe as the text of a file that `load_recipe` reads back to an equal one."""
        lines = [f"family = {_toml_value(self.family)}"]
        for section in _sections(self.family):
            lines += ["", f"[{section}]"]
            tables: list[str] = []
            for key, value in dataclasses.asdict(getattr(self, section)).items():
                if isinstance(value, dict):
                    tables += ["", f"[{section}.{key}]", *(f"{_toml_value(k)} = {v!r}" for k, v in value.items())]
                else:
                    lines.append(f"{key} = {_toml_value(value)}")
            lines += tables
        return "\n".join(lines) + "\n"


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: of the TOML file.
        overrides: settings as typed after `--set`, such as `optimiser.learning_rate=1e-4`; values are TOML, and what
            is no TOML is taken as a string.

    Raises:
        RecipeError: the file or a setting is unreadable, a key unknown or missing, a value of a wrong type or range.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(path, error.strerror or "an unreadable file", "a recipe such as recipes/flow.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(path, str(error).splitlines()[0], "a TOML file") from None
    for setting in overrides:
        _override(content, setting)
    return parse_recipe(content, str(path))


def parse_recipe(content: Mapping[str, Any], where: str) -> Recipe:
    """Check the parsed tables of a recipe; errors as in `load_recipe`."""
    family = content.get("family")
    if family not in ("gan", "flow"):
        raise RecipeError(f"{where}: family", "nothing" if family is None else repr(family), "'gan' or 'flow'")
    sections = _sections(family)
    _check_keys(content, ["family", *sections], where, "")
    built = {name: _build(kind, content[name], where, name) for name, kind in sections.items()}
    recipe = Recipe(family=family, **built)
    _check_whole(recipe, where)
    return recipe


def _sections(family: str) -> dict[str, type]:
    gan = family == "gan"
    return {
        "data": DataRecipe,
        "network": GanNetworkRecipe if gan else FlowNetworkRecipe,
        "objective": GanObjectiveRecipe if gan else FlowObjectiveRecipe,
        "optimiser": OptimiserRecipe,
        "loop": LoopRecipe,
    }


def _override(content: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise RecipeError("--set", f"'{setting}'", "section.key=value, such as optimiser.learning_rate=1e-4")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table = content
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError("--set", f"'{setting}'", f"a table before the last dot, but '{part}' is a value")
    table[parts[-1]] = value


def _check_keys(table: Any, known: Sequence[str], where: str, section: str) -> None:
    name = f"{where}: [{section}]" if section else where
    if not isinstance(table, dict):
        raise RecipeError(name, repr(table), "a table")
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise RecipeError(name, f"an unknown key '{key}'", f"{hint}one of {', '.join(known)}")
    missing = [key for key in known if key not in table]
    if missing:
        raise RecipeError(name, f"no {', '.join(missing)}", "a complete recipe")


def _build(kind: type, table: Any, where: str, section: str) -> Any:
    _check_keys(table, [item.name for item in dataclasses.fields(kind)], where, section)
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(**{key: _value(value, hints[key], None, f"{where}: {section}.{key}") for key, value in table.items()})


def _value(value: Any, hint: Any, limits: Within | None, where: str) -> Any:
    """Check one value against its type and range; ints pass as floats, lists become tuples."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _value(value, arguments[0], arguments[1], where)
    if origin is Literal:
        if value not in arguments:
            raise RecipeError(where, repr(value), " or ".join(repr(item) for item in arguments))
        return value
    if origin is tuple:
        exact = None if arguments[-1] is Ellipsis else len(arguments)
        if not isinstance(value, list) or not value or (exact is not None and len(value) != exact):
            raise RecipeError(where, repr(value), f"a list of {exact or 'one or more'} numbers")
        return tuple(_value(item, arguments[0], limits, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise RecipeError(where, repr(value), "a table of numbers")
        return {key: _value(item, arguments[1], limits, f"{where}.{key}") for key, item in value.items()}
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text in quotes"}
        raise RecipeError(where, repr(value), names[hint])
    if limits and not (math.isfinite(value) and limits.low <= value <= limits.high):
        raise RecipeError(where, repr(value), f"{limits.low:,} to {limits.high:,}")
    return value


def _check_whole(recipe: Recipe, where: str) -> None:
    """Check what concerns several keys at once."""
    network, resolution = recipe.network, recipe.data.resolution
    if len(recipe.data.drop_slots) != len(network.vocabulary):
        raise RecipeError(f"{where}: data.drop_slots", len(recipe.data.drop_slots), "as many as network.vocabulary has")
    if isinstance(network, FlowNetworkRecipe):
        if resolution % network.patch:
            raise RecipeError(f"{where}: network.patch", network.patch, f"a divisor of data.resolution ({resolution})")
        if network.width % network.heads:
            raise RecipeError(f"{where}: network.heads", network.heads, f"a divisor of network.width ({network.width})")
    else:
        for key, channels, last in (
            ("generator_channels", network.generator_channels, 1),
            ("discriminator_channels", network.discriminator_channels, 2),
        ):
            if 4 * 2 ** (len(channels) - 1) * last != resolution:
                wanted = f"one number for each of the sides 4, 8, … {resolution // last}"
                raise RecipeError(f"{where}: network.{key}", f"{len(channels)} numbers", wanted)
    if isinstance(recipe.objective, FlowObjectiveRecipe):
        low, high = recipe.objective.guidance_interval
        if low > high:
            raise RecipeError(f"{where}: objective.guidance_interval", f"{low} to {high}", "the earlier time first")


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)
