"""Sample sheets: pictures of fixed conditions, made during training so that eyes can follow it."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from packshot.errors import OutputError
from packshot.training.data import Catalogue
from packshot.training.networks.flow import FlowTransformer
from packshot.training.networks.gan import Generator, Stage

PER_CATEGORY, PER_LINE, GUTTER_PX, GREY = 6, 24, 2, 90
SHEET_SEED = 5
GUIDED = (0.05, 0.95)
"""Times between which guidance is used (Kynkäänniemi et al. 2024, limited interval)."""


@dataclass(frozen=True, slots=True)
class SheetConditions:
    """Conditions of a sheet's pictures, as `Conditioner.forward` takes them."""

    slots: Tensor
    colours: Tensor
    text: Tensor


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures to look at, and what was measured on them.

    Attributes:
        pictures: (N, 3, R, R) in [-1, 1].
        per_line: how many stand in a line.
        values: for the log, by name.
    """

    pictures: Tensor
    per_line: int = PER_LINE
    values: Mapping[str, float] = field(default_factory=dict)


def catalogue_sheet(
    catalogue: Catalogue, sample: Callable[[Tensor, Tensor, Tensor, int], Tensor], device: torch.device
) -> Sheet:
    """A sheet of `fixed_conditions` by a function of slots, colours, text and seed."""
    fixed = fixed_conditions(catalogue)
    return Sheet(sample(fixed.slots.to(device), fixed.colours.to(device), fixed.text.to(device), SHEET_SEED))


def fixed_conditions(catalogue: Catalogue) -> SheetConditions:
    """Every category there is, `PER_CATEGORY` times, each with the main colour of some product of it; no text."""
    generator = torch.Generator().manual_seed(SHEET_SEED)
    known, measured = catalogue.slots.cpu(), catalogue.colours.cpu()
    slots, colours = [], []
    for category in sorted(set(known[:, 0].tolist())):
        rows = torch.nonzero(known[:, 0] == category)[:, 0]
        for row in rows[torch.randint(0, len(rows), (PER_CATEGORY,), generator=generator)]:
            slots.append(torch.zeros_like(known[0]).index_fill(0, torch.tensor(0), category))
            colours.append(torch.cat([measured[row, :4], torch.zeros(4)]))
    text = torch.zeros(len(slots), catalogue.text.shape[2])
    return SheetConditions(torch.stack(slots), torch.stack(colours), text)


@torch.no_grad()
def flow_sample(
    network: FlowTransformer, slots: Tensor, colours: Tensor, text: Tensor, seed: int, *, steps: int, guidance: float
) -> Tensor:
    """Pictures by Euler steps from noise along the predicted velocity.

    Args:
        network: in evaluation mode.
        slots: see `Conditioner.forward`, as are `colours` and `text`.
        colours: on the network's device.
        text: on the network's device.
        seed: of the noise.
        steps: of equal length.
        guidance: scale of classifier-free guidance (Ho & Salimans 2022); 1 for none.

    Returns:
        (N, 3, R, R) in [-1, 1].
    """
    side = network.spec.resolution
    x = torch.randn(len(slots), 3, side, side, generator=torch.Generator().manual_seed(seed)).to(slots.device)
    told = network.encode(slots, colours, text)
    untold = network.encode(slots * 0, colours * 0, text * 0)
    clean = x
    for index in range(steps):
        now, after = index / steps, (index + 1) / steps
        time = torch.full((len(x),), now, device=x.device)
        clean = network(x, time, told).float()
        if guidance != 1 and GUIDED[0] < now < GUIDED[1]:
            plain = network(x, time, untold).float()
            clean = plain + guidance * (clean - plain)
        clean = clean.clamp(-1, 1)
        x = x + (after - now) * (clean - x) / (1 - now)
    return clean


@torch.no_grad()
def renoised_sample(
    network: FlowTransformer, slots: Tensor, colours: Tensor, text: Tensor, seed: int, *, steps: int
) -> Tensor:
    """Pictures (N, 3, R, R) in [-1, 1] of a flow that was finished adversarially.

    Each evaluation predicts the picture at once; between two, it is covered with fresh noise again, less each time
    (multistep sampling; Song et al. 2023, Consistency Models, algorithm 1). Arguments as in `flow_sample`.
    """
    side, random = network.spec.resolution, torch.Generator().manual_seed(seed)
    told = network.encode(slots, colours, text)
    clean = torch.zeros(len(slots), 3, side, side, device=slots.device)
    for index in range(steps):
        now = index / steps
        noise = torch.randn(clean.shape, generator=random).to(slots.device)
        clean = network(now * clean + (1 - now) * noise, torch.full((len(clean),), now, device=clean.device), told)
        clean = clean.float().clamp(-1, 1)
    return clean


@torch.no_grad()
def gan_sample(
    network: Generator, slots: Tensor, colours: Tensor, text: Tensor, seed: int, *, stage: Stage | None = None
) -> Tensor:
    """Pictures (N, 3, R, R) in [-1, 1] of conditions, with latents drawn from the seed."""
    z = torch.randn(len(slots), network.spec.latent, generator=torch.Generator().manual_seed(seed)).to(slots.device)
    pictures: Tensor = network(z, network.encode(slots, colours, text), stage)
    return pictures


def write_sheet(sheet: Sheet, path: Path) -> None:
    """Write a sheet as one PNG; the file appears when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    pixels = ((sheet.pictures.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(_tiled(pixels, sheet.per_line)).save(buffer, "PNG")
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(buffer.getvalue())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(path, error.strerror or "a failed write", "a writable folder with enough room") from None


def _tiled(pixels: NDArray[np.uint8], per_line: int) -> NDArray[np.uint8]:
    count, side = pixels.shape[:2]
    pitch, columns = side + GUTTER_PX, min(per_line, count)
    sheet = np.full((math.ceil(count / columns) * pitch, columns * pitch, 3), GREY, np.uint8)
    for index, picture in enumerate(pixels):
        top, left = index // columns * pitch, index % columns * pitch
        sheet[top : top + side, left : left + side] = picture
    return sheet
