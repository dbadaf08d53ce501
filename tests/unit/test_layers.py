"""The layers of docs/architecture.md hold, and the contract notices when they do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the checkout (or copy) at `root`, never over another installed packshot."""
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("needs import-linter: pip install 'packshot[dev]'")
    return subprocess.run(
        [program, "--no-cache", "--config", root / "pyproject.toml"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """A copy of the sources that a test may spoil."""
    skip = shutil.ignore_patterns("__pycache__", "*.onnx")
    shutil.copytree(repository / "src", tmp_path / "src", ignore=skip)
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_kept(repository: Path) -> None:
    run = lint_imports(repository)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("colour", "import packshot.framing", "downwards only"),
        ("training/added", "import packshot.generation", "neither generation nor catalogue"),
        ("prompt", "import packshot.training.networks", "Nothing imports training"),
        ("generation/added", "import torch", "PyTorch lives in training only"),
        ("framing", "def f():\n    import cv2", "no extra declares"),
        ("attic", "", "downwards only"),
    ],
)
def test_a_breach_is_noticed(copy: Path, module: str, line: str, contract: str) -> None:
    with (copy / "src" / "packshot" / f"{module}.py").open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    run = lint_imports(copy)
    assert run.returncode == 1, run.stdout + run.stderr
    broken = [row for row in run.stdout.splitlines() if " BROKEN" in row]
    assert any(contract in row for row in broken), run.stdout
    assert f"packshot.{module.replace('/', '.')}" in run.stdout
