"""The back-end that ships: model packs on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from packshot import __version__
from packshot.errors import RequestError
from packshot.framing import clear_crumbs, clear_haze
from packshot.generation.backgrounds import Painter, painter
from packshot.generation.colour_lock import lock_colour
from packshot.generation.interface import GenerationRequest, Result
from packshot.generation.parallel import in_order, worker_count
from packshot.generation.reference import Reference, open_reference
from packshot.generation.sampling import prolonged, sample_flow, sample_renoised, times, times_from
from packshot.generation.wishes import Wish, Wishes, between
from packshot.lexicon import SLOTS
from packshot.lexicon.kinds import install_kinds
from packshot.packs import find_pack
from packshot.prompt import Prompt, parse

Array = NDArray[np.float32]
DEFAULT_PACK = "base"
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G and B in the luma of ITU-R BT.601."""
TYPICAL, STRAYING = 3.0, 0.1
"""What variety does to a flow: added guidance at 0, and at 2 the noise on the condition over its deviation."""
ONE_EVALUATION = {"steps": 1, "guidance": 1.0, "emphasis": 0.0}
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class _Task:
    """One picture to make, and what is common to its request."""

    request: GenerationRequest
    prompt: Prompt
    paint: Painter
    wish: Wish
    away: Array
    reference: Reference | None
    index: int


@dataclass(frozen=True, slots=True)
class _Course:
    """Where a flow is led.

    Attributes:
        wish: (1, width) condition.
        away: (1, width) what guidance moves away from.
        plain: (1, width) what emphasis moves away from; None for no emphasis.
        steps: evaluations of the wish.
        guidance: scale of classifier-free guidance (Ho & Salimans 2022).
        variety: see `GenerationRequest`.
        emphasis: scale of a second guidance, from the plain product to the wish (composition of conditions; Liu et al.
            2022, eq. 11).
    """

    wish: Array
    away: Array
    plain: Array | None
    steps: int
    guidance: float
    emphasis: float
    variety: float


