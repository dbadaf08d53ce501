"""Tiny untrained model packs, so that the real code runs in seconds."""

from __future__ import annotations

from pathlib import Path

import torch

from packshot.packs import Pack, open_pack, write_manifest
from packshot.prompt import EMBEDDING_LENGTH, SLOTS, slot_size
from packshot.training.export import export_flow, export_text, export_upscaler
from packshot.training.networks.conditioner import ConditionerSpec
from packshot.training.networks.flow import FlowSpec, FlowTransformer
from packshot.training.networks.upscaler import Upscaler, UpscalerSpec

CATEGORIES = ("sports_shoes", "casual_shoes", "watch", "handbag")


def tiny_flow(width: int = 32, seed: int = 0) -> FlowTransformer:
    """An untrained flow transformer whose output layers are not zero, so that conditions matter."""
    torch.manual_seed(seed)
    conditioner = ConditionerSpec(tuple(slot_size(slot) for slot in SLOTS), 8, EMBEDDING_LENGTH, width)
    network = FlowTransformer(FlowSpec(64, 16, width, 2, 2, 8, conditioner))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network.eval()


def write_tiny_flow_pack(folder: Path, seed: int = 0, **generation: object) -> Pack:
    """Export `tiny_flow` and an untrained upscaler; its manifest may say other things of generation."""
    folder.mkdir(parents=True)
    network = tiny_flow(seed=seed)
    export_text(network.conditioner, network.spec.conditioner, folder / "text.onnx")
    export_flow(network, 64, 32, folder / "generator.onnx")
    export_upscaler(Upscaler(UpscalerSpec((8, 12), (2, 1), 4, 4)), folder / "upscaler.onnx")
    write_manifest(
        folder,
        {
            "name": "tiny",
            "kind": "flow",
            "version": "0",
            "inputs": {},
            "outputs": {},
            "pixel_conventions": "-1 black, 1 white",
            "licence": "Apache-2.0",
            "training_data": "none",
            "quality": {},
            "generation": {
                "resolution": 64,
                "steps": 2,
                "guidance": 1.5,
                "guidance_interval": [0.0, 1.0],
                "time_shift": 1.0,
                "emphasis": 1.0,
                "sampler": "multistep",
                "categories": list(CATEGORIES),
                **generation,
            },
        },
    )
    return open_pack(folder)
