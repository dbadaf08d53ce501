"""The table of operations. An operation is a plain function `(scene, first, *, named=default, ...) -> Scene`.

Its parameters are `str`, `float`, `int` or `bool`, files being named by their path; its signature is their only
definition: the command line's steps, a pipeline file's and the API's are read from it. It checks its own values and
raises `RequestError` with `where` = "operation.parameter".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the command line reads this table at every start, and numpy takes a tenth of a second
    from packshot.editing.scene import Scene

Promise = Literal["product", "elsewhere", "nothing"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table.

    Attributes:
        name: of the step, the CLI option and the function.
        module: of `packshot.editing` that holds the function; imported when the operation is used.
        promise: "product": every pixel of the product is copied; "elsewhere": every pixel outside of `Scene.touched`
            is; "nothing": its purpose is to change the product's pixels, or it resamples them.
        needs_cut: a cut-out comes before it; made where the user did not ask for one.
    """

    name: str
    module: str
    promise: Promise
    needs_cut: bool = False

    @property
    def function(self) -> Callable[..., Scene]:
        """The plain function."""
        found: Callable[..., Scene] = getattr(import_module(f"packshot.editing.{self.module}"), self.name)
        return found


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("cutout", "cutout", "product"),
        Operation("background", "background", "product", needs_cut=True),
        Operation("shadow", "shadow", "product", needs_cut=True),
        Operation("relight", "light", "nothing", needs_cut=True),
        Operation("white_balance", "tone", "nothing"),
        Operation("exposure", "tone", "nothing"),
        Operation("recolour", "recolour", "elsewhere", needs_cut=True),
        Operation("straighten", "angle", "nothing"),
        Operation("flip", "angle", "nothing"),
        Operation("turn", "angle", "nothing"),
        Operation("tilt", "angle", "nothing"),
        Operation("view", "view", "nothing", needs_cut=True),
        Operation("erase", "erase", "elsewhere"),
        Operation("enlarge", "enlarge", "nothing"),
        Operation("fit", "frame", "product", needs_cut=True),
        Operation("crop", "frame", "product"),
        Operation("sharpen", "detail", "nothing"),
        Operation("denoise", "detail", "nothing"),
        Operation("text", "lettering", "product"),
        Operation("badge", "lettering", "product"),
        Operation("dimensions", "dimensions", "product", needs_cut=True),
    )
}
"""In the order in which help shows them; steps are applied in the order in which the user gives them."""
