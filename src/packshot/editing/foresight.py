"""What can be said of steps before they run: refused words, and what later ones mean for shadows and relighting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import methodcaller

from packshot.editing.angle import LEAST_TURN
from packshot.editing.background import place_in_words, place_light
from packshot.editing.pipeline import LIT, Step
from packshot.editing.scene import Light, Scene
from packshot.editing.upright import estimate_tilt
from packshot.safety import current

_TURNING = ("straighten", "turn", "tilt")
_RESHAPING = (*_TURNING, "fit", "crop", "enlarge")
"""Operations after which the frame may have another size."""


def cautions(steps: Iterable[Step]) -> list[str]:
    """A line for each shadow or relighting that a later step turns or tilts together with the product."""
    found, lit = [], ""
    for step in steps:
        if step.name in LIT:
            lit = step.name
        elif lit and step.name in _TURNING:
            found.append(f"{step.name} after {lit}: that moves along with the product; put {step.name} before it")
    return list(dict.fromkeys(found))


def refuse_words(steps: Iterable[Step]) -> None:
    """Look at the words that something would be drawn of, before any photo is opened; the operations look, too.

    Raises:
        UnsafeError: the safety lists refuse them.
    """
    for step in steps:
        if step.name == "background":
            current().words(place_in_words(str(step.arguments["to"])), "background.to")
        elif step.name == "erase":
            current().words(str(step.arguments.get("words", "")), "erase.words")


def light_to_come(scene: Scene, steps: Iterable[Step]) -> Light | None:
    """The light of the place that a later step puts behind the product, as seen before the turns until then.

    None, too, of a model's place where a step before it may change the frame's size: its picture would be another.
    """
    turns: list[Callable[[Light], Light]] = []
    lean, reshaped = _Lean(scene), False
    for step in steps:
        if step.name == "background":
            if reshaped and step.arguments.get("by"):
                return None
            light = place_light(step.arguments, scene.size)
            for undo in reversed(turns):
                light = light and undo(light)
            return light
        reshaped = reshaped or step.name in _RESHAPING
        if step.name == "flip":
            turns.append(methodcaller("mirrored", str(step.arguments.get("axis", "horizontal"))))
            lean.mirror()
        elif step.name in ("turn", "straighten"):
            degrees = lean.degrees(step)
            turns.append(methodcaller("turned", -degrees))
            lean.turn(degrees)
    return None


class _Lean:
    """How far a product will lean once some steps have run: what `straighten` will turn it back by."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._turned, self._sign = 0.0, 1

    def turn(self, degrees: float) -> None:
        """Clockwise."""
        self._turned += degrees

    def mirror(self) -> None:
        """About either axis: a lean to the right becomes one to the left."""
        self._turned, self._sign = -self._turned, -self._sign

    def degrees(self, step: Step) -> float:
        """By which a turn or a straightening turns clockwise."""
        said = step.arguments["degrees"] if step.name == "turn" else step.arguments.get("by", "auto")
        if str(said).strip().lower() != "auto":
            return float(said)
        tilt = estimate_tilt(self._scene)
        if tilt is None:
            return 0.0
        now = (self._turned + self._sign * tilt + 45) % 90 - 45
        return 0.0 if abs(now) < LEAST_TURN else -now
