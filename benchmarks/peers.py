r"""The same pictures, the same processor time, the same measure: packshot's families beside other generators at 64 px.

    pip install --target /tmp/peers -c constraints.txt diffusers==0.42.1
    pip install --target /tmp/peers --no-deps lightweight-gan==1.2.1 stylegan2-pytorch==1.9.0 kornia==0.9.0 \
        kornia_rs einops adabelief-pytorch vector-quantize-pytorch==1.6.0 fire retry py decorator termcolor
    PYTHONPATH=/tmp/peers python benchmarks/peers.py --data shards --minutes 20 --out out/peers

Each contender trains from scratch on the training split in a process of its own, on one thread, until it has used so
many minutes of processor time, then makes pictures that are compared with the held-out real ones, as many of each as of
the one that made the fewest. The peers are their authors' networks, losses and training steps with their own settings,
but for a batch of 16 without accumulation (the defaults of 40 and 30 would leave them a few hundred updates). They know
no conditions; packshot's families are given those of rows drawn at random from the training split, and are also looked
at after 5 and 10 minutes. Scores are of `judge-v2`, which learned from the same training split, and of
EfficientNet-Lite0, which never saw a packshot.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anybody loads PyTorch

import numpy as np
import torch

from packshot.evaluation.features import open_features
from packshot.evaluation.judge import Judge
from packshot.evaluation.report import compare
from packshot.images import contact_sheet, save_picture
from packshot.shards import read_shards

RECIPES = Path(__file__).parents[1] / "recipes"
SIDE, BATCH, MADE, AT_ONCE, SHOWN, SEED = 64, 16, 500, 20, 64, 1
MARKS = (5, 10)
"""Minutes after which packshot's families are looked at early."""
FEATURES = ["judge", "efficientnet-lite0"]
Pixels = np.ndarray
Maker = Callable[[int], torch.Tensor]
"""Number -> that many pictures (N, 3, 64, 64) in [-1, 1]."""


# ---- The peers -------------------------------------------------------------------------------------------------------


def lightweight_gan(pictures: torch.Tensor, goes_on: Callable[[], bool]) -> tuple[Maker, int]:
    """lightweight-gan 1.2.1 (FastGAN)."""
    module = _for_cpu("lightweight_gan.lightweight_gan")
    trainer = module.Trainer(image_size=SIDE, batch_size=BATCH, use_aim=False, base_dir="/tmp/lightweight")
    seen = _train(trainer, pictures, goes_on)
    network = trainer.GAN.G.eval()  # its moving average begins after 20,000 steps
    return lambda count: network(torch.randn(count, 256)).clamp(0, 1) * 2 - 1, seen


def stylegan2_pytorch(pictures: torch.Tensor, goes_on: Callable[[], bool]) -> tuple[Maker, int]:
    """stylegan2-pytorch 1.9.0."""
    module = _for_cpu("stylegan2_pytorch.stylegan2_pytorch")
    trainer = module.Trainer(image_size=SIDE, batch_size=BATCH, base_dir="/tmp/stylegan2")
    seen = _train(trainer, pictures, goes_on)
    gan, layers = trainer.GAN.eval(), trainer.GAN.G.num_layers

    def make(count: int) -> torch.Tensor:
        style = gan.S(torch.randn(count, gan.G.latent_dim))
        return gan.G(style[:, None].expand(-1, layers, -1), torch.rand(count, SIDE, SIDE, 1)).clamp(0, 1) * 2 - 1

    return make, seen


