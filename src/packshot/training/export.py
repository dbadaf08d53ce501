"""Checkpoint -> model pack. The one place that knows both PyTorch and ONNX."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from packshot.training.networks.conditioner import ConditionerSpec
from packshot.training.networks.gan import Generator

OPSET = 18
SMALLEST_QUANTISED = 16_384
"""Elements from which on a weight is stored in eight bits."""


def export_graph(
    network: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: list[str],
    output: str,
    path: Path,
    *,
    free_axes: Mapping[str, Mapping[int, str]],
    eight_bits: bool,
    integer_arithmetic: bool = False,
) -> None:
    """Trace a network to ONNX.

    Args:
        network: in evaluation mode, float32, on the CPU.
        arguments: example inputs.
        inputs: names of the inputs.
        output: name of the output.
        path: of the file to write.
        free_axes: axes of inputs and output whose length is left open.
        eight_bits: store large weights as int8 with one scale per output channel. They are expanded when the graph is
            loaded, so that only the file is smaller; arithmetic stays in float32.
        integer_arithmetic: also multiply matrices in eight bits, with a scale found for each input as it comes. Weights
            keep to seven bits, since eight overflow on processors without VNNI.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of Python values that are constants by design
        torch.onnx.export(
            network,
            arguments,
            str(path),
            input_names=inputs,
            output_names=[output],
            dynamic_axes={name: dict(axes) for name, axes in free_axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    if integer_arithmetic:
        quantize_dynamic(
            path,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
    model = onnx.load(str(path))
    if eight_bits:
        _store_in_eight_bits(model.graph)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _store_in_eight_bits(graph: onnx.GraphProto) -> None:
    """Replace large float matrices by int8 ones behind a DequantizeLinear node, symmetric, per output channel."""
    axis_of = _output_axes(graph)
    nodes: list[onnx.NodeProto] = []
    kept: list[onnx.TensorProto] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        axis = axis_of.get(tensor.name)
        if axis is None or values.size < SMALLEST_QUANTISED:
            kept.append(tensor)
            continue
        codes, scale = quantise(values, axis)
        name = tensor.name
        kept += [
            numpy_helper.from_array(codes, name + ".int8"),
            numpy_helper.from_array(scale, name + ".scale"),
        ]
        nodes.append(helper.make_node("DequantizeLinear", [name + ".int8", name + ".scale"], [name], axis=axis))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in reversed(nodes):
        graph.node.insert(0, node)


def quantise(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric eight-bit codes of a weight array with one scale per index of `axis`.

    Returns:
        Codes in [-127, 127] of the same shape, and (values.shape[axis],) float32 scales.
    """
    others = tuple(k for k in range(values.ndim) if k != axis)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scale = (np.maximum(largest, 1e-12) / 127).astype(np.float32)
    return np.rint(values / scale).astype(np.int8), scale.reshape(-1)


def _output_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """Which axis of each weight is the output channel: 1 for MatMul and plain Gemm, 0 for transposed Gemm and Conv."""
    axes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "MatMul":
            axes[node.input[1]] = 1
        elif node.op_type == "Gemm":
            transposed = any(a.name == "transB" and a.i == 1 for a in node.attribute)
            axes[node.input[1]] = 0 if transposed else 1
        elif node.op_type == "Conv":
            axes[node.input[1]] = 0
    return axes


class _Encode(nn.Module):
    """The condition encoder alone, with the names a pack uses."""

    def __init__(self, conditioner: nn.Module) -> None:
        super().__init__()
        self.conditioner = conditioner

    def forward(self, slots: Tensor, colours: Tensor, text: Tensor) -> Tensor:
        encoded: Tensor = self.conditioner(slots, colours, text)
        return encoded


def export_text(conditioner: nn.Module, spec: ConditionerSpec, path: Path, *, eight_bits: bool = True) -> None:
    """Write `text.onnx`: slots (N, S) int64, colours (N, 8), text (N, 512) -> condition (N, width)."""
    arguments = (
        torch.zeros(1, len(spec.vocabulary), dtype=torch.int64),
        torch.zeros(1, spec.colour_features),
        torch.zeros(1, spec.text_features),
    )
    names = ["slots", "colours", "text"]
    free = {name: {0: "n"} for name in [*names, "condition"]}
    export_graph(
        _Encode(conditioner).eval(), arguments, names, "condition", path, free_axes=free, eight_bits=eight_bits
    )


def export_flow(network: nn.Module, resolution: int, width: int, path: Path, *, eight_bits: bool = True) -> None:
    """Write `generator.onnx` of a flow: x (N, 3, R, R), time (N,), condition (N, width) -> x_hat (N, 3, R, R)."""
    arguments = (torch.zeros(1, 3, resolution, resolution), torch.zeros(1), torch.zeros(1, width))
    names = ["x", "time", "condition"]
    free = {name: {0: "n"} for name in [*names, "x_hat"]}
    network = copy.deepcopy(network)
    del network.coarse  # no part of the graph, but the tracer counts it when it names the others
    export_graph(
        network.eval(),
        arguments,
        names,
        "x_hat",
        path,
        free_axes=free,
        eight_bits=eight_bits,
        integer_arithmetic=eight_bits,
    )


class _Draw(nn.Module):
    """A generator after its latent is prepared."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        return self.network.drawn(z, condition)


def export_gan(network: Generator, latent: int, width: int, path: Path, *, eight_bits: bool = True) -> None:
    """Write `generator.onnx` of a GAN or VAE: z (N, latent), condition (N, width) -> x (N, 3, R, R).

    z is the latent as `Generator.prepared` gives it: of a GAN on the sphere of radius sqrt(latent).
    """
    arguments = (torch.zeros(1, latent), torch.zeros(1, width))
    free = {name: {0: "n"} for name in ["z", "condition", "x"]}
    export_graph(_Draw(network).eval(), arguments, ["z", "condition"], "x", path, free_axes=free, eight_bits=eight_bits)


def export_upscaler(network: nn.Module, path: Path, *, eight_bits: bool = True) -> None:
    """Write `upscaler.onnx`: x (N, 3, H, W) -> y (N, 3, F H, F W), F being the network's factor."""
    free = {"x": {0: "n", 2: "h", 3: "w"}, "y": {0: "n", 2: "fine_h", 3: "fine_w"}}
    example = (torch.zeros(1, 3, 64, 64),)
    export_graph(network.eval(), example, ["x"], "y", path, free_axes=free, eight_bits=eight_bits)


class _Coverage(nn.Module):
    """A matting network with the sigmoid that training leaves to the loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor) -> Tensor:
        return torch.sigmoid(self.network(photo))


def export_matting(network: nn.Module, path: Path, *, eight_bits: bool = True) -> None:
    """Write `matting.onnx`: photo (N, 3, H, W) -> coverage (N, 1, H, W) in [0, 1]; H and W multiples of 32."""
    free = {"photo": {0: "n", 2: "h", 3: "w"}, "coverage": {0: "n", 2: "h", 3: "w"}}
    example = (torch.zeros(1, 3, 64, 64),)
    export_graph(_Coverage(network).eval(), example, ["photo"], "coverage", path, free_axes=free, eight_bits=eight_bits)
