"""Training runs of the tiny recipes, one for each family that draws pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from packshot.training import checkpoint as checkpoints
from packshot.training.loop import TrainingReport, train

RECIPES = Path(__file__).parents[1] / "recipes"
FAMILIES = ("flow", "gan", "ladd", "vae")
TELLING = {"flow": "loss", "gan": "d_category", "vae": "reconstruction"}
"""What falls in the log of a family; where two networks finish a trained flow, nothing must."""
families = pytest.mark.parametrize("family", FAMILIES)


def run(family: str, shards: Path, out: Path, *settings: str) -> TrainingReport:
    settings = (*beginning(family, shards), *settings)
    return train(RECIPES / f"tiny-{family}.toml", shards, out, overrides=settings, progress=False)


def beginning(family: str, shards: Path) -> list[str]:
    """The setting that names the flow to finish, trained once for these shards; nothing for other families."""
    if family != "ladd":
        return []
    flow = shards.with_name("flow")
    if not flow.exists():
        run("flow", shards, flow)
    return [f"loop.init_from={flow}"]


def weights(out: Path, part: str) -> dict[str, torch.Tensor]:
    folder = checkpoints.latest_checkpoint(out)
    assert folder is not None
    return load_file(folder / f"{part}.safetensors")