def diffusers_unet(pictures: torch.Tensor, goes_on: Callable[[], bool]) -> tuple[Maker, int]:
    """A small UNet2DModel of diffusers 0.42.1, trained as in its tutorial; sampled in 20 DDIM steps."""
    from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

    network = UNet2DModel(
        sample_size=SIDE,
        block_out_channels=(32, 64, 128, 256),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    )
    schedule, batches, seen = DDPMScheduler(num_train_timesteps=1000), _batches(pictures), 0
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    while goes_on():
        clean = next(batches)
        noise, steps = torch.randn_like(clean), torch.randint(0, 1000, (len(clean),))
        predicted = network(schedule.add_noise(clean, noise, steps), steps).sample
        loss = torch.nn.functional.mse_loss(predicted, noise)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        seen += len(clean)
    network.eval()

    def make(count: int) -> torch.Tensor:
        sampler, x = DDIMScheduler(num_train_timesteps=1000), torch.randn(count, 3, SIDE, SIDE)
        sampler.set_timesteps(20)
        for step in sampler.timesteps:
            x = sampler.step(network(x, step).sample, step, x).prev_sample
        return x.clamp(-1, 1)

    return make, seen


def _for_cpu(name: str) -> Any:
    """Import a trainer that insists on CUDA; what it asks CUDA for is given by the CPU, its steps stay its own."""
    for missing in ("torchvision", "aim"):  # for reading folders, writing grids, and logging: none is used here
        sys.modules.setdefault(missing, types.ModuleType(missing))
    sys.modules["torchvision"].transforms = types.ModuleType("transforms")  # type: ignore[attr-defined]
    torch.cuda.is_available, really = lambda: True, torch.cuda.is_available
    module = __import__(name, fromlist=["Trainer"])
    torch.cuda.is_available = really
    torch.Tensor.cuda = lambda self, *_: self  # type: ignore[method-assign,assignment]
    torch.nn.Module.cuda = lambda self, *_: self  # type: ignore[method-assign,assignment]
    proxy = types.ModuleType("torch")
    proxy.__dict__.update({**torch.__dict__, "device": lambda *_: torch.device("cpu")})
    module.torch = proxy
    return module


def _train(trainer: Any, pictures: torch.Tensor, goes_on: Callable[[], bool]) -> int:
    batches = _batches(pictures)
    trainer.loader = ((batch + 1) / 2 for batch in batches)
    trainer.save = trainer.evaluate = lambda *_, **__: None
    while goes_on():
        trainer.train()
    return int(trainer.steps) * BATCH


def _batches(pictures: torch.Tensor) -> Iterator[torch.Tensor]:
    """(BATCH, 3, 64, 64) in [-1, 1], without end."""
    random = torch.Generator().manual_seed(SEED)
    while True:
        rows = torch.randint(0, len(pictures), (BATCH,), generator=random)
        yield pictures[rows].float() / 127.5 - 1


# ---- packshot --------------------------------------------------------------------------------------------------------


def packshot(recipe: str, *settings: str) -> Callable[[Path, Path, float], tuple[Maker, int, dict[int, Maker]]]:
    """A recipe of ours by `packshot train`, its clock being the processor's."""

    def contend(data: Path, out: Path, minutes: float) -> tuple[Maker, int, dict[int, Maker]]:
        from packshot.training import loop
        from packshot.training.data import load_catalogue
        from packshot.training.recipe import load_recipe

        began = time.process_time()
        loop.time = types.SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]
        marks = [mark for mark in MARKS if mark < minutes]
        loop.save_checkpoint = _keeping(loop.save_checkpoint, marks)  # type: ignore[assignment]
        fixed = ["loop.compile=false", "loop.precision=fp32", "loop.sheet_minutes=0", "loop.checkpoint_minutes=0.5"]
        overrides = [*fixed, *settings]
        path = RECIPES / f"{recipe}.toml"
        report = loop.train(path, data, out, overrides=overrides, max_minutes=minutes, progress=False)
        print(f"{(time.process_time() - began) / 60:.1f} minutes of processor time, reading data included")
        resolved = load_recipe(path, overrides)
        catalogue = load_catalogue(data, resolved.data, resolved.network.vocabulary)
        early = {mark: _maker(resolved, catalogue, out / f"at-{mark}", mark / minutes) for mark in marks}
        return _maker(resolved, catalogue, out, 1.0), report.step * resolved.loop.batch, early

    return contend


