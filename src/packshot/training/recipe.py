"""A training recipe: one complete TOML file, read into the dataclasses of `sections.py` and checked.

Imports neither torch nor any network.
"""

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
from packshot.training.sections import (
    CompositesRecipe,
    DataRecipe,
    FinePicturesRecipe,
    FlowNetworkRecipe,
    FlowObjectiveRecipe,
    GanNetworkRecipe,
    GanObjectiveRecipe,
    GrowthRecipe,
    LaddObjectiveRecipe,
    LoopRecipe,
    MattingNetworkRecipe,
    MattingObjectiveRecipe,
    OptimiserRecipe,
    UpscalerNetworkRecipe,
    UpscalerObjectiveRecipe,
    VaeNetworkRecipe,
    VaeObjectiveRecipe,
    Within,
)

FAMILIES: dict[str, tuple[type, type, type]] = {
    "flow": (DataRecipe, FlowNetworkRecipe, FlowObjectiveRecipe),
    "ladd": (DataRecipe, FlowNetworkRecipe, LaddObjectiveRecipe),
    "gan": (DataRecipe, GanNetworkRecipe, GanObjectiveRecipe),
    "vae": (DataRecipe, VaeNetworkRecipe, VaeObjectiveRecipe),
    "upscaler": (FinePicturesRecipe, UpscalerNetworkRecipe, UpscalerObjectiveRecipe),
    "matting": (CompositesRecipe, MattingNetworkRecipe, MattingObjectiveRecipe),
}
"""Sections [data], [network] and [objective] of each family."""
SMALLEST_SIDE = 8
"""Of the pictures that a growing GAN begins with, pixels."""
LIMITS = ("steps", "max_minutes", "log_every", "checkpoint_minutes", "sheet_minutes", "tensorboard")
"""Keys of [loop] that may change when a run is resumed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe; `data`, `network` and `objective` are of the family's own types."""

    family: Literal["flow", "ladd", "gan", "vae", "upscaler", "matting"]
    data: DataRecipe | FinePicturesRecipe | CompositesRecipe
    network: FlowNetworkRecipe | GanNetworkRecipe | VaeNetworkRecipe | UpscalerNetworkRecipe | MattingNetworkRecipe
    objective: (
        FlowObjectiveRecipe
        | LaddObjectiveRecipe
        | GanObjectiveRecipe
        | VaeObjectiveRecipe
        | UpscalerObjectiveRecipe
        | MattingObjectiveRecipe
    )
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
                    rows = (f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items())
                    tables += ["", f"[{section}.{key}]", *rows]
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
    if family not in FAMILIES:
        accepted = " or ".join(repr(name) for name in FAMILIES)
        raise RecipeError(f"{where}: family", "nothing" if family is None else repr(family), accepted)
    sections = _sections(family)
    _check_keys(content, ["family", *sections], where, "")
    built = {name: _build(kind, content[name], where, name) for name, kind in sections.items()}
    recipe = Recipe(family=family, **built)
    _check_whole(recipe, where)
    return recipe


