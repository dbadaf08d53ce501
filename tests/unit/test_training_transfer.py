"""From a pack back to weights: fine-tuning starts from what users have."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from training_data import write_drawn_shards  # noqa: E402

from packshot.errors import RecipeError  # noqa: E402
from packshot.generation import GenerationRequest  # noqa: E402
from packshot.generation.embedded import EmbeddedBackend  # noqa: E402
from packshot.packs import find_pack, open_pack  # noqa: E402
from packshot.training import checkpoint as checkpoints  # noqa: E402
from packshot.training.flow_trainer import flow_spec  # noqa: E402
from packshot.training.gan_trainer import gan_spec  # noqa: E402
from packshot.training.loop import train  # noqa: E402
from packshot.training.networks.flow import FlowTransformer  # noqa: E402
from packshot.training.networks.gan import Generator  # noqa: E402
from packshot.training.networks.upscaler import Upscaler, UpscalerSpec  # noqa: E402
from packshot.training.packing import make_pack  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402
from packshot.training.transfer import load_pack  # noqa: E402
from packshot.training.upscaler_trainer import upscaler_spec  # noqa: E402

RECIPES = Path(__file__).parents[2] / "recipes"
CARD = """
name = "drawn"
version = "0"
licence = "Apache-2.0"
training_data = "drawn circles and squares"
[quality]
"""
DRAWING = """
[generation]
steps = 2
guidance = 1.0
guidance_interval = [0.0, 1.0]
time_shift = 1.0
emphasis = 0.0
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards, a run of each family that matters here, and packs of them."""
    home = tmp_path_factory.mktemp("home")
    write_drawn_shards(home / "shards", fine_side=32)
    (home / "card.toml").write_text(CARD, encoding="utf-8")
    for family in ("flow", "gan", "upscaler"):
        train(RECIPES / f"tiny-{family}.toml", home / "shards", home / family, progress=False)
    twice = ["network.factor=2", "data.crop=12"]
    train(RECIPES / "tiny-upscaler.toml", home / "shards", home / "twice", overrides=twice, progress=False)
    for family in ("flow", "gan"):
        make_pack(home / family, str(home / "upscaler"), home / "card.toml", home / f"{family}-pack")
    make_pack(home / "flow", str(home / "twice"), home / "card.toml", home / "twice-pack")
    return home


def network(family: str) -> torch.nn.Module:
    recipe = load_recipe(RECIPES / f"tiny-{family}.toml")
    if family == "flow":
        return FlowTransformer(flow_spec(recipe))
    return Generator(gan_spec(recipe)) if family == "gan" else Upscaler(upscaler_spec(recipe))


def average(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.find_average(run))


@pytest.mark.parametrize(("family", "pack"), [("flow", "flow-pack"), ("gan", "gan-pack"), ("upscaler", "flow-pack")])
def test_a_pack_gives_back_the_weights_it_was_made_of(family: str, pack: str, home: Path) -> None:
    found = network(family)
    load_pack(found, str(home / pack))
    for name, wanted in average(home / family).items():
        tolerance = wanted.abs().max().item() / 126 + 1e-7  # seven bits and a sign, rounded: half a step
        torch.testing.assert_close(found.state_dict()[name], wanted, atol=tolerance, rtol=0)


def test_the_shipped_pack_is_a_network_of_the_flow_recipe() -> None:
    found = FlowTransformer(flow_spec(load_recipe(RECIPES / "flow-128.toml")))
    before = {name: tensor.clone() for name, tensor in found.state_dict().items()}
    load_pack(found, "base")
    after = found.state_dict()
    assert not [name for name, tensor in before.items() if torch.equal(tensor, after[name])]


def test_other_sizes_and_a_growing_network_are_refused(home: Path) -> None:
    with pytest.raises(RecipeError, match=r"conditioner\.slots\.0\.weight"):
        load_pack(
            FlowTransformer(flow_spec(load_recipe(RECIPES / "tiny-flow.toml", ["network.width=48"]))),
            str(home / "flow-pack"),
        )
    with pytest.raises(RecipeError, match=r"upscaler\.onnx"):
        load_pack(Upscaler(UpscalerSpec((12, 16), (1, 1), 4, 4)), str(home / "flow-pack"))
    growing = ["objective.growth.sides=[8, 16]", "objective.growth.shares=[0.5, 0.5]"]
    with pytest.raises(RecipeError, match=r"pack 'drawn' without early\."):
        load_pack(Generator(gan_spec(load_recipe(RECIPES / "tiny-gan.toml", growing))), str(home / "gan-pack"))


def test_an_upscaler_starts_from_a_pack_of_its_own_factor_only(home: Path, tmp_path: Path) -> None:
    def start(pack: str, *settings: str) -> None:
        settings = (*settings, f"loop.init_from={home / pack}", "loop.steps=1", "optimiser.learning_rate=1e-8")
        train(RECIPES / "tiny-upscaler.toml", home / "shards", tmp_path / pack, overrides=settings, progress=False)

    for pack, run, settings in (
        ("flow-pack", "upscaler", ()),
        ("twice-pack", "twice", ("network.factor=2", "data.crop=12")),
    ):
        start(pack, *settings)
        torch.testing.assert_close(average(tmp_path / pack), average(home / run), atol=2e-3, rtol=0)
    with pytest.raises(RecipeError, match=r"^network\.factor: got 2; accepted: 4, as pack 'drawn' of loop\.init_from"):
        start("gan-pack", "network.factor=2", "data.crop=12")


def test_a_pack_says_how_much_its_stage_enlarges(home: Path, tmp_path: Path) -> None:
    assert [open_pack(home / name).enlarges for name in ("flow-pack", "twice-pack")] == [4, 2]
    assert find_pack("gan", ("gan",)).enlarges == 4  # made before packs said so
    make_pack(home / "gan", str(home / "twice-pack"), home / "card.toml", tmp_path / "lent")
    assert open_pack(tmp_path / "lent").manifest["generation"]["enlarges"] == 2
    with pytest.raises(RecipeError, match="--upscaler: got a run of the family 'gan'"):
        make_pack(home / "flow", str(home / "gan"), home / "card.toml", tmp_path / "none")


def test_a_stage_of_factor_2_draws_end_to_end(home: Path, tmp_path: Path) -> None:
    sides = []
    (tmp_path / "card.toml").write_text(CARD + DRAWING, encoding="utf-8")
    make_pack(home / "flow", str(home / "twice"), tmp_path / "card.toml", tmp_path / "pack")
    backend = EmbeddedBackend(str(tmp_path / "pack"))
    stage = backend._enlarge
    backend._enlarge = lambda small: sides.append((small.shape, stage(small).shape)) or stage(small)  # type: ignore[method-assign]
    (result,) = backend.generate([GenerationRequest("red watch", count=1, size=64)])
    assert sides == [((1, 3, 16, 16), (1, 3, 32, 32))]
    assert result.pixels.shape == (64, 64, 3)


def test_muon_may_be_left_with_nothing(home: Path, tmp_path: Path) -> None:
    settings = ["optimiser.matrix_optimiser=muon", "loop.freeze=['blocks.']", "loop.steps=1"]
    train(RECIPES / "tiny-flow.toml", home / "shards", tmp_path, overrides=settings, progress=False)


@pytest.mark.parametrize("family", ["flow", "gan"])
def test_training_starts_from_a_pack_and_leaves_frozen_layers_alone(family: str, home: Path, tmp_path: Path) -> None:
    start = network(family)
    load_pack(start, str(home / f"{family}-pack"))
    frozen = "blocks.0."
    settings = [f"loop.init_from={home / f'{family}-pack'}", f"loop.freeze=['{frozen}', 'conditioner']"]
    settings += ["optimiser.learning_rate=1e-3", "optimiser.ema_decay=0", "optimiser.ema_early_steps=0"]
    train(RECIPES / f"tiny-{family}.toml", home / "shards", tmp_path, overrides=settings, progress=False)
    after = average(tmp_path)
    for name, tensor in start.state_dict().items():
        kept = name.startswith((frozen, "conditioner", "coarse"))  # of the last there is nothing to learn here
        assert torch.equal(after[name], tensor) == kept, name
    optimiser = load_file(checkpoints.find_average(tmp_path).with_name("optimiser.safetensors"))
    assert optimiser and not any(frozen in name and "discriminator" not in name for name in optimiser)


def test_a_share_of_another_run_is_mixed_in(home: Path, tmp_path: Path) -> None:
    """None of it changes no byte, the whole of it leaves nothing of the first, and half lies between."""
    other, card = tmp_path / "other", home / "card.toml"
    train(RECIPES / "tiny-flow.toml", home / "shards", other, overrides=["loop.seed=9"], progress=False)
    weights = {}
    for share in (0.0, 0.5, 1.0):
        folder = tmp_path / str(share)
        make_pack(home / "flow", str(home / "flow-pack"), card, folder, blend=other, share=share)
        weights[share] = network("flow")
        load_pack(weights[share], str(folder))
    assert (tmp_path / "0.0/generator.onnx").read_bytes() == (home / "flow-pack/generator.onnx").read_bytes()
    first, half, last = (weights[share].state_dict()["blocks.0.qkv.weight"] for share in (0.0, 0.5, 1.0))
    assert not torch.allclose(first, last, atol=1e-3)
    torch.testing.assert_close(half, (first + last) / 2, atol=0.02 * first.abs().max().item(), rtol=0)  # of eight bits
    for run, share in ((home / "gan", 0.5), (home / "flow", 1.5)):
        with pytest.raises(RecipeError, match=r"--blend: got .*; accepted: a share from 0 to 1 of another run"):
            make_pack(run, str(home / "flow-pack"), card, tmp_path / "none", blend=other, share=share)


def test_a_pack_lends_its_upscaler_and_half_grown_networks_make_none(home: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--upscaler: got nothing"):
        make_pack(home / "gan", "", home / "card.toml", tmp_path / "none")
    make_pack(home / "gan", str(home / "flow-pack"), home / "card.toml", tmp_path / "pack")
    lent, own = (folder / "upscaler.onnx" for folder in (tmp_path / "pack", home / "flow-pack"))
    assert lent.read_bytes() == own.read_bytes()
    growing = ["objective.growth.sides=[8, 16]", "objective.growth.shares=[0.9, 0.1]"]
    run = tmp_path / "run"
    train(RECIPES / "tiny-gan.toml", home / "shards", run, overrides=[*growing, "loop.steps=4"], progress=False)
    make_pack(run, str(home / "flow-pack"), home / "card.toml", tmp_path / "grown")
    recipe = checkpoints.find_average(run).with_name("recipe.toml")
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("steps = 4\n", "steps = 8\n"), encoding="utf-8")
    with pytest.raises(RecipeError, match="a GAN that has grown to 8 px; accepted: one that has reached 16 px"):
        make_pack(run, str(home / "flow-pack"), home / "card.toml", tmp_path / "half")
    assert not (tmp_path / "half").exists()


def test_freezing_what_is_not_there_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"loop\.freeze: got 'block\.'; accepted: the beginning of a weight's name"):
        train(
            RECIPES / "tiny-flow.toml", home / "shards", tmp_path, overrides=["loop.freeze=['block.']"], progress=False
        )
