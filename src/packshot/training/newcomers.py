"""A seller's own kinds of product, new to the pack that a run goes on from: each starts as the kind most like it.

An untrained row of the category table says nothing, so the network would have to unlearn what it draws by default
before it learns the kind; an eyeliner that starts as a lipstick has the outline nearly right from the first step.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from packshot import lexicon as tables
from packshot.embedding import embed
from packshot.lexicon import Entry
from packshot.packs import find_pack
from packshot.training.checkpoint import find_average, read_state
from packshot.training.networks.conditioner import Conditioner
from packshot.training.transfer import GENERATORS, is_pack


def learnt(place: str) -> dict[str, Any]:
    """The kinds of product that a pack or a run was trained on (`categories`), and a seller's own among them (`kinds`).

    Args:
        place: a pack's name or folder, a run's or a checkpoint's folder.
    """
    if is_pack(place):
        facts = find_pack(place, GENERATORS).manifest.get("generation", {})
    else:
        folder = find_average(Path(place)).parent
        facts = read_state(folder) if (folder / "state.json").is_file() else {}
    return {fact: facts[fact] for fact in ("categories", "kinds") if facts.get(fact)}


def nearest_kinds(known: Collection[str], strangers: Collection[str]) -> dict[str, str]:
    """Own kinds in use -> the known kind whose words mean most nearly the same, by the mean of their embeddings.

    Args:
        known: names of kinds of this process's lexicon.
        strangers: names of own kinds in use.
    """
    entries = tables.lexicon().slots["category"]
    candidates = [key for key in entries if key in known]
    if not candidates or not strangers:
        return {}
    places = np.stack([_meaning(entries[key]) for key in candidates])
    return {key: candidates[int(np.argmax(places @ _meaning(entries[key])))] for key in strangers}


@torch.no_grad()
def introduce(conditioner: Conditioner, place: str) -> dict[str, str]:
    """Give each own kind that `place` has not learnt the category row of the nearest kind that it has.

    Args:
        conditioner: of the network whose weights came from `place`; is changed in place.
        place: as for `learnt`.

    Returns:
        New kind -> the kind whose row it got.
    """
    facts = learnt(place)
    had = {row["key"]: row["value"] for row in facts.get("kinds", ())}
    own = tables.own_kinds()
    strangers = [key for key, (_, value) in own.items() if had.get(key) != value]
    # A kind of the pack that is not installed here has no words to compare with; one of another value no row.
    known = [key for key in facts.get("categories", ()) if key not in strangers]
    found = nearest_kinds(known, strangers)
    values, category = tables.lexicon().values["category"], conditioner.slots[0]
    assert isinstance(category, nn.Embedding)
    table = category.weight
    rows = {key: table[values[like]].clone() for key, like in found.items()}  # before any of them is overwritten
    for key, row in rows.items():
        table[values[key]] = row
    return found


def _meaning(entry: Entry) -> NDArray[np.float32]:
    mean = embed([*entry.en, *entry.zh]).mean(0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)
