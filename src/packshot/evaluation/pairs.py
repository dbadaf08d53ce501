"""PSNR and SSIM between pictures of the same name in two folders: for edits, enlargements and re-encoding."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from packshot.errors import InputError
from packshot.evaluation.attributes import plain
from packshot.evaluation.metrics import psnr, ssim
from packshot.images import open_picture

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class PairScore:
    """One pair: its name without ending, decibels (infinite for equal pictures), and SSIM on the luma."""

    name: str
    psnr_db: float
    ssim: float


@dataclass(frozen=True, slots=True)
class PairsReport:
    """All pairs of two folders.

    Attributes:
        pairs: by name.
        only_first: names without a partner in the second folder.
        only_second: names without a partner in the first.
    """

    pairs: tuple[PairScore, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def psnr_mean_db(self) -> float:
        """Mean over the pairs that differ; infinite where none does."""
        finite = [pair.psnr_db for pair in self.pairs if np.isfinite(pair.psnr_db)]
        return float(np.mean(finite)) if finite else float("inf")

    @property
    def ssim_mean(self) -> float:
        """Mean over all pairs."""
        return float(np.mean([pair.ssim for pair in self.pairs]))

    @property
    def equal(self) -> int:
        """Pairs whose pixels are all equal."""
        return sum(pair.psnr_db == float("inf") for pair in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; infinity becomes None."""
        means = {"psnr_mean_db": self.psnr_mean_db, "ssim_mean": self.ssim_mean, "equal": self.equal}
        values: dict[str, Any] = plain({**means, **asdict(self)})
        return values

    def table(self) -> Table:
        """For a terminal."""
        table = Table("pair", "PSNR (dB)", "SSIM", title=f"{len(self.pairs)} pairs, {self.equal} of them equal")
        for pair in self.pairs:
            table.add_row(pair.name, f"{pair.psnr_db:.2f}", f"{pair.ssim:.4f}")
        table.add_section()
        table.add_row("mean", f"{self.psnr_mean_db:.2f}", f"{self.ssim_mean:.4f}", style="bold")
        return table


def evaluate_pairs(first: Path, second: Path) -> PairsReport:
    """Compare the pictures that two folders both hold, matched by name without ending.

    Raises:
        InputError: a folder is missing, no name is in both, a picture cannot be read, or two differ in size.
    """
    a, b = _pictures(first), _pictures(second)
    names = sorted(a.keys() & b.keys())
    if not names:
        raise InputError(second, f"no picture named as one in {first}", "pairs of one name in both folders")
    scores = []
    for name in names:
        x, y = (open_picture(path, where=str(path)) for path in (a[name], b[name]))
        if x.shape != y.shape:
            raise InputError(b[name], _size(y), f"{_size(x)}, as {a[name]}")
        scores.append(PairScore(name, psnr(x, y), ssim(x, y)))
    return PairsReport(tuple(scores), tuple(sorted(a.keys() - b.keys())), tuple(sorted(b.keys() - a.keys())))


def _pictures(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(folder, "no folder", "a folder of pictures")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS:
            if path.stem in found:
                raise InputError(path, f"a second picture named {path.stem}", "one picture of each name")
            found[path.stem] = path
    return found


def _size(pixels: NDArray[np.uint8]) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]} pixels"
