"""Packs as trainings leave them, in as much as a server that does not draw with them looks at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packshot.packs import write_manifest


def put_pack(home: Path, name: str = "our-shop", training: str = "", **card: Any) -> Path:
    """A manifest without graphs in a server's home; its folder."""
    folder = home / "packs" / name
    folder.mkdir(parents=True)
    facts = {
        "name": name, "kind": "flow", "version": "1", "summary": "of a test", "licence": "not said",
        "training_data": "drawn watches", "quality": {}, "inputs": {}, "outputs": {}, "pixel_conventions": "",
        "generation": {"categories": ["watch"], "resolution": 64},
    }  # fmt: skip
    write_manifest(folder, {**facts, **({"training": training} if training else {}), **card})
    return folder
