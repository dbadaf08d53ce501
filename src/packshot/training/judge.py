"""Training the judge: a classifier of real pictures that reads generated ones. It never learns from generated ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from packshot.errors import InputError
from packshot.evaluation.colours import SELLER_WORDS, judge_word
from packshot.shards import read_dataset, read_shards
from packshot.training.augment import AugmentSpec, draw_transforms, move
from packshot.training.networks.judge import JudgeNetwork, JudgeSpec, freeze_statistics, parameter_count
from packshot.training.precision import mixed_precision

NO_COLOUR = -1
"""Label of a picture whose seller's colour word the judge has no class for; the colour loss skips it."""


_AUGMENT = AugmentSpec(share=0.7, translate=0.06, zoom=0.12, flip=0.5)


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """How a judge is trained. Small and fixed: a judge is a measuring instrument, not something to tune per run.

    Attributes:
        resolution: side of the pictures, pixels.
        widths: see `JudgeSpec.widths`.
        features: see `JudgeSpec.features`.
        epochs: pictures drawn over pictures there are.
        batch: pictures a step.
        learning_rate: peak of the one-cycle schedule (Smith & Topin 2018).
        weight_decay: of matrices and kernels.
        label_smoothing: of both heads (Szegedy et al. 2016).
        balance: a class is drawn in proportion to its count ** (1 - balance); 1 draws all classes equally.
        smallest_class: categories with fewer training pictures are left out.
        augment: moves and mirrors.
        blur: share of pictures softened by a binomial filter, so that softness is no sign of a class.
        noise: share of pictures with Gaussian noise of a standard deviation up to 0.08 (range -1 to 1).
    """

    resolution: int = 64
    widths: tuple[int, ...] = (32, 64, 128, 128)
    features: int = 128
    epochs: float = 9.0
    batch: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    balance: float = 0.4
    smallest_class: int = 30
    augment: AugmentSpec = _AUGMENT
    blur: float = 0.3
    noise: float = 0.25


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What was measured on pictures that training never saw.

    Attributes:
        trained_on: training pictures.
        held_out: held-out pictures.
        category_accuracy: share of held-out pictures whose category is right.
        balanced_accuracy: mean over categories of their accuracies.
        category_accuracies: category -> accuracy on its held-out pictures.
        colour_accuracy: share right among held-out pictures with a colour word the judge knows.
        colour_accuracies: colour word -> accuracy.
        confusions: (true, read, count), commonest first, at most twelve.
        minutes: wall time of training.
        steps: optimiser steps.
        parameters: trained values.
    """

    trained_on: int
    held_out: int
    category_accuracy: float
    balanced_accuracy: float
    category_accuracies: dict[str, float]
    colour_accuracy: float
    colour_accuracies: dict[str, float]
    confusions: list[tuple[str, str, int]]
    minutes: float
    steps: int
    parameters: int

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FittedJudge:
    """A trained network, the names of its classes and its measured quality."""

    network: JudgeNetwork
    categories: tuple[str, ...]
    colours: tuple[str, ...]
    report: JudgeReport


def train_judge(
    data: Path, out: Path, *, max_minutes: float, seed: int = 0, log: Callable[[str], None] = print
) -> JudgeReport:
    """Train a judge on shards and write it as a model pack.

    Args:
        data: folder of shards with `dataset.json`; the split `test` is held out.
        out: folder of the pack; it is made where it does not exist.
        max_minutes: wall time after which training stops early; the schedule is shortened to fit.
        seed: of initial weights, order and augmentation.
        log: takes one line of progress.

    Raises:
        InputError: the shards lack training or held-out pictures.
    """
    from packshot.training.judge_export import write_judge

    wanted = (row for row in read_shards(data) if row.slots.get("category"))
    # Rows are let go as they come: their larger pictures would be most of the memory.
    columns = [(row.pixels, row.slots["category"] or "", row.colour_word, row.split == "test") for row in wanted]
    if not columns:
        raise InputError(data, "no row with a category", "shards written by 'packshot data prepare'")
    pictures, categories, colours, held_out = zip(*columns, strict=True)
    fitted = fit_judge(
        np.stack(pictures), categories, colours, np.array(held_out), max_minutes=max_minutes, seed=seed, log=log
    )
    write_judge(fitted, out, read_dataset(data))
    return fitted.report


def fit_judge(
    pictures: NDArray[np.uint8],
    categories: Sequence[str],
    colours: Sequence[str | None],
    held_out: NDArray[np.bool_],
    *,
    max_minutes: float,
    seed: int = 0,
    config: JudgeConfig | None = None,
    log: Callable[[str], None] = print,
) -> FittedJudge:
    """Train a judge on arrays.

    Args:
        pictures: (N, R, R, 3) sRGB bytes.
        categories: names, one a picture.
        colours: sellers' colour words, one a picture; None or unknown words train the category head alone.
        held_out: (N,) True where a picture is for measuring only.
        max_minutes: see `train_judge`.
        seed: see `train_judge`.
        config: None takes `JudgeConfig()`.
        log: takes one line of progress.

    Raises:
        InputError: no category has enough training pictures, none is held out, or the pictures have another size.
    """
    config = config or JudgeConfig()
    if pictures.shape[1:] != (config.resolution, config.resolution, 3):
        raise InputError("pictures", f"shape {pictures.shape}", f"(N, {config.resolution}, {config.resolution}, 3)")
    names = _classes(categories, held_out, config.smallest_class)
    words = tuple(SELLER_WORDS)
    labels = np.array([names.index(c) if c in names else -1 for c in categories])
    colour_labels = np.array([words.index(w) if (w := judge_word(c)) else NO_COLOUR for c in colours])
    train, test = np.flatnonzero(~held_out & (labels >= 0)), np.flatnonzero(held_out & (labels >= 0))
    if not len(test):
        raise InputError("held-out pictures", "none", "some rows whose split is 'test'")
    started = time.monotonic()
    torch.manual_seed(seed)
    network = JudgeNetwork(JudgeSpec(config.resolution, config.widths, config.features, len(names), len(words)))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    targets = (torch.from_numpy(labels[train]), torch.from_numpy(colour_labels[train]))
    steps = _optimise(network, torch.from_numpy(pictures[train]), targets, config, max_minutes, seed, log)
    freeze_statistics(network)
    read = _predict(network, pictures[test])
    minutes = (time.monotonic() - started) / 60
    report = _report(read, labels[test], colour_labels[test], names, words, len(train), minutes, steps, network)
    return FittedJudge(network, names, words, report)


def _classes(categories: Sequence[str], held_out: NDArray[np.bool_], smallest: int) -> tuple[str, ...]:
    """Names with enough training pictures, in alphabetical order."""
    found, counts = np.unique(np.array(categories)[~held_out], return_counts=True)
    names = tuple(str(name) for name, count in zip(found, counts, strict=True) if count >= smallest)
    if len(names) < 2:
        raise InputError("categories", f"{len(names)} with {smallest} training pictures or more", "two at the least")
    return names


def _optimise(
    network: JudgeNetwork,
    pictures: Tensor,
    targets: tuple[Tensor, Tensor],
    config: JudgeConfig,
    max_minutes: float,
    seed: int,
    log: Callable[[str], None],
) -> int:
    """Train in place; return the number of steps."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.bincount(targets[0]).float()
    weights = counts[targets[0]] ** -config.balance
    planned = max(1, round(config.epochs * len(pictures) / config.batch))
    optimiser = torch.optim.AdamW(_groups(network, config.weight_decay), betas=(0.9, 0.98))
    network.train()
    started, loss_sum, step = time.monotonic(), 0.0, 0
    while (progress := max(step / planned, (time.monotonic() - started) / 60 / max_minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _one_cycle(progress)
        chosen = torch.multinomial(weights, config.batch, replacement=True, generator=generator)
        x = _augmented(pictures[chosen], config, generator)
        loss = _loss(network, x, targets[0][chosen], targets[1][chosen], config.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        step, loss_sum = step + 1, loss_sum + loss.item()
        if step % 100 == 0:
            log(f"step {step}/{planned}  loss {loss_sum / 100:.3f}  {(time.monotonic() - started) / 60:.1f} min")
            loss_sum = 0.0
    return step


def _groups(network: JudgeNetwork, decay: float) -> list[dict[str, Any]]:
    """Kernels and matrices decay; biases and norms do not."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _one_cycle(progress: float) -> float:
    """Linear rise over the first fifth, then half a cosine down to nothing."""
    if progress < 0.2:
        return 0.05 + 0.95 * progress / 0.2
    return 0.5 + 0.5 * float(np.cos(np.pi * (progress - 0.2) / 0.8))


def _loss(network: JudgeNetwork, x: Tensor, category: Tensor, colour: Tensor, smoothing: float) -> Tensor:
    with mixed_precision(x.device):
        category_logits, colour_logits, _ = network(x)
    first = F.cross_entropy(category_logits.float(), category, label_smoothing=smoothing)
    second = F.cross_entropy(
        colour_logits.float(), colour, ignore_index=NO_COLOUR, label_smoothing=smoothing, reduction="sum"
    ) / max(1, int((colour != NO_COLOUR).sum()))
    return first + 0.5 * second


def _augmented(pictures: Tensor, config: JudgeConfig, generator: torch.Generator) -> Tensor:
    """Bytes (N, H, W, 3) -> moved, softened and noisy (N, 3, H, W) in about [-1, 1]; colours keep their place."""
    x = pictures.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    x = move(x, draw_transforms(config.augment, len(x), x.shape[-1], generator))
    draws = torch.rand(len(x), 3, generator=generator)[:, :, None, None, None]
    x = torch.where(draws[:, 0] < config.blur, _softened(x), x)
    noise = torch.randn(x.shape, generator=generator) * (draws[:, 1] < config.noise) * draws[:, 2] * 0.08
    return (x + noise).contiguous(memory_format=torch.channels_last)


def _softened(x: Tensor) -> Tensor:
    """A 5x5 binomial filter, as [1 4 6 4 1] / 16 down and across; the border is repeated."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    for shape, pad in (((1, 1, 5, 1), (0, 0, 2, 2)), ((1, 1, 1, 5), (2, 2, 0, 0))):
        x = F.conv2d(F.pad(x, pad, mode="replicate"), kernel.view(shape).repeat(3, 1, 1, 1), groups=3)
    return x


@torch.no_grad()
def _predict(network: JudgeNetwork, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Most probable category and colour of each picture, in float32 as the pack will compute them."""
    category, colour = [], []
    for start in range(0, len(pictures), 256):
        x = torch.from_numpy(pictures[start : start + 256]).permute(0, 3, 1, 2).float() / 127.5 - 1
        first, second, _ = network(x)
        category.append(first.argmax(1).numpy())
        colour.append(second.argmax(1).numpy())
    return np.concatenate(category), np.concatenate(colour)


def _report(
    read: tuple[NDArray[np.int64], NDArray[np.int64]],
    labels: NDArray[np.int64],
    colour_labels: NDArray[np.int64],
    names: tuple[str, ...],
    words: tuple[str, ...],
    trained_on: int,
    minutes: float,
    steps: int,
    network: JudgeNetwork,
) -> JudgeReport:
    per_class = _accuracies(read[0], labels, names)
    known = colour_labels != NO_COLOUR
    pairs, counts = np.unique(np.stack([labels, read[0]], 1)[labels != read[0]], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:12]
    return JudgeReport(
        trained_on=trained_on,
        held_out=len(labels),
        category_accuracy=float((read[0] == labels).mean()),
        balanced_accuracy=float(np.mean(list(per_class.values()))),
        category_accuracies=per_class,
        colour_accuracy=float((read[1] == colour_labels)[known].mean()) if known.any() else float("nan"),
        colour_accuracies=_accuracies(read[1][known], colour_labels[known], words),
        confusions=[(names[pairs[k, 0]], names[pairs[k, 1]], int(counts[k])) for k in order],
        minutes=minutes,
        steps=steps,
        parameters=parameter_count(network),
    )


def _accuracies(read: NDArray[np.int64], labels: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, float]:
    """Name -> accuracy, for the classes that occur."""
    return {names[k]: float((read[labels == k] == k).mean()) for k in np.unique(labels)}