def _keeping(save: Callable[..., Path], marks: list[int]) -> Callable[..., Path]:
    """`save_checkpoint`, but the first one after each mark stays, as `at-5` and so on."""

    def kept(out: Path, checkpoint: Any, recipe: Any) -> Path:
        folder = save(out, checkpoint, recipe)
        for mark in marks:
            if checkpoint.state["minutes"] >= mark and not (out / f"at-{mark}").exists():
                shutil.copytree(folder, out / f"at-{mark}")
        return folder

    return kept


def _maker(recipe: Any, catalogue: Any, place: Path, progress: float) -> Maker:
    """Pictures by the moving average kept in a folder, told of rows drawn at random."""
    from packshot.training.checkpoint import load_average
    from packshot.training.flow_trainer import flow_spec
    from packshot.training.gan_trainer import gan_spec, growth_stage
    from packshot.training.networks.flow import FlowTransformer
    from packshot.training.networks.gan import Generator
    from packshot.training.networks.vae import Decoder
    from packshot.training.sampling import flow_sample, gan_sample
    from packshot.training.vae_trainer import vae_spec

    networks = {
        "flow": lambda: FlowTransformer(flow_spec(recipe)),
        "gan": lambda: Generator(gan_spec(recipe)),
        "vae": lambda: Decoder(vae_spec(recipe)),
    }
    network = networks[recipe.family]()
    load_average(network, place)
    network.eval()
    random = torch.Generator().manual_seed(SEED)
    is_gan = recipe.family == "gan"
    options = {"stage": growth_stage(recipe.objective.growth, progress, torch.device("cpu"))} if is_gan else {}

    def make(count: int) -> torch.Tensor:
        rows = torch.randint(0, len(catalogue.ids), (count,), generator=random)
        seed = int(torch.randint(0, 2**31, (1,), generator=random))
        told = catalogue.slots[rows], catalogue.colours[rows], torch.zeros(count, catalogue.text.shape[2])
        if recipe.family == "flow":
            return flow_sample(network, *told, seed, steps=16, guidance=1.5)
        pictures = gan_sample(network, *told, seed, **options)
        return torch.nn.functional.interpolate(pictures, SIDE, mode="bilinear")  # while it grows it is smaller

    return make


SMALL = ("network.width=256", "network.depth=6", "network.heads=4", "objective.guidance_scale=1.0")
OURS = {
    "packshot flow": packshot("flow", *SMALL, "optimiser.ema_early_decay=0.99", "optimiser.ema_early_steps=2000"),
    "packshot gan-progressive": packshot("gan-progressive", "objective.watch.every=0"),
    "packshot vae": packshot("vae"),
}
PEERS = {"lightweight-gan": lightweight_gan, "stylegan2-pytorch": stylegan2_pytorch, "diffusers UNet": diffusers_unet}


# ---- Contest and score -----------------------------------------------------------------------------------------------


