"""PyTorch and ONNX agree, eight-bit storage stays close, and a pack is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_packs import tiny_flow, write_tiny_flow_pack
from torch import nn

from packshot.errors import InputError
from packshot.prompt import EMBEDDING_LENGTH, SLOTS, slot_size
from packshot.training.export import export_gan, export_graph, export_text, export_upscaler, quantise
from packshot.training.networks.conditioner import ConditionerSpec
from packshot.training.networks.gan import GanSpec, Generator
from packshot.training.networks.upscaler import Upscaler, UpscalerSpec
from packshot.training.packing import make_pack


def test_flow_and_text_graphs_agree_with_pytorch(tmp_path: Path) -> None:
    pack, network = write_tiny_flow_pack(tmp_path / "tiny"), tiny_flow()
    random = np.random.default_rng(0)
    slots = np.array([[1, 0, 2, 1, 3], [4, 1, 0, 0, 0]], np.int64)
    colours = random.random((2, 8), np.float32)
    text = random.standard_normal((2, EMBEDDING_LENGTH), np.float32)
    x = random.standard_normal((2, 3, 64, 64), np.float32)
    time = np.array([0.1, 0.8], np.float32)
    condition = pack.session("text.onnx").run(None, {"slots": slots, "colours": colours, "text": text})[0]
    found = pack.session("generator.onnx").run(None, {"x": x, "time": time, "condition": condition})[0]
    with torch.no_grad():
        encoded = network.encode(*map(torch.from_numpy, (slots, colours, text)))
        wanted = network(torch.from_numpy(x), torch.from_numpy(time), encoded)
    scale = float(wanted.std())
    assert np.abs(condition - encoded.numpy()).max() < 0.02 * float(encoded.std())
    assert np.abs(found - wanted.numpy()).mean() < 0.04 * scale  # matrices are multiplied in eight bits


def test_without_eight_bits_the_flow_graph_is_the_same_function(tmp_path: Path) -> None:
    network = tiny_flow()
    arguments = (torch.randn(2, 3, 64, 64), torch.tensor([0.2, 0.9]), torch.randn(2, 32))
    names = ["x", "time", "condition"]
    free = {name: {0: "n"} for name in [*names, "x_hat"]}
    export_graph(network, arguments, names, "x_hat", tmp_path / "g.onnx", free_axes=free, eight_bits=False)
    inputs = {name: value.numpy() for name, value in zip(names, arguments, strict=True)}
    found = onnxruntime.InferenceSession(str(tmp_path / "g.onnx")).run(None, inputs)[0]
    with torch.no_grad():
        np.testing.assert_allclose(found, network(*arguments).numpy(), atol=1e-4)


def test_gan_graph_agrees_with_pytorch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    conditioner = ConditionerSpec(tuple(map(slot_size, SLOTS)), 8, EMBEDDING_LENGTH, 16)
    spec = GanSpec(64, 8, 16, 8, (16, 16, 8, 8, 8), (8, 8, 16, 16), (), 0, conditioner)
    generator = Generator(spec).eval()
    export_text(generator.conditioner, conditioner, tmp_path / "text.onnx")
    export_gan(generator, spec.latent, conditioner.width, tmp_path / "generator.onnx")
    z = np.random.default_rng(1).standard_normal((1, 8), np.float32)
    condition = np.random.default_rng(2).standard_normal((1, 16), np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "generator.onnx"))
    prepared = generator.prepared(torch.from_numpy(z)).numpy()
    found = session.run(None, {"z": prepared, "condition": condition})[0]
    with torch.no_grad():
        wanted = generator(torch.from_numpy(z), torch.from_numpy(condition)).numpy()
    assert np.abs(found - wanted).max() < 0.03


@pytest.mark.parametrize("factor", [2, 4])
def test_upscaler_graph_agrees_with_pytorch_at_several_sizes(factor: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Upscaler(UpscalerSpec((8, 12), (2, 1), 4, factor)).eval()
    nn.init.normal_(network.last.weight, std=0.1)
    export_upscaler(network, tmp_path / "upscaler.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "upscaler.onnx"))
    for height, width in ((64, 64), (48, 80)):
        x = np.random.default_rng(3).uniform(-1, 1, (1, 3, height, width)).astype(np.float32)
        found = session.run(None, {"x": x})[0]
        with torch.no_grad():
            wanted = network(torch.from_numpy(x)).numpy()
        assert found.shape == (1, 3, factor * height, factor * width)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize(("shape", "axis"), [((40, 30), 0), ((40, 30), 1), ((16, 8, 3, 3), 0)])
def test_eight_bit_codes_are_within_half_a_step(shape: tuple[int, ...], axis: int) -> None:
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    codes, scale = quantise(values, axis)
    spread = scale.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    assert codes.dtype == np.int8
    assert (np.abs(codes * spread - values) <= spread / 2 + 1e-6).all()


def test_eight_bits_make_the_file_about_four_times_smaller(tmp_path: Path) -> None:
    layer, arguments = nn.Linear(256, 512), (torch.zeros(1, 256),)
    sizes = []
    for eight in (False, True):
        path = tmp_path / f"{eight}.onnx"
        export_graph(layer.eval(), arguments, ["x"], "y", path, free_axes={"x": {0: "n"}}, eight_bits=eight)
        sizes.append(path.stat().st_size)
    assert 3.5 < sizes[0] / sizes[1] < 4.2


def test_the_same_weights_give_the_same_pack_bytes(tmp_path: Path) -> None:
    first, second = (write_tiny_flow_pack(tmp_path / name) for name in ("a", "b"))
    assert first.sha256 == second.sha256


def test_export_names_what_is_missing_and_leaves_nothing(tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text('name = "x"', encoding="utf-8")
    with pytest.raises(InputError, match=r"ema\.safetensors"):
        make_pack(tmp_path, str(tmp_path), card, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
