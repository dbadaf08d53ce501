"""The one encoder of conditions that every family of generator shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ConditionerSpec:
    """Sizes of a conditioner; complete, without defaults.

    Attributes:
        vocabulary: number of values of each attribute slot, in slot order; value 0 of each means "not said".
        colour_features: length of the colour vector (see `packshot.prompt.colour_vector`).
        text_features: length of the sentence embedding.
        width: length of the condition vector that comes out.
    """

    vocabulary: tuple[int, ...]
    colour_features: int
    text_features: int
    width: int


Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


def zeroed(layer: Layer) -> Layer:
    """Zero a layer's weights and bias, so that a new branch starts by changing nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Conditioner(nn.Module):
    """Attribute slots, colours and a sentence embedding -> one condition vector."""

    def __init__(self, spec: ConditionerSpec) -> None:
        super().__init__()
        tables = [nn.Embedding(n, spec.width) for n in spec.vocabulary]
        for table in tables:
            nn.init.normal_(table.weight, std=0.5)
        self.slots = nn.ModuleList(tables)
        self.colour = nn.Sequential(
            nn.Linear(spec.colour_features, spec.width), nn.SiLU(), nn.Linear(spec.width, spec.width)
        )
        self.text = nn.Linear(spec.text_features, spec.width)
        self.mix = nn.Sequential(nn.Linear(spec.width, spec.width), nn.SiLU(), nn.Linear(spec.width, spec.width))

    def forward(self, slots: Tensor, colours: Tensor, text: Tensor) -> Tensor:
        """Encode a batch of conditions.

        Args:
            slots: (N, S) int64, one value per attribute slot, 0 where nothing was said.
            colours: (N, C) float, OKLab values and flags.
            text: (N, E) float, unit-length sentence embeddings, or zeros where there is no text.

        Returns:
            (N, width) float.
        """
        total = self.colour(colours) + self.text(text)
        for index, table in enumerate(self.slots):
            total = total + table(slots[:, index])
        mixed: Tensor = self.mix(total)
        return mixed