def contend(name: str, data: Path, out: Path, minutes: float, count: int) -> None:
    """Train one contender and keep so many of its pictures."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    early: dict[int, Maker] = {}
    if name in OURS:
        make, seen, early = OURS[name](data, out / name.replace(" ", "-"), minutes)
    else:
        pictures = torch.from_numpy(_real(data, "train").transpose(0, 3, 1, 2).copy())
        ends = time.process_time() + 60 * minutes
        make, seen = PEERS[name](pictures, lambda: time.process_time() < ends)
    for mark, maker in early.items():
        _make(maker, out / f"{name.replace(' ', '-')}-at-{mark}.npz", count, seen=0)
    milliseconds = _make(make, out / f"{name.replace(' ', '-')}.npz", count, seen=seen)
    print(f"{name}: {seen} pictures seen, {seen / minutes / 60:.1f} a second, {milliseconds:.0f} ms to make one")


def _make(make: Maker, file: Path, count: int, *, seen: int) -> float:
    """Keep so many pictures; returns the milliseconds for one."""
    began, made = time.process_time(), []
    with torch.no_grad():
        for _ in range(math.ceil(count / AT_ONCE)):
            made.append(((make(AT_ONCE) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())
    milliseconds = (time.process_time() - began) / len(made) / AT_ONCE * 1000
    np.savez(file, pictures=np.concatenate(made)[:count], seen=seen, ms=milliseconds)
    return milliseconds


def score(names: list[str], features: list[str], data: Path, out: Path, minutes: float) -> dict[str, Any]:
    """Compare what was made with the held-out pictures, and one half of those with the other for orientation."""
    real = _real(data, "test")
    extractors = [open_features(name, Judge.open()) for name in features]
    truth = [_features(extractor, real) for extractor in extractors]
    halves = {name: _scores(some[1::2], some[::2]) for name, some in zip(features, truth, strict=True)}
    rows: dict[str, Any] = {"one half of the held-out pictures against the other": halves}
    labels = [label for name in names for label in (name, *(f"{name}-at-{mark}" for mark in MARKS))]
    files = {name: file for name in labels if (file := out / f"{name.replace(' ', '-')}.npz").is_file()}
    fewest = min(len(np.load(file)["pictures"]) for file in files.values())  # distances depend on the number
    for name, file in files.items():
        with np.load(file) as kept:
            made, seen, milliseconds = kept["pictures"][:fewest], int(kept["seen"]), float(kept["ms"])
        rows[name] = {"pictures seen": seen, "ms a picture": round(milliseconds, 1)}
        for feature, extractor, some in zip(features, extractors, truth, strict=True):
            rows[name][feature] = _scores(_features(extractor, made), some)
        save_picture(contact_sheet(list(made[:SHOWN]), columns=8), out / f"{name.replace(' ', '-')}.png")
    return {"minutes of processor time": minutes, "held out": len(real), "made by each": fewest, "rows": rows}


def _scores(made: Pixels, real: Pixels) -> dict[str, float]:
    return {key: round(value, 4) for key, value in asdict(compare("", made, real)).items() if isinstance(value, float)}


def _features(extractor: Any, pictures: Pixels) -> Pixels:
    return np.concatenate([extractor(pictures[k : k + 50]) for k in range(0, len(pictures), 50)])


def _real(data: Path, split: str) -> Pixels:
    return np.stack([row.pixels for row in read_shards(data) if row.split == split])


def main() -> None:
    """Run the contenders one after the other, score them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="shards of `packshot data prepare`")
    parser.add_argument("--minutes", type=float, default=20, help="of processor time for each")
    parser.add_argument("--out", type=Path, default=Path("out/peers"))
    parser.add_argument("--only", help="one contender, trained in this process")
    parser.add_argument("--made", type=int, default=MADE, help="pictures that each makes in the end")
    parser.add_argument("--names", nargs="*", default=[*PEERS, *OURS])
    parser.add_argument("--features", nargs="*", default=FEATURES, help="to score in; the second takes a while")
    parser.add_argument("--score", action="store_true", help="only score what was made before")
    parser.add_argument("--result", type=Path, help="JSON file for the scores")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only:
        contend(options.only, options.data, options.out, options.minutes, options.made)
        return
    for name in [] if options.score else options.names:
        command = [
            sys.executable,
            __file__,
            "--only",
            name,
            "--minutes",
            str(options.minutes),
            "--made",
            str(options.made),
        ]
        subprocess.run([*command, "--data", str(options.data), "--out", str(options.out)], check=True)
    result = {
        "date": datetime.date.today().isoformat(),
        **score(options.names, options.features, options.data, options.out, options.minutes),
    }
    for name, row in result["rows"].items():
        print(name, json.dumps(row))
    if options.result:
        options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
