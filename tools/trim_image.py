"""Take out of an installation what a running server never reads, and compile what it imports. For the Dockerfile.

Prints what went and what stays, in bytes. Everything that packshot's server, workers and commands import is imported
once, so that their bytecode is there on a read-only disk, and so that whatever was one file too many fails the build.
"""

from __future__ import annotations

import compileall
import importlib
import pkgutil
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

NEVER_READ = (
    "bin",  # made for the interpreter that builds
    "c2pa/libs/*.rlib",  # for linking Rust programs
    "onnxruntime/capi/libonnxruntime.so*",  # for C programs; the Python module has its own
    *(f"onnxruntime/{name}" for name in ("backend", "datasets", "quantization", "tools", "transformers")),
    *(f"numpy/{name}" for name in ("distutils", "f2py")),
    "packshot/packs/flow",  # what training begins with; no training without PyTorch
    "**/tests",
)
KEPT_SERVICES = ("s3", "sts", "sso", "sso-oidc", "signin")
"""Of botocore's descriptions of 400 services: buckets, and how credentials for them are had."""

ROOMS = ("server", "editing", "listing", "provenance", "generation")
"""Of packshot, that a server imports."""

NOT_IMPORTED = ("packshot.server.migrations.env",)
OTHER_EXTRAS = ("diffusers", "ray", "torch", "transformers")
"""What modules may need that this installation was not asked for."""


def unneeded(root: Path) -> Iterator[Path]:
    """Files and folders that are never read."""
    for pattern in NEVER_READ:
        yield from root.glob(pattern)
    for service in root.glob("botocore/data/*/"):
        if service.name not in KEPT_SERVICES:
            yield service


def size(path: Path) -> int:
    """Bytes of a file or of all files of a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


def trim(root: Path) -> int:
    """Remove it; bytes."""
    gone = 0
    for path in list(unneeded(root)):
        if path.exists():
            gone += size(path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return gone


def compile_imported(root: Path) -> int:
    """Import packshot's rooms, and compile every module that this brought in; how many."""
    for room in ROOMS:
        package = importlib.import_module(f"packshot.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.startswith(NOT_IMPORTED):
                continue
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name not in OTHER_EXTRAS:
                    raise
    importlib.import_module("packshot.cli")
    files = {file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    sources = sorted(file for file in files if file.endswith(".py") and Path(file).is_relative_to(root))
    if not all(compileall.compile_file(file, quiet=1) for file in sources):
        raise SystemExit("a module does not compile")
    return len(sources)


def main() -> None:
    """Trim the folder that the command line names."""
    root = Path(sys.argv[1]).resolve()
    gone = trim(root)
    compiled = compile_imported(root)
    print(f"removed {gone:,} bytes; compiled {compiled} modules; {size(root):,} bytes stay in {root}")


if __name__ == "__main__":
    main()
