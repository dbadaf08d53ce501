"""Model pack -> network: where fine-tuning on a small catalogue starts, since users have the pack and not its run.

A graph does not keep the names of its matrices. The network is traced once more, with weights that cannot be confused,
to learn under which name the exporter puts each. Eight-bit weights come back rounded: within 1/254 (convolutions and
embeddings) or 1/126 (matrices) of the largest value of their output channel.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from packshot.errors import RecipeError
from packshot.packs import MANIFEST, Pack, available, find_pack
from packshot.training import export
from packshot.training.networks.flow import FlowTransformer
from packshot.training.networks.gan import Generator
from packshot.training.networks.matting import MattingNetwork
from packshot.training.networks.upscaler import Upscaler

Arrays = dict[str, NDArray[Any]]
Write = Callable[[Path], None]
TURNED = "_Transposed"
"""How the quantiser names the matrix of a linear layer that it turned."""
GENERATORS = ("flow", "gan", "vae")
"""Kinds of packs that draw."""
MATTING = "matting"
"""Kind of packs that cut out."""
TRAINING_ONLY: tuple[tuple[type[nn.Module], str], ...] = ((MattingNetwork, "early."), (FlowTransformer, "coarse"))
"""What no graph needs: a matting network's early coverage, which starts anew, and a flow's word for coarse pictures,
which stands in the manifest of packs that know one."""


def is_pack(place: str) -> bool:
    """Whether this names a pack, as `packshot models` lists them, or is a pack's folder."""
    return (Path(place) / MANIFEST).is_file() or (place in available() and not Path(place).exists())


def load_pack(network: nn.Module, name_or_folder: str) -> None:
    """Load a pack's weights into a network of the same sizes.

    Args:
        network: flow transformer, generator, decoder, upscaler or matting network; is changed in place.
        name_or_folder: of a pack of the kind `flow`, `gan` or `vae`, or `matting` for a matting network.

    Raises:
        PackError: there is no such pack, or it is damaged.
        RecipeError: its weights have other names or shapes, or some of the network's are not in it.
    """
    kinds = (MATTING,) if isinstance(network, MattingNetwork) else GENERATORS
    pack, own = find_pack(name_or_folder, kinds), network.state_dict()
    if isinstance(network, Upscaler) and network.spec.factor != pack.enlarges:
        accepted = f"{pack.enlarges}, as pack '{pack.name}' of loop.init_from has"
        raise RecipeError("network.factor", network.spec.factor, accepted)
    state: dict[str, Tensor] = {}
    probe = _unmistakable(network)
    for graph, write in _writers(probe).items():
        found = _weights(pack, graph)
        for name, (initialiser, transposed) in _names(write, probe.state_dict()).items():
            values = found.get(initialiser)
            if values is not None and transposed:
                values = values.T
            if values is None or values.shape != tuple(own[name].shape):
                got = "no such weight" if values is None else str(list(values.shape))
                accepted = f"{list(own[name].shape)}, as the recipe's network has"
                raise RecipeError(f"{pack.folder / graph}: {name}", got, accepted)
            state[name] = torch.from_numpy(np.array(values, np.float32))
    beginnings = tuple(part for kind, part in TRAINING_ONLY if isinstance(network, kind))
    untold = {name for name in own if name.startswith(beginnings)}
    if missing := sorted(own.keys() - state.keys() - untold):
        raise RecipeError("loop.init_from", f"pack '{pack.name}' without {missing[0]}", "a recipe without growing")
    if coarse := pack.manifest.get("generation", {}).get("coarse"):
        state["coarse"] = torch.tensor(coarse)
    network.load_state_dict({**{name: own[name] for name in untold}, **state})


def _unmistakable(network: nn.Module) -> nn.Module:
    """A copy whose weights are random, and different everywhere."""
    probe, generator = copy.deepcopy(network).float().cpu().eval(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in probe.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator))
    return probe


def _names(write: Write, probe: Mapping[str, Tensor]) -> dict[str, tuple[str, bool]]:
    """Weight -> its initialiser in a graph, and whether that is transposed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write(path)
        arrays = _plain(onnx.load(str(path)).graph)
    names: dict[str, tuple[str, bool]] = {}
    for name, tensor in probe.items():
        values = tensor.numpy()
        for initialiser, array in arrays.items():
            if np.array_equal(array, values):
                names[name] = initialiser, False
            elif np.array_equal(array.T, values):
                names[name] = initialiser, True
    return names


def _writers(network: nn.Module) -> dict[str, Write]:
    """What writes a network's graphs, by their names in a pack, in full precision."""
    if isinstance(network, MattingNetwork):
        return {"matting.onnx": partial(export.export_matting, network, eight_bits=False)}
    if isinstance(network, Upscaler):
        return {"upscaler.onnx": partial(export.export_upscaler, network, eight_bits=False)}
    assert isinstance(network, FlowTransformer | Generator)
    spec, rest = network.spec.conditioner, (network.spec.resolution, network.spec.conditioner.width)
    text = partial(export.export_text, network.conditioner, spec, eight_bits=False)
    if isinstance(network, FlowTransformer):
        return {"text.onnx": text, "generator.onnx": partial(export.export_flow, network, *rest, eight_bits=False)}
    generator = partial(export.export_gan, network, network.spec.latent, spec.width, eight_bits=False)
    return {"text.onnx": text, "generator.onnx": generator}


def _weights(pack: Pack, graph: str) -> Arrays:
    """Float weights of a graph by the names they had before they were stored in eight bits."""
    content = onnx.load_from_string(pack.read(graph)).graph
    arrays = _plain(content)
    axes = {n.output[0]: n.attribute[0].i for n in content.node if n.op_type == "DequantizeLinear"}
    for name, axis in axes.items():
        scale = arrays[f"{name}.scale"]
        arrays[name] = arrays[f"{name}.int8"] * scale.reshape(
            [-1 if k == axis else 1 for k in range(arrays[f"{name}.int8"].ndim)]
        )
    for name in [name for name in arrays if name.endswith("_quantized")]:
        plain = name.removesuffix("_quantized")  # MatMulInteger: output channels last, zero points of zero or not
        codes = arrays[name].astype(np.float32) - arrays[f"{plain}_zero_point"].astype(np.float32)
        values = codes * arrays[f"{plain}_scale"]
        if plain.endswith(TURNED):
            plain, values = plain.removesuffix(TURNED), values.T
        arrays[plain] = values
    return arrays


def _plain(graph: onnx.GraphProto) -> Arrays:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
