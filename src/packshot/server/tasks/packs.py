"""Model packs that this server can use: those that ship, the operator's, and those trained here."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packshot.errors import PackError, RequestError
from packshot.packs import SEARCH_VARIABLE, Pack, available, open_pack
from packshot.server.settings import Settings

FOLDER = "packs"
"""In the server's home: packs that were trained here."""

TRAINING = "training"
"""Key of a manifest: the training that the pack came of."""

_log = logging.getLogger("packshot.server")


def use_own_packs(home: Path) -> None:
    """Let this process, and those that it starts, find the packs that were trained here."""
    own = str(home / FOLDER)
    others = [part for part in os.environ.get(SEARCH_VARIABLE, "").split(os.pathsep) if part and part != own]
    os.environ[SEARCH_VARIABLE] = os.pathsep.join([own, *others])


def installed() -> dict[str, Pack]:
    """Packs by name; one that is damaged is passed over, and the log says so."""
    found: dict[str, Pack] = {}
    for name, folder in available().items():
        try:
            found[name] = open_pack(folder)
        except PackError as error:
            _log.warning("%s", error)
    return found


def trained(home: Path) -> dict[str, Path]:
    """Folders of the packs that were trained here, by name."""
    return {name: folder for name, folder in available().items() if folder.parent == home / FOLDER}


def training_of(folder: Path) -> str:
    """The training that a pack came of, `training_…`; empty where it does not say so."""
    try:
        return str(open_pack(folder).manifest.get(TRAINING, ""))
    except PackError:
        return ""


def as_it_is(name: str) -> Pack | None:
    """A pack by its name, as it is now; None where there is no such pack."""
    folder = available().get(name)
    return None if folder is None else open_pack(folder)


def own_kinds(pack: Pack | None) -> list[dict[str, Any]]:
    """The kinds of product that a shop has added to those that ship, and that a pack knows."""
    return [] if pack is None else list(pack.manifest.get("generation", {}).get("kinds", []))


def named(kind: str, request: Mapping[str, Any], settings: Settings) -> set[str]:
    """Packs that a job needs, or makes."""
    if kind == "training":
        return {str(request.get("name", ""))}
    if kind == "edit":
        return {str(step["pack"]) for step in request.get("steps", ()) if step.get("pack")}
    return {str(request.get("pack") or settings.pack)} if kind in ("generation", "listing") else set()


def plain_pack(name: str) -> str:
    """The name of a pack, which is no path.

    Raises:
        RequestError: it is one.
    """
    if "/" in name or "\\" in name or name.startswith("."):
        raise RequestError("pack", f"'{name[:80]}'", "the name of an installed pack; GET /v1/packs lists them")
    return name
