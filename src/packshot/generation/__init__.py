"""Prompt in, product pictures out. Runs without PyTorch."""

from packshot.generation.backends import open_backend
from packshot.generation.interface import Backend, GenerationRequest, Result

__all__ = ["Backend", "GenerationRequest", "Result", "open_backend"]
