"""A pack of the kind `view` whose network mirrors the product: enough to run all that is around a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from packshot.packs import write_manifest

SIDE = 96


def write_mirror_pack(folder: Path, *, nothing: bool = False) -> Path:
    """The pack in `folder`; with `nothing` its network draws an empty picture."""
    folder.mkdir(parents=True)
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 4, SIDE, SIDE])
    pose = helper.make_tensor_value_info("pose", TensorProto.FLOAT, [1, 2])
    out = helper.make_tensor_value_info("view", TensorProto.FLOAT, [1, 4, SIDE, SIDE])
    constants = {
        "start": np.array([SIDE - 1], np.int64), "end": np.array([-SIDE - 1], np.int64),
        "axis": np.array([3], np.int64),
        "step": np.array([-1], np.int64), "empty": np.array([[[[1]], [[1]], [[1]], [[0]]]], np.float32),
        "none": np.zeros((1, 1), np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Slice", ["picture", "start", "end", "axis", "step"], ["mirrored"]),
        helper.make_node("ReduceSum", ["pose"], ["turned"], keepdims=1),
        helper.make_node("Mul", ["turned", "none"], ["zero"]),  # the pose must be taken, and changes nothing
        helper.make_node("Add", ["mirrored", "zero"], ["seen"]),
        helper.make_node("Mul", ["seen", "zero"], ["blank"]),
        helper.make_node("Add", ["blank", "empty"], ["nothing"]),
        helper.make_node("Identity", ["nothing" if nothing else "seen"], ["view"]),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "mirror", [picture, pose], [out], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "view.onnx"))
    manifest = {
        "name": "mirror", "kind": "view", "version": "0", "inputs": {}, "outputs": {}, "pixel_conventions": "",
        "licence": "Apache-2.0", "training_data": "none", "quality": {},
        "view": {"side": SIDE, "yaw": [-60, 60], "pitch": [-20, 20]},
    }  # fmt: skip
    write_manifest(folder, manifest)
    return folder
