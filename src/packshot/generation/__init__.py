"""Prompt in, product pictures out. Runs without PyTorch."""

from packshot.generation.interface import Backend, GenerationRequest, Result
from packshot.generation.backends import open_backend

__all__ = ["Backend", "GenerationRequest", "Result", "open_backend"]
