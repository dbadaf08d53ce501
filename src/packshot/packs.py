"""Model packs: the seam between making models and using them.

A pack is a folder with `pack.json` and `*.onnx`; no pickle is ever loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packshot.errors import PackError

if TYPE_CHECKING:
    import onnxruntime

MANIFEST = "pack.json"
REQUIRED = (
    "name",
    "kind",
    "version",
    "files",
    "inputs",
    "outputs",
    "pixel_conventions",
    "licence",
    "training_data",
    "quality",
)
SHIPPED = Path(__file__).parent / "packs"
PARTIAL = ".partial"
"""Ending of the folder of a pack that is being written."""
SEARCH_VARIABLE = "PACKSHOT_PACKS"
"""Environment variable with more folders to look for packs in, separated as PATH is."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A verified manifest; its files are verified when they are opened.

    Attributes:
        folder: where the pack lies.
        manifest: the parsed `pack.json`.
        sha256: of `pack.json` itself, which pins every other file.
    """

    folder: Path
    manifest: Mapping[str, Any]
    sha256: str
    _sessions: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The pack's name, as written in its manifest."""
        return str(self.manifest["name"])

    @property
    def kind(self) -> str:
        """What the pack is for, such as `flow`, `gan`, `vae` or `judge`."""
        return str(self.manifest["kind"])

    @property
    def enlarges(self) -> int:
        """How many times larger the stage behind a generator makes its pictures, each way."""
        return int(self.manifest["generation"].get("enlarges", 4))

    def read(self, file: str) -> bytes:
        """The bytes of one of the pack's files.

        Raises:
            PackError: the file is missing, not listed in the manifest, or its sha256 differs.
        """
        accepted = self.manifest["files"].get(file)
        if accepted is None:
            raise PackError(self.folder / MANIFEST, f"no entry for {file}", "a manifest that lists it under 'files'")
        try:
            data = (self.folder / file).read_bytes()
        except OSError as error:
            raise PackError(
                self.folder / file, error.strerror or "an unreadable file", "a complete model pack"
            ) from None
        found = hashlib.sha256(data).hexdigest()
        if found != accepted:
            raise PackError(
                self.folder / file, f"sha256 {found[:12]}…", f"{accepted[:12]}… as in pack.json; install the pack again"
            )
        return data

    def session(self, file: str) -> onnxruntime.InferenceSession:
        """A session over one of the pack's graphs, opened once and kept; it computes on the calling thread alone.

        More threads would make a graph of this size slower beside other sessions, whose idle threads spin, and its
        rounding depend on the machine's cores.

        Raises:
            PackError: as in `read`, or the graph cannot be loaded.
        """
        with self._lock:
            if file not in self._sessions:
                self._sessions[file] = self._open(file)
            return self._sessions[file]

    def _open(self, file: str) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        # Expand eight-bit weights once, when the graph is loaded, instead of at every run.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        data = self.read(file)
        try:
            return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own unrelated classes
            raise PackError(self.folder / file, str(error).splitlines()[0], "an ONNX graph") from None


def open_pack(folder: Path) -> Pack:
    """Read a pack's manifest.

    Raises:
        PackError: there is no readable manifest, or keys are missing from it.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
        manifest = json.loads(text)
    except OSError as error:
        raise PackError(
            path, error.strerror or "an unreadable file", "a folder with pack.json and ONNX files"
        ) from None
    except ValueError:
        raise PackError(path, "text that is not JSON", "the manifest the pack was made with") from None
    missing = [key for key in REQUIRED if not isinstance(manifest, dict) or key not in manifest]
    if missing:
        raise PackError(path, f"a manifest without {', '.join(missing)}", f"the keys {', '.join(REQUIRED)}")
    return Pack(folder, manifest, hashlib.sha256(text).hexdigest())


def available() -> dict[str, Path]:
    """Every pack found, by name of its folder; folders of `PACKSHOT_PACKS` come before the shipped ones."""
    found: dict[str, Path] = {}
    for root in _roots():
        if root.is_dir():
            for folder in sorted(root.iterdir()):
                if (folder / MANIFEST).is_file() and folder.suffix != PARTIAL:
                    found.setdefault(folder.name, folder)
    return found


def find_pack(name_or_folder: str, kinds: Sequence[str]) -> Pack:
    """Open a pack by its name or by its folder's path.

    Args:
        name_or_folder: as typed.
        kinds: acceptable values of `Pack.kind`.

    Raises:
        PackError: nothing of that name, a damaged manifest, or another kind.
    """
    known = available()
    folder = known.get(name_or_folder) or Path(name_or_folder)
    if not (folder / MANIFEST).is_file():
        names = ", ".join(known) or "none installed"
        raise PackError("model pack", f"'{name_or_folder}'", f"one of {names}, or a folder with {MANIFEST}")
    pack = open_pack(folder)
    if pack.kind not in kinds:
        raise PackError(folder, f"a pack of kind '{pack.kind}'", " or ".join(f"'{kind}'" for kind in kinds))
    return pack


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write `pack.json`, adding the sha256 of every other file in the folder."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST
    }
    complete = {**manifest, "files": files}
    text = json.dumps(complete, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    partial = folder / (MANIFEST + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(folder / MANIFEST)


def _roots() -> list[Path]:
    extra = os.environ.get(SEARCH_VARIABLE, "")
    return [*(Path(part) for part in extra.split(os.pathsep) if part), SHIPPED]
