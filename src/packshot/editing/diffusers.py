"""Pictures by diffusion models that a user keeps in a folder. The one file that knows diffusers; nothing is downloaded.

A model runs on the CPU in 32-bit floats, from random numbers of its operation's seed alone: the same request gives the
same bytes on one machine. Only `.safetensors` weights are loaded, and no code that lies in a model's folder.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from packshot.editing.scene import Bytes, Made, Mask
from packshot.errors import InputError, MissingExtraError, RequestError

PREFIX = "diffusers:"
_ACCEPTED = f"{PREFIX}FOLDER, where FOLDER holds a diffusers pipeline (model_index.json and .safetensors weights)"
_READ = (".json", ".model", ".safetensors", ".txt")
"""Suffixes of what is read from a model's folder: configurations, words and weights."""
_USUAL_PX = 512
"""Side of pictures by models that do not say their own."""
_STEEPEST = 2.0
"""Most that a picture's sides differ by: models draw things twice in longer ones."""
_LARGEST_SEED = 2**63 - 1
_DEAF = logging.NullHandler()
"""Without any handler Python prints what is logged."""
_ONE_AT_A_TIME = RLock()
"""A pipeline's schedule is state, and two models at once would need twice the memory."""

Task = Literal["text to image", "inpainting"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a model.

    Attributes:
        operation: that asks; errors name its parameters.
        by: `diffusers:` and the model's folder.
        words: the prompt, in a language that the model reads.
        seed: of the noise that the picture comes from.
        steps: of the sampler; None for as many as the pipeline takes by itself.
        guidance: how far the picture is pushed towards the words; None for as the pipeline does by itself.
    """

    operation: str
    by: str
    words: str
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no model could do.

        Raises:
            RequestError: naming the parameter.
        """
        if not self.by.startswith(PREFIX):
            raise RequestError(f"{self.operation}.by", f"'{self.by}'", _ACCEPTED)
        if not os.path.isfile(self.folder / "model_index.json"):
            raise RequestError(f"{self.operation}.by", f"'{self.folder}', which has no model_index.json", _ACCEPTED)
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise RequestError(f"{self.operation}.seed", self.seed, f"0 to {_LARGEST_SEED}")
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise RequestError(f"{self.operation}.steps", self.steps, "1 to 1000")
        if self.guidance is not None and not 0 <= self.guidance <= 50:
            raise RequestError(f"{self.operation}.guidance", f"{self.guidance:g}", "0 to 50")

    @property
    def folder(self) -> Path:
        """Of the model."""
        return Path(self.by.removeprefix(PREFIX))


def refuse_without_model(operation: str, by: str, given: Mapping[str, object]) -> None:
    """Parameters that only a model has are a mistake where none is named.

    Args:
        operation: that they were given to.
        by: the model; empty for none.
        given: by name; empty words and None count as not given.

    Raises:
        RequestError: one was given.
    """
    for name, value in given.items():
        if not by and value not in ("", None):
            raise RequestError(f"{operation}.{name}", f"'{value}' without a model", f"by={PREFIX}FOLDER beside it")


def drawn(wish: Wish, size: tuple[int, int]) -> tuple[Bytes, Made]:
    """A picture of the words for a frame of (height, width).

    It has about the frame's proportions and about as many pixels as the model was made for: whoever shows it scales
    it. It is not to be written into: the last few are kept, since a folder of photos wants one place many times.

    Returns:
        (h, w, 3) sRGB, and how it was made.

    Raises:
        RequestError: no such model, or one that cannot do this.
        InputError: the model's folder is damaged.
        MissingExtraError: diffusers is not installed.
    """
    with _ONE_AT_A_TIME, _quiet(wish):
        model = _opened(wish.folder, "text to image")
        picture = _kept_picture(wish, _asked_size(model.pipe, size))
    height, width = picture.shape[:2]
    return picture, model.made(wish, ((width, height), size[::-1]))


def painted(wish: Wish, picture: Bytes, hole: Mask) -> tuple[Bytes, Made]:
    """Paint what a mask covers anew, going by the rest of the picture and by the words.

    Args:
        wish: what it shall be; without words, whatever fits.
        picture: (H, W, 3) sRGB.
        hole: (H, W) what the model shall not see.

    Returns:
        (H, W, 3), of which only the hole is meant to be used: the rest went through the model, too. And how it was
        made.

    Raises:
        See `drawn`.
    """
    with _ONE_AT_A_TIME, _quiet(wish):
        model = _opened(wish.folder, "inpainting")
        width, height = _asked_size(model.pipe, hole.shape)
        seen, mask = _hidden(picture, hole, (width, height), _latent_px(model.pipe))
        whole = "strength" in inspect.signature(model.pipe.__call__).parameters  # some start halfway from the old
        more = {"image": seen, "mask_image": mask, **({"strength": 1.0} if whole else {})}
        made = _ran(model.pipe, wish, (width, height), **more)
    h, w = hole.shape
    return _scaled(made, (w, h)), model.made(wish, ((width, height), (w, h)))


def _hidden(picture: Bytes, hole: Mask, size: tuple[int, int], latent_px: int) -> tuple[Image.Image, Image.Image]:
    """The picture at (width, height) with nothing of what was in the hole, and the mask of what shall be painted.

    Latent pixels that the hole meets in part are made anew as a whole, and those around it are not to know of it.
    """
    blank = picture.copy()
    blank[hole] = picture[~hole].mean(0) if not hole.all() else 128
    met = (cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    seen = cv2.inpaint(_scaled(blank, size), met, 3, cv2.INPAINT_TELEA)
    mask = cv2.dilate(met * 255, np.ones((2 * latent_px - 1,) * 2, np.uint8))
    return Image.fromarray(seen), Image.fromarray(mask)


def own_side(wish: Wish) -> int:
    """Pixels of a side of the square picture that an inpainting model was made for.

    Raises:
        See `drawn`.
    """
    with _ONE_AT_A_TIME, _quiet(wish):
        return _own_side(_opened(wish.folder, "inpainting").pipe)


@dataclass(frozen=True, slots=True)
class _Model:
    """A pipeline in memory.

    Attributes:
        pipe: of diffusers.
        sha256: of all that was read from its folder, see `_fingerprint`.
    """

    pipe: Any
    sha256: str

    def made(self, wish: Wish, sizes: tuple[tuple[int, int], tuple[int, int]]) -> Made:
        folder = wish.folder.resolve().name
        return Made(wish.operation, folder, type(self.pipe).__name__, self.sha256, (sizes,))


class _Missing(logging.Handler):
    """Hears that weights are not in the folder: the libraries say so, and go on with random ones.

    Attributes:
        said: the first of their messages; empty as long as there is none.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it if it says so."""
        text = record.getMessage()
        if not self.said and "newly initialized" in text:
            self.said = _short(text)


@contextmanager
def _quiet(wish: Wish) -> Iterator[None]:
    """Without the libraries' advice to their programmers; of their bars the sampler's stays, on terminals.

    Raises:
        MissingExtraError: one of the libraries is not installed.
    """
    try:
        import torch  # noqa: F401
        from transformers.utils import logging as of_transformers

        of_transformers.add_handler(_DEAF)  # first: it speaks while diffusers is imported
        of_transformers.disable_default_handler()
        from diffusers.utils import logging as of_diffusers
    except ModuleNotFoundError as error:
        install = "pip install 'packshot[diffusion]'"
        raise MissingExtraError(f"{wish.operation}.by", f"no module {error.name}", install) from None
    of_diffusers.add_handler(_DEAF)
    of_diffusers.disable_default_handler()
    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # old models' configurations
        yield


@lru_cache(maxsize=2)
def _opened(folder: Path, task: Task) -> _Model:
    """A pipeline from its folder; the last two stay in memory."""
    import torch
    from diffusers import AutoPipelineForInpainting, AutoPipelineForText2Image
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    missing = _Missing()
    of_diffusers.add_handler(missing)
    of_transformers.add_handler(missing)
    kind = AutoPipelineForInpainting if task == "inpainting" else AutoPipelineForText2Image
    try:
        sha256 = _fingerprint(folder)
        pipe = kind.from_pretrained(
            str(folder.resolve()),
            local_files_only=True,
            use_safetensors=True,
            variant=_variant(folder),
            torch_dtype=torch.float32,
        )
    except Exception as error:  # whatever is wrong in the folder, each part of the pipeline says it in its own way
        got = f"no pipeline for {task} that can be loaded ({_line(error)})"
        raise InputError(folder, got, "a whole one, its weights as .safetensors") from None
    finally:
        of_diffusers.remove_handler(missing)
        of_transformers.remove_handler(missing)
    if missing.said:
        raise InputError(folder, f"a model without all of its weights ({missing.said})", "a whole one")
    pipe.set_progress_bar_config(disable=None)  # drawn on terminals alone
    return _Model(pipe, sha256)


def _variant(folder: Path) -> str | None:
    """The files' variant: "fp16" where weights are there in half precision alone."""
    weights = [path.name for path in folder.glob("*/*.safetensors")]
    return "fp16" if weights and all(".fp16." in name for name in weights) else None


def _fingerprint(folder: Path) -> str:
    """Sha256 of the lines that `sha256sum` prints for all configurations, vocabularies and weights, in paths' order."""
    lines = []
    for path in sorted(folder.rglob("*"), key=lambda found: found.relative_to(folder).as_posix()):
        name = path.relative_to(folder)
        if path.suffix in _READ and path.is_file() and not any(part.startswith(".") for part in name.parts):
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name.as_posix()}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@lru_cache(maxsize=4)
def _kept_picture(wish: Wish, size: tuple[int, int]) -> Bytes:
    picture = _ran(_opened(wish.folder, "text to image").pipe, wish, size)
    picture.setflags(write=False)
    return picture


def _ran(pipe: Any, wish: Wish, size: tuple[int, int], **more: Any) -> Bytes:
    """(h, w, 3) what a pipeline makes of a wish at (width, height)."""
    import torch

    given = {"prompt": wish.words, "width": size[0], "height": size[1], "output_type": "np", **more}
    given["generator"] = torch.Generator("cpu").manual_seed(wish.seed)
    for name, value in (("num_inference_steps", wish.steps), ("guidance_scale", wish.guidance)):
        given |= {} if value is None else {name: value}
    unknown = [name for name in given if name not in inspect.signature(pipe.__call__).parameters]
    if unknown:
        got = f"a {type(pipe).__name__}, which does not take {', '.join(unknown)}"
        raise RequestError(f"{wish.operation}.by", got, "a model that does")
    try:
        result = pipe(**given)
    except (RuntimeError, ValueError) as error:  # a model made for something else: other channels, other sizes
        got = f"'{wish.folder.name}', a {type(pipe).__name__} that failed ({_line(error)})"
        raise RequestError(f"{wish.operation}.by", got, "a model that can do this") from None
    picture = np.asarray(result.images[0], np.float32)
    if any(getattr(result, "nsfw_content_detected", None) or ()):
        raise RequestError(wish.operation, "a picture that the model's own safety checker withholds", "another seed")
    if not np.isfinite(picture).all():
        raise RequestError(f"{wish.operation}.by", f"no numbers from '{wish.folder.name}'", "a model that is whole")
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)


