"""Judge -> model pack: one graph with three outputs, weights stored in sixteen bits."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from packshot.errors import OutputError
from packshot.evaluation.judge import GRAPH
from packshot.packs import write_manifest
from packshot.training.export import OPSET
from packshot.training.networks.judge import JudgeNetwork

if TYPE_CHECKING:
    from packshot.training.judge import FittedJudge

SMALLEST_HALVED = 256
"""Elements from which on a weight is stored as float16; arithmetic stays in float32."""


def write_judge(fitted: FittedJudge, out: Path, dataset: Mapping[str, Any]) -> None:
    """Write a judge as a model pack.

    Args:
        fitted: from `fit_judge`.
        out: folder; it is made where it does not exist, and its name becomes the pack's.
        dataset: of the training data: the names of its files and its licence are copied to the manifest.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        _export(fitted.network, out / GRAPH)
        write_manifest(out, judge_manifest(fitted, out.name, dataset))
    except OSError as error:
        raise OutputError(out, error.strerror or "an error while writing", "a folder that can be written") from None


def judge_manifest(fitted: FittedJudge, name: str, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without the files' sums; see `write_judge`."""
    side = fitted.network.spec.resolution
    return {
        "name": name,
        "kind": "judge",
        "summary": f"reads category ({len(fitted.categories)}) and colour word of a picture, for measuring",
        "version": "1",
        "categories": list(fitted.categories),
        "colours": list(fitted.colours),
        "resolution": side,
        "inputs": {"x": f"float32 (N, 3, {side}, {side})"},
        "outputs": {
            "category": f"float32 (N, {len(fitted.categories)}) logits",
            "colour": f"float32 (N, {len(fitted.colours)}) logits",
            "features": f"float32 (N, {fitted.network.spec.features})",
        },
        "pixel_conventions": "sRGB scaled so that -1 is black and 1 is white; product at 85 % of the frame on white",
        "licence": "Apache-2.0 for the weights; the pictures keep their own licence",
        "training_data": {
            "source": ", ".join(PurePath(name).name for name in str(dataset.get("source", "")).split(","))
            or "not stated",
            "licence": dataset.get("licence") or "not stated",
            "pictures": fitted.report.trained_on,
            "generated_pictures": 0,
        },
        "quality": {key: _rounded(value) for key, value in fitted.report.as_dict().items()},
        "notes": "Colour words are sellers' own and often name a part or a gloss; trust measured colours before them.",
    }


def _export(network: JudgeNetwork, path: Path) -> None:
    side = network.spec.resolution
    outputs = ["category", "colour", "features"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter announces its own successor
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, side, side),),
            str(path),
            input_names=["x"],
            output_names=outputs,
            dynamic_axes={name: {0: "n"} for name in ["x", *outputs]},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    _store_in_sixteen_bits(model.graph)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _store_in_sixteen_bits(graph: onnx.GraphProto) -> None:
    """Replace large float32 weights by float16 ones behind a Cast, which the runtime computes once at loading."""
    kept: list[onnx.TensorProto] = []
    casts: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALLEST_HALVED:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), tensor.name + ".half"))
        casts.append(helper.make_node("Cast", [tensor.name + ".half"], [tensor.name], to=TensorProto.FLOAT))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in reversed(casts):
        graph.node.insert(0, node)


def _rounded(value: Any) -> Any:
    """Floats to four digits, at any depth: more would only be noise in a manifest."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
