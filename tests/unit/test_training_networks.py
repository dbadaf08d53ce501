from __future__ import annotations

import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from packshot.training.checkpoint import load_average  # noqa: E402
from packshot.training.flow_trainer import flow_spec  # noqa: E402
from packshot.training.gan_trainer import gan_spec  # noqa: E402
from packshot.training.networks.flow import FlowTransformer  # noqa: E402
from packshot.training.networks.gan import Discriminator, Generator  # noqa: E402
from packshot.training.recipe import load_recipe  # noqa: E402

ROOT = Path(__file__).parents[2]
MOST_MACS = 0.2e9


def conditions(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    slots = torch.randint(0, 5, (count, 5), generator=generator)
    return slots, torch.randn(count, 8, generator=generator), torch.randn(count, 512, generator=generator)


def multiply_adds(network: torch.nn.Module, *arguments: torch.Tensor) -> int:
    """Multiply-adds of convolutions and linear maps in one call."""
    total = 0

    def count(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()  # type: ignore[union-attr,operator,index]

    hooks = [
        m.register_forward_hook(count) for m in network.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))
    ]
    network(*arguments)
    for hook in hooks:
        hook.remove()
    return total


def test_the_shipped_generator_is_small() -> None:
    spec = gan_spec(load_recipe(ROOT / "recipes/gan.toml"))
    generator, discriminator = Generator(spec), Discriminator(spec)
    macs = multiply_adds(generator, torch.randn(1, spec.latent), torch.zeros(1, spec.conditioner.width))
    for name, network in (("G", generator), ("D", discriminator)):
        print(f"{name}: {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters")
    print(f"G: {macs / 1e9:.3f} GMAC a picture")
    assert 0.05e9 < macs < MOST_MACS


def test_generator_answers_to_latent_and_condition_and_stays_in_range() -> None:
    spec = gan_spec(load_recipe(ROOT / "recipes/tiny-gan.toml"))
    torch.manual_seed(0)
    network = Generator(spec)
    z = torch.randn(4, spec.latent)
    condition = network.encode(*conditions(4))
    pictures = network(z, condition)
    assert pictures.shape == (4, 3, 16, 16)
    assert pictures.abs().max() <= 1
    assert not torch.allclose(pictures, network(-z, condition))
    assert not torch.allclose(pictures, network(z, condition.roll(1, 0)))
    torch.testing.assert_close(network(z[:1], condition[:1]), pictures[:1])  # a picture does not depend on its batch


def test_augmentation_of_no_sentence_is_nothing() -> None:
    spec = gan_spec(load_recipe(ROOT / "recipes/tiny-gan.toml"))
    network = Generator(spec)
    slots, colours, text = conditions(4)
    text[:2] = 0
    noise = torch.randn(4, spec.augmented_text)
    plain, augmented = network.encode(slots, colours, text), network.encode(slots, colours, text, noise)
    assert torch.equal(plain[:2], augmented[:2])
    assert not torch.allclose(plain[2:], augmented[2:])


def test_discriminator_projects_conditions_on_features() -> None:
    spec = gan_spec(load_recipe(ROOT / "recipes/tiny-gan.toml"))
    torch.manual_seed(0)
    network = Discriminator(spec)
    pictures = torch.rand(8, 3, 16, 16) * 2 - 1
    slots, colours, text = conditions(8)
    features = network.features(pictures)
    torch.testing.assert_close(
        network(pictures, slots, colours, text), network.score(features, network.encode(slots, colours, text))
    )
    assert network.classify(features).shape == (8, spec.categories)
    same, varied = network.features(pictures[:1].repeat(8, 1, 1, 1))[0], features[0]
    assert not torch.allclose(same, varied)  # minibatch deviation: the same picture among copies looks different


def test_the_flow_recipe_is_the_network_of_a_checkpoint_trained_before() -> None:
    place = os.environ.get("PACKSHOT_FLOW_CHECKPOINT")
    if not place:
        pytest.skip("PACKSHOT_FLOW_CHECKPOINT names no checkpoint of recipes/flow.toml")
    network = FlowTransformer(flow_spec(load_recipe(ROOT / "recipes/flow.toml")))
    load_average(network, Path(place))
    assert all(parameter.isfinite().all() for parameter in network.parameters())
