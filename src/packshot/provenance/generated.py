"""Labels of a picture that a model has just made: mark, AIGC and IPTC metadata, before it first is a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.images import encode_picture
from packshot.provenance import mark
from packshot.provenance.labelling import UNNAMED, Labelled, Wish, label
from packshot.provenance.origin import GENERATED, Origin, of_recipe
from packshot.provenance.policy import KINDS, Policy, load_policy

CHANNEL = "anywhere"
"""Of the policy: where the picture goes is not known yet."""

_KIND = "generated"


def labelled(
    pixels: NDArray[np.uint8],
    path: Path,
    recipe: Mapping[str, object] | None,
    *,
    producer: str = "",
    marked: bool = True,
) -> Labelled:
    """The file for `path`, labelled as our policy decides of generated pictures; equal arguments give equal bytes.

    The mark is set before the picture is encoded, so that a JPEG is encoded once. ProduceID, and with it the mark, is a
    digest of the pixels alone: a recipe differs between batches of 1 and 8, and the picture must not.

    Args:
        pixels: (H, W, 3) or (H, W, 4) sRGB bytes.
        path: its suffix chooses the format.
        recipe: goes into the file; None for a sheet.
        producer: ContentProducer of the AIGC label; packshot itself if empty.
        marked: False for what is no single picture and gets no mark.

    Raises:
        OutputError: as `encode_picture`.
    """
    produce_id = hashlib.sha256(pixels.tobytes()).hexdigest()[:32]
    decisions = {decision.label: decision for decision in _policy().decide(CHANNEL, _KIND)}
    own = decisions.pop("mark")
    row: dict[str, Any] = {**own.as_dict(), "done": False, "outcome": "not set"}
    if marked and own.set is not False:
        payload = mark.Payload(KINDS.index(_KIND), mark.number_of(produce_id))
        done = mark.embed(pixels, payload, webp=path.suffix.lower() == ".webp")
        pixels, row["done"] = done.pixels, done.readable
        row["outcome"] = "set" if done.readable else "not set: too little of the picture may change to carry one"
    data = encode_picture(pixels, path, recipe=recipe)
    origin = of_recipe(recipe) or Origin(_KIND, GENERATED, "packshot generate made it", ("generate",))
    wish = Wish(producer or UNNAMED, produce_id=produce_id)
    made = label(data, path.name, origin, list(decisions.values()), wish)
    return Labelled(made.data, {**made.record, "labels": [*made.record["labels"], row]})


def unlabelled(pixels: NDArray[np.uint8], path: Path, recipe: Mapping[str, object] | None) -> Labelled:
    """The file for `path` with nothing but its recipe."""
    return Labelled(encode_picture(pixels, path, recipe=recipe), {"file": path.name, "labels": []})


@cache
def _policy() -> Policy:
    return load_policy()
