"""Model packs that this server can use: those that ship, the operator's, and those trained here."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from packshot.errors import PackError, RequestError
from packshot.packs import SEARCH_VARIABLE, Pack, available, open_pack

FOLDER = "packs"
"""In the server's home: packs that were trained here."""

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


def plain_pack(name: str) -> str:
    """The name of a pack, which is no path.

    Raises:
        RequestError: it is one.
    """
    if "/" in name or "\\" in name or name.startswith("."):
        raise RequestError("pack", f"'{name[:80]}'", "the name of an installed pack; GET /v1/packs lists them")
    return name
