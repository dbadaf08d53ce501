"""Rewrite constraints.txt from one resolve of packshot with all its extras.

Run by `make constraints`. Nothing is installed: pip only reports what it would take for this Python and platform.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "constraints.txt"
COMMENT = """\
# Every version that `make` installs, from one resolve of all extras (`make constraints` writes this file anew).
# PyTorch comes first: it is installed alone and by this pin, so that nothing after it can draw in another build.
# What PyTorch adds on machines with a GPU is pinned exactly by PyTorch itself.
"""


def wanted() -> list[str]:
    """The requirements of every extra, of the package itself and of its build, as pyproject.toml names them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    every = [*settings["build-system"]["requires"], *project["dependencies"], *extras]
    return [line for line in every if not line.startswith("packshot[")]


def resolve(requirements: list[str]) -> dict[str, str]:
    """Name -> version of everything that pip would install for these requirements into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *requirements], check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    # A local build such as 2.13.0+cpu is this machine's affair; the release is what is pinned.
    return {_normal(row["metadata"]["name"]): row["metadata"]["version"].partition("+")[0] for row in found}


def text_of(versions: dict[str, str]) -> str:
    """The file's text: PyTorch, why, then the rest in order."""
    rest = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()) if name != "torch")
    return f"torch=={versions['torch']}\n{COMMENT}{rest}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    TARGET.write_text(text_of(resolve(wanted())), encoding="utf-8")
    print(f"wrote {TARGET.name}")