def _sections(family: str) -> dict[str, type]:
    data, network, objective = FAMILIES[family]
    return {
        "data": data,
        "network": network,
        "objective": objective,
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
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        file, _, section = where.rpartition(": ")
        return _build(hint, value, file, section)
    if origin is Annotated:
        return _value(value, arguments[0], arguments[1], where)
    if origin is Literal:
        if not any(value == item and type(value) is type(item) for item in arguments):
            raise RecipeError(where, repr(value), " or ".join(repr(item) for item in arguments))
        return value
    if origin is tuple:
        exact = None if arguments[-1] is Ellipsis else len(arguments)
        texts = arguments[0] is str
        if not isinstance(value, list) or not (value or texts) or (exact is not None and len(value) != exact):
            accepted = "a list of texts" if texts else f"a list of {exact or 'one or more'} numbers"
            raise RecipeError(where, repr(value), accepted)
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
    data, network = recipe.data, recipe.network
    if isinstance(data, CompositesRecipe):
        assert isinstance(network, MattingNetworkRecipe)
        _check_matting(data, network, where)
    if isinstance(data, DataRecipe) and not isinstance(network, UpscalerNetworkRecipe | MattingNetworkRecipe):
        _check_slots(data, network, where)
    if isinstance(data, FinePicturesRecipe):
        assert isinstance(network, UpscalerNetworkRecipe)
        _check_crop(data, network.factor, where)
        _check_levels(data, network, where)
    if isinstance(network, FlowNetworkRecipe):
        _check_tokens(network, data.resolution, where)
    elif isinstance(network, GanNetworkRecipe | VaeNetworkRecipe):
        _check_channels(network, data.resolution, where)
    if isinstance(recipe.objective, FlowObjectiveRecipe):
        _check_guidance(recipe.objective, recipe.loop.init_from, where)
    if isinstance(network, GanNetworkRecipe) and network.projection_side.bit_count() != 1:
        raise RecipeError(f"{where}: network.projection_side", network.projection_side, "a power of two")
    if isinstance(recipe.objective, GanObjectiveRecipe):
        _check_growth(recipe.objective.growth, data.resolution, where)
    if isinstance(recipe.objective, LaddObjectiveRecipe):
        assert isinstance(network, FlowNetworkRecipe)
        _check_finishing(recipe.objective, network.depth, recipe.loop.init_from, where)
    if recipe.optimiser.matrix_optimiser == "muon" and recipe.family != "flow":
        accepted = f"'adamw': the family '{recipe.family}' has no transformer blocks"
        raise RecipeError(f"{where}: optimiser.matrix_optimiser", "'muon'", accepted)


def _check_slots(
    data: DataRecipe, network: FlowNetworkRecipe | GanNetworkRecipe | VaeNetworkRecipe, where: str
) -> None:
    if len(data.drop_slots) != len(network.vocabulary):
        raise RecipeError(f"{where}: data.drop_slots", len(data.drop_slots), "as many as network.vocabulary has")


def _check_matting(data: CompositesRecipe, network: MattingNetworkRecipe, where: str) -> None:
    if data.resolution % 32:
        raise RecipeError(f"{where}: data.resolution", data.resolution, "a multiple of 32")
    if len(network.decoder) != 5:
        raise RecipeError(
            f"{where}: network.decoder", f"{len(network.decoder)} numbers", "5, from 1/32 to 1/2 of a side"
        )


def _check_crop(data: FinePicturesRecipe, factor: int, where: str) -> None:
    if data.resolution % 4:
        raise RecipeError(f"{where}: data.resolution", data.resolution, "a multiple of 4")
    if data.crop * factor > data.resolution:
        accepted = f"at most {data.resolution // factor}, data.resolution over network.factor"
        raise RecipeError(f"{where}: data.crop", data.crop, accepted)
    low, high = data.redraw_times
    if low > high:
        raise RecipeError(f"{where}: data.redraw_times", f"{low} to {high}", "the earlier time first")


def _check_levels(data: FinePicturesRecipe, network: UpscalerNetworkRecipe, where: str) -> None:
    levels = len(network.channels)
    if len(network.blocks) != levels:
        raise RecipeError(f"{where}: network.blocks", f"{len(network.blocks)} numbers", f"{levels}, as in channels")
    fold = (4 // network.factor).bit_length() - 1  # halvings before the networks' finest maps
    for key, side, halvings in (
        ("data.crop", data.crop, fold + levels - 1),
        ("data.crop", data.crop, fold + len(network.critic_channels) - 1),
        ("data.resolution", data.resolution // network.factor, fold + levels - 1),
    ):
        if side % 2**halvings:
            accepted = f"sides that can be halved {halvings} times, or fewer network.channels or critic_channels"
            raise RecipeError(f"{where}: {key}", f"a map of {side} px", accepted)


def _check_tokens(network: FlowNetworkRecipe, resolution: int, where: str) -> None:
    if resolution % network.patch:
        raise RecipeError(f"{where}: network.patch", network.patch, f"a divisor of data.resolution ({resolution})")
    if network.width % network.heads:
        raise RecipeError(f"{where}: network.heads", network.heads, f"a divisor of network.width ({network.width})")


def _check_channels(network: GanNetworkRecipe | VaeNetworkRecipe, resolution: int, where: str) -> None:
    names = ("generator", "discriminator") if isinstance(network, GanNetworkRecipe) else ("decoder", "encoder")
    for name, last in zip(names, (1, 2), strict=True):
        key = f"{name}_channels"
        channels = getattr(network, key)
        if 4 * 2 ** (len(channels) - 1) * last != resolution:
            wanted = f"one number for each of the sides 4, 8, … {resolution // last}"
            raise RecipeError(f"{where}: network.{key}", f"{len(channels)} numbers", wanted)


def _check_guidance(objective: FlowObjectiveRecipe, init_from: str, where: str) -> None:
    low, high = objective.guidance_interval
    if low > high:
        raise RecipeError(f"{where}: objective.guidance_interval", f"{low} to {high}", "the earlier time first")
    if objective.folds and not objective.guidance_start and not init_from:
        accepted = "above 0, or a trained network in loop.init_from: an untrained one can guide nobody"
        raise RecipeError(f"{where}: objective.guidance_start", objective.guidance_start, accepted)


def _check_growth(growth: GrowthRecipe, resolution: int, where: str) -> None:
    sides = [resolution // 2**k for k in reversed(range(len(growth.sides)))]
    if list(growth.sides) != sides or sides[0] < SMALLEST_SIDE:
        accepted = f"sides from {SMALLEST_SIDE} on that double up to data.resolution ({resolution})"
        raise RecipeError(f"{where}: objective.growth.sides", list(growth.sides), accepted)
    if len(growth.shares) != len(sides) or not math.isclose(sum(growth.shares), 1, abs_tol=1e-6):
        accepted = f"one for each of the {len(sides)} sides, 1 in all"
        raise RecipeError(f"{where}: objective.growth.shares", list(growth.shares), accepted)


def _check_finishing(objective: LaddObjectiveRecipe, depth: int, init_from: str, where: str) -> None:
    if not init_from:
        raise RecipeError(f"{where}: loop.init_from", "''", "the trained flow that is to be finished: a run or a pack")
    if objective.watch.mode_seeking:
        accepted = "0: finishing a flow has no such loss"
        raise RecipeError(f"{where}: objective.watch.mode_seeking", objective.watch.mode_seeking, accepted)
    blocks = objective.critic_blocks
    if list(blocks) != sorted({block for block in blocks if block <= depth}):
        raise RecipeError(f"{where}: objective.critic_blocks", list(blocks), f"ascending numbers, at most {depth}")


def _toml_key(key: str) -> str:
    return key if key.replace("_", "a").isalnum() and key.isascii() else json.dumps(key, ensure_ascii=False)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)
