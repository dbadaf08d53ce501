"""Several processes as one trainer, under torchrun. Gradients are averaged by hand: steps stay plain functions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from packshot.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of this run.

    Attributes:
        rank: of this process; 0 writes files.
        size: how many there are; 1 without torchrun.
        device: where this process computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes, in one message per call."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors by those of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), 0)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        votes = torch.tensor([float(flag)])
        dist.all_reduce(votes)
        return bool(votes.item() > 0)

    def lead(self, value: float) -> float:
        """The value that rank 0 has."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def meet(self) -> None:
        """Wait until every process is here: who leaves while another still talks to it makes that one abort."""
        if self.size > 1:
            dist.barrier()

    def gather(self, tensor: Tensor) -> Tensor:
        """(…) of every process -> (size, …), on the CPU."""
        if self.size == 1:
            return tensor[None].clone()
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(parts, tensor)
        return torch.stack(parts)


def join_team(device: str) -> Team:
    """Find out whether torchrun started this process, and join the others if so.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        RecipeError: CUDA was asked for and there is none.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if device == "cuda" and not torch.cuda.is_available():
        raise RecipeError("loop.device", "'cuda' on a machine without CUDA", "'auto' or 'cpu'")
    cuda = device != "cpu" and torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    return Team(rank, size, torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu"))


def leave_team(team: Team) -> None:
    """Part from the other processes."""
    if team.size > 1 and dist.is_initialized():
        dist.destroy_process_group()