def _asked_size(pipe: Any, frame: tuple[int, ...]) -> tuple[int, int]:
    """(width, height) of about the model's own area and the proportions of the frame (height, width)."""
    ratio = math.sqrt(min(_STEEPEST, max(1 / _STEEPEST, frame[1] / frame[0])))
    own, unit = _own_side(pipe), max(8, 2 * _latent_px(pipe) if hasattr(pipe, "transformer") else 8)
    return (max(unit, round(own * ratio / unit) * unit), max(unit, round(own / ratio / unit) * unit))


def _own_side(pipe: Any) -> int:
    """Pixels: of the latents that the network was trained on, times what the decoder enlarges them by."""
    own = getattr(pipe, "default_sample_size", None)
    for name in ("unet", "transformer"):
        if own is None and getattr(pipe, name, None) is not None:
            own = getattr(pipe, name).config.get("sample_size")
    if isinstance(own, (list, tuple)):
        own = math.sqrt(math.prod(own))
    return _USUAL_PX if own is None else round(own * _latent_px(pipe))


def _latent_px(pipe: Any) -> int:
    """Pixels of a latent pixel's side."""
    return int(getattr(pipe, "vae_scale_factor", 8))


def _scaled(picture: Bytes, size: tuple[int, int]) -> Bytes:
    """At (width, height)."""
    smaller = size[0] < picture.shape[1]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC), np.uint8)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {_short(str(error)) or 'no reason said'}"


def _short(text: str) -> str:
    """In one line."""
    said = " ".join(text.split())
    return said if len(said) <= 160 else said[:157] + "…"