class EmbeddedBackend:
    """Generates from a `flow`, `gan` or `vae` pack.

    Every picture is computed by itself, on one thread: matrix kernels round differently for different batch sizes and
    numbers of threads, and a picture must depend neither on its neighbours nor on the machine's cores.
    """

    name = "embedded"

    def __init__(self, pack: str = DEFAULT_PACK) -> None:
        """Open a pack.

        Args:
            pack: name or folder; see `packshot.packs.find_pack`.

        Raises:
            PackError: there is no such pack, or it is damaged.
            InputError: it knows a kind of product by a name that has another meaning here.
        """
        self.pack = find_pack(pack, ("flow", "gan", "vae"))
        self._settings: dict[str, Any] = dict(self.pack.manifest["generation"])
        install_kinds(self._settings.get("kinds", []), f"pack '{self.pack.name}'")
        self._wishes = Wishes(self.pack)

    def check(self, request: GenerationRequest) -> Prompt:
        """Understand the request's prompt and make sure the pack can draw it, before anything is computed.

        Raises:
            RequestError: nothing of a prompt is understood, it names no product or one that the pack has not learned,
                or the pack is of a kind that cannot do what is asked.
            InputError: the photo in `like`, or the background's, cannot be used.
        """
        prompt = parse(request.prompt)
        known: list[str] = self._settings["categories"]
        if prompt.category not in known:
            got = f"'{prompt.category}', which pack '{self.pack.name}' has not learned"
            if prompt.category is None:
                got = f"no product in '{request.prompt[:40]}'"
            raise RequestError("prompt", got, ", ".join(known))
        painter(request.background)
        if request.towards:
            self.check(replace(request, prompt=request.towards, towards=""))
        for wish in ("steps", "guidance", "emphasis"):
            if getattr(request, wish) is not None:
                self._only_flow(wish)
        if request.negative:
            self._only_flow("negative")
            parse(request.negative)
            if self._settings["guidance"] == 1 and request.guidance is None:
                got = f"pack '{self.pack.name}', which is not guided by itself"
                raise RequestError("negative", got, "a guidance of more than 1 beside it, such as 2")
        if request.like:
            self._only_flow("like")
            self._reference(request.like)
        return prompt

    def _silence(self) -> Array:
        return self._wishes.nothing(len(SLOTS))

    def _only_flow(self, wish: str) -> None:
        if self.pack.kind != "flow":
            raise RequestError(wish, f"pack '{self.pack.name}', a {self.pack.kind}", "a pack of the kind 'flow'")

    def _reference(self, path: str) -> Reference:
        return open_reference(Path(path), self.side)

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Result]:
        """Yield every picture of every request, in order; see `Backend.generate`.

        Several pictures are made at once, so that requests are read somewhat ahead of the results.
        """
        yield from self._side_by_side(self._picture, self._tasks(requests))

    @property
    def side(self) -> int:
        """Of the generator's own pictures, before they are enlarged."""
        return int(self._settings["resolution"])

    def small_pictures(
        self,
        conditions: Iterable[tuple[NDArray[np.int64], Array, Array, int]],
        *,
        variety: float = 1.0,
        colour_lock: float = 0.0,
    ) -> Iterator[NDArray[np.uint8]]:
        """Pictures at the generator's own resolution, for evaluation.

        Args:
            conditions: (slots (S,), colours (8,), text (512,), seed) each.
            variety: see `GenerationRequest`.
            colour_lock: see there; 0 shows what the network itself knows of colours.

        Yields:
            (R, R, 3) uint8.
        """

        def make(condition: tuple[NDArray[np.int64], Array, Array, int]) -> NDArray[np.uint8]:
            slots, colours, text, seed = condition
            known = [(float(c[1]), float(c[2]), float(c[3])) for c in colours.reshape(2, 4) if c[0]]
            plain = self._wishes.plain([int(value) for value in slots], known)
            wish = Wish(self._wishes.encode(slots[None], colours[None], text[None]), plain, None)
            course = self._course(wish, self._silence(), None, variety)
            small = _to_bytes(self._sample(course, _generator(seed, 0)))
            if not (known and colour_lock):
                return small
            return lock_colour(clear_crumbs(small), known[0], colour_lock)[0]

        yield from self._side_by_side(make, conditions)

    def _side_by_side(self, function: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        workers = worker_count()
        with ThreadPoolExecutor(workers) as pool:
            for graph in ("generator.onnx", "upscaler.onnx"):  # load while the first sentence is understood
                pool.submit(self.pack.session, graph)
            yield from in_order(pool, function, items, 2 * workers)

    def _tasks(self, requests: Iterable[GenerationRequest]) -> Iterator[_Task]:
        for request in requests:
            prompt, paint = self.check(request), painter(request.background)
            reference = self._reference(request.like) if request.like else None
            first = self._wishes.of(prompt, reference)
            last = self._wishes.of(parse(request.towards), reference) if request.towards else first
            away = self._wishes.of(parse(request.negative)).condition if request.negative else self._silence()
            for index in range(request.count):
                wish = between(first, last, index / (request.count - 1)) if request.towards else first
                yield _Task(request, prompt, paint, wish, away, reference, index)

    def _picture(self, task: _Task) -> Result:
        request, index = task.request, task.index
        course = self._course(task.wish, task.away, request, request.variety)
        random = _generator(request.seed, 0 if request.towards else index)
        start = None if task.reference is None else (_from_bytes(task.reference.pixels), 1 - request.change)
        small = _to_bytes(self._sample(course, random, start))
        small, shift = clear_crumbs(small), None
        if task.wish.colour is not None and request.colour_lock > 0:  # before enlarging, where it costs least
            small, shift = lock_colour(small, task.wish.colour, request.colour_lock)
        pixels = clear_haze(_to_bytes(self._enlarge(_from_bytes(small))))
        pixels = _resized(pixels, request.size)
        recipe = {
            "request": request.as_dict(),
            "index": index,
            "pack": {"name": self.pack.name, "version": self.pack.manifest["version"], "sha256": self.pack.sha256},
            "packshot": __version__,
            "steps": course.steps,
            "guidance": course.guidance,
            "emphasis": course.emphasis,
            "colour_distance_before_lock": None if shift is None else round(shift, 4),
            "like_sha256": None if task.reference is None else task.reference.sha256,
            "made_by": "generative model",
        }
        return Result(task.paint(pixels), request, index, recipe, task.prompt.as_dict())

    def _course(self, wish: Wish, away: Array, request: GenerationRequest | None, variety: float) -> _Course:
        """The request's numbers, or the pack's own where it has none; kinds other than flow take one evaluation."""
        own: Mapping[str, Any] = self._settings if self.pack.kind == "flow" else ONE_EVALUATION
        steps, guidance, emphasis = (own[name] for name in ("steps", "guidance", "emphasis"))
        if request is not None:
            steps = request.steps or steps
            guidance = guidance if request.guidance is None else request.guidance
            emphasis = emphasis if request.emphasis is None else request.emphasis
        if self.pack.kind == "flow" and variety < 1:  # guidance gives variety away (Ho & Salimans 2022, figure 1)
            guidance += TYPICAL * (1 - variety)
        return _Course(wish.condition, away, wish.plain, int(steps), float(guidance), float(emphasis), variety)

    def _sample(self, course: _Course, random: np.random.Generator, start: tuple[Array, float] | None = None) -> Array:
        """A picture (1, 3, R, R), from noise or from a picture taken as of a time."""
        session = self.pack.session("generator.onnx")
        if self.pack.kind != "flow":
            z = random.standard_normal((1, int(self._settings["latent"])), np.float32)
            if self.pack.kind == "gan":  # trained on a sphere; a VAE's latents keep their length
                z /= np.sqrt(np.square(z).mean())
            z *= np.float32(course.variety)  # what the truncation trick does (Brock et al. 2019, section 3.1), by scale
            return np.asarray(session.run(None, {"z": z, "condition": course.wish})[0], np.float32)
        x = random.standard_normal((1, 3, self.side, self.side), np.float32)
        course = _strayed(course, random)
        schedule = times(course.steps, float(self._settings["time_shift"]))
        if start is not None:
            picture, now = start
            if now >= 1:
                return picture
            x, schedule = np.asarray(now * picture + (1 - now) * x, np.float32), times_from(now, schedule)

        def predicted(x: Array, t: float, condition: Array) -> Array:
            inputs = {"x": x, "time": np.array([t], np.float32), "condition": condition}
            return np.asarray(session.run(None, inputs)[0], np.float32)

        if self._settings["sampler"] == "renoise":
            led = _led(course)
            return sample_renoised(
                lambda x, t: predicted(x, t, led), x, schedule, lambda: random.standard_normal(x.shape, np.float32)
            )
        low, high = self._settings["guidance_interval"]

        def denoise(x: Array, t: float) -> Array:
            wished = led = predicted(x, t, course.wish)
            if not low <= t <= high:
                return led
            if course.guidance != 1:
                away = predicted(x, t, course.away)
                led = away + course.guidance * (wished - away)
            if course.emphasis and course.plain is not None:
                led = led + course.emphasis * (wished - predicted(x, t, course.plain))
            return led

        return sample_flow(denoise, x, schedule)

    def _enlarge(self, small: Array) -> Array:
        """(1, 3, R, R) -> (1, 3, F R, F R): light and dark from the upscaler, hues from the small picture.

        A critic's upscaler invents detail; in colour that shows as specks, and the small picture's colours are locked.
        In light it shows as meshes of single dots, which a median takes away and edges survive.
        """
        fine = np.asarray(self.pack.session("upscaler.onnx").run(None, {"x": small})[0], np.float32)
        size = (fine.shape[3], fine.shape[2])
        plain = np.stack([np.asarray(Image.fromarray(c).resize(size, Image.Resampling.BILINEAR)) for c in small[0]])
        luma = np.rint((np.clip(np.tensordot(LUMA, fine[0], 1), -1, 1) + 1) * 127.5).astype(np.uint8)
        luma = np.asarray(Image.fromarray(luma).filter(ImageFilter.MedianFilter(3)))
        detail = luma / np.float32(127.5) - 1 - np.tensordot(LUMA, plain, 1)
        return np.asarray((plain + detail)[None], np.float32)


def _led(course: _Course) -> Array:
    """(1, width) condition, moved as guidance and emphasis ask; see `prolonged`."""
    led = course.wish + prolonged(course.wish, course.away, course.guidance)
    if course.emphasis and course.plain is not None:
        led = led + prolonged(course.wish, course.plain, 1 + course.emphasis)
    return np.asarray(led, np.float32)


def _strayed(course: _Course, random: np.random.Generator) -> _Course:
    """With variety over 1, noise on the condition, of unchanged mean and deviation (CADS; Sadat et al. 2024, 3.1).

    There the noise fades while the picture comes about; here it stays, and is weak.
    """
    if course.variety <= 1:
        return course
    noise = random.standard_normal(course.wish.shape, np.float32) * STRAYING * (course.variety - 1)

    def moved(condition: Array) -> Array:
        mean, deviation = condition.mean(), condition.std()
        noisy = condition + noise * deviation
        return np.asarray((noisy - noisy.mean()) / noisy.std() * deviation + mean, np.float32)

    return replace(course, wish=moved(course.wish), plain=None if course.plain is None else moved(course.plain))


def _generator(seed: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))


def _to_bytes(picture: Array) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.rint((np.clip(picture[0].transpose(1, 2, 0), -1, 1) + 1) * 127.5).astype(np.uint8)
    return pixels


def _from_bytes(pixels: NDArray[np.uint8]) -> Array:
    return np.asarray(pixels.transpose(2, 0, 1)[None] / 127.5 - 1, np.float32)


def _resized(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if pixels.shape[0] == side:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))
