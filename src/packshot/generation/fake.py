"""A deterministic back-end without a model, public so that users can test their own code against it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from packshot import __version__
from packshot.colour import srgb_from_oklab
from packshot.generation.backgrounds import painter
from packshot.generation.interface import GenerationRequest, Result
from packshot.prompt import parse


class FakeBackend:
    """Draws a rectangle of the requested colour; its proportions come from prompt, seed and index."""

    name = "fake"

    def check(self, request: GenerationRequest) -> None:
        """Understand the prompt; see `EmbeddedBackend.check`."""
        parse(request.prompt)
        painter(request.background)

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Result]:
        """Yield every picture of every request, in order; see `Backend.generate`."""
        for request in requests:
            prompt = parse(request.prompt)
            paint = painter(request.background)
            lab = prompt.colours[0].oklab if prompt.colours else (0.6, 0.0, 0.0)
            colour = srgb_from_oklab(np.asarray(lab, np.float32))
            for index in range(request.count):
                key = f"{request.prompt}/{request.seed}/{index}".encode()
                across, down = (0.4 + 0.45 * byte / 255 for byte in hashlib.sha256(key).digest()[:2])
                pixels = np.full((request.size, request.size, 3), 255, np.uint8)
                half_w, half_h = int(request.size * across / 2), int(request.size * down / 2)
                middle = request.size // 2
                pixels[middle - half_h : middle + half_h, middle - half_w : middle + half_w] = colour
                recipe = {"request": request.as_dict(), "index": index, "backend": self.name, "packshot": __version__}
                yield Result(paint(pixels), request, index, recipe, prompt.as_dict())
