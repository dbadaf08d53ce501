from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from packshot.training.augment import AugmentSpec, draw_transforms, move  # noqa: E402
from packshot.training.objectives import flow, gan, vae  # noqa: E402


def test_undecided_classic_discriminator_pays_two_log_two() -> None:
    zero = torch.zeros(5)
    assert gan.classic_discriminator(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert gan.classic_generator(zero).item() == pytest.approx(math.log(2))


def test_classic_losses_are_the_logarithms_they_are_named_for() -> None:
    real, fake = torch.randn(2, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()
    torch.testing.assert_close(gan.classic_discriminator(real, fake), expected)
    torch.testing.assert_close(gan.classic_generator(fake), -fake.sigmoid().log().mean())


def test_relativistic_losses_see_differences_only() -> None:
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    for shift in (0.0, 7.0):
        loss = gan.relativistic_discriminator(real + shift, fake + shift)
        expected = (math.log1p(math.exp(-0.5)) + math.log1p(math.exp(5))) / 2
        assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert gan.relativistic_generator(real, fake).item() == gan.relativistic_discriminator(fake, real).item()


def test_mismatches_count_only_where_they_are_mismatches() -> None:
    wrong, real = torch.tensor([0.0, 100.0]), torch.tensor([0.0, 0.0])
    applies = torch.tensor([True, False])
    assert gan.mismatched_classic(wrong, applies).item() == pytest.approx(math.log(2))
    assert gan.mismatched_relativistic(real, wrong, applies).item() == pytest.approx(math.log(2))
    assert gan.mismatched_classic(wrong, ~applies & False).item() == 0


def test_penalty_of_a_quadratic_is_its_squared_gradient_and_differentiable() -> None:
    weight = torch.tensor(1.5, requires_grad=True)
    pictures = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    penalty = gan.zero_centred_penalty(lambda x: weight * x.square().flatten(1).sum(1), pictures)
    size = pictures.square().flatten(1).sum(1).mean().item()  # gradient 2 w x, so E|.|^2 = 4 w^2 E|x|^2
    assert penalty.item() == pytest.approx(4 * 1.5**2 * size, rel=1e-5)
    penalty.backward()
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(8 * 1.5 * size, rel=1e-5)


def test_divergence_is_that_of_two_normals() -> None:
    mean, variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[2.0, 0.25]])
    parts = [torch.distributions.Normal(m, v.sqrt()) for m, v in zip(mean[0], variance[0], strict=True)]
    expected = sum(torch.distributions.kl_divergence(p, torch.distributions.Normal(0.0, 1.0)) for p in parts)
    torch.testing.assert_close(gan.conditioning_divergence(mean, variance.log()), expected)
    assert gan.conditioning_divergence(torch.zeros(3, 4), torch.zeros(3, 4)).item() == 0


def test_mode_seeking_pays_for_pictures_that_ignore_their_latent() -> None:
    latent, other = torch.zeros(4, 8), torch.ones(4, 8)
    first = torch.zeros(4, 3, 2, 2)
    near, far = (gan.mode_seeking(first, first + step, latent, other).item() for step in (0.1, 0.4))
    assert (near, far) == (pytest.approx(10, rel=1e-3), pytest.approx(2.5, rel=1e-3))
    assert gan.mode_seeking(first, first, latent, other).item() == pytest.approx(1e5)


def test_latent_divergence_counts_every_dimension_as_at_least_its_free_bits() -> None:
    mean, log_variance = torch.tensor([[0.5, 0.0], [-1.0, 0.0]]), torch.zeros(2, 2)
    expected = (0.5**2 + 1) / 4  # mean over the batch of m^2 / 2; the second dimension is the prior itself
    assert vae.latent_divergence(mean, log_variance, 0.0).item() == pytest.approx(expected)
    assert vae.latent_divergence(mean, log_variance, 0.1).item() == pytest.approx(expected + 0.1)
    torch.testing.assert_close(
        vae.latent_divergence(mean, log_variance, 0.0), gan.conditioning_divergence(mean, log_variance)
    )
    assert [vae.beta_weight(p, 0.01, 0.5) for p in (0, 0.25, 0.5, 1)] == [0, 0.005, 0.01, 0.01]


def test_a_reparameterised_draw_has_the_mean_and_deviation() -> None:
    noise = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    mean = torch.full_like(noise, 2.0, requires_grad=True)
    drawn = vae.reparameterised(mean, torch.full_like(noise, 2 * math.log(0.5)), noise)
    assert drawn.mean().item() == pytest.approx(2, abs=0.02) and drawn.std().item() == pytest.approx(0.5, abs=0.02)
    drawn.sum().backward()
    assert mean.grad is not None and (mean.grad == 1).all()


def test_flow_loss_is_the_error_of_the_velocity() -> None:
    generator = torch.Generator().manual_seed(2)
    x, noise, guess = torch.randn(3, 2, 3, 4, 4, generator=generator)
    time = torch.tensor([0.2, 0.9])
    at = flow.noised(x, noise, time)
    gap = (1 - time).view(-1, 1, 1, 1)
    velocity = (guess - at) / gap
    torch.testing.assert_close(flow.velocity_loss(guess, x, time, 0.05), (velocity - (x - noise)).square().mean())


def test_folded_guidance_moves_only_what_it_applies_to() -> None:
    x, told, untold = torch.randn(3, 2, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    folded = flow.folded_target(x, told, untold, 3.0, torch.tensor([True, False]))
    torch.testing.assert_close(folded[0], x[0] + 2 * (told - untold)[0])
    assert torch.equal(folded[1], x[1])
    assert torch.equal(flow.folded_target(x, told, untold, 1.0, torch.tensor([True, True])), x)


def test_augmentation_moves_products_and_keeps_their_colours() -> None:
    pictures = torch.ones(16, 3, 32, 32)
    pictures[:, :, 12:20, 12:20] = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(4)).clamp(-1, 0.9)
    spec = AugmentSpec(share=1.0, translate=0.2, zoom=0.0, flip=0.5)
    moved = move(pictures, draw_transforms(spec, 16, 32, torch.Generator().manual_seed(5)))
    assert not torch.allclose(moved, pictures)
    before, after = (p.permute(0, 2, 3, 1).reshape(16, -1, 3) for p in (pictures, moved))
    for channel in range(3):  # the histogram of every channel, exactly: sorted values
        torch.testing.assert_close(before[..., channel].sort(1)[0], after[..., channel].sort(1)[0], atol=1e-4, rtol=0)


def test_zoom_mixes_no_new_colours_and_fills_with_white() -> None:
    pictures = torch.full((8, 3, 32, 32), 0.25)
    spec = AugmentSpec(share=1.0, translate=0.1, zoom=0.3, flip=0.0)
    moved = move(pictures, draw_transforms(spec, 8, 32, torch.Generator().manual_seed(6)))
    assert moved.min() >= 0.25 - 1e-5
    assert moved.max() <= 1 + 1e-5
    torch.testing.assert_close(moved[:, 0], moved[:, 2])  # channels move together


def test_no_share_is_no_change_and_gradients_pass() -> None:
    pictures = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(7)).requires_grad_(True)
    still = draw_transforms(AugmentSpec(0.0, 0.2, 0.2, 1.0), 4, 16, torch.Generator().manual_seed(8))
    moved = move(pictures, still)
    torch.testing.assert_close(moved, pictures)
    moved.sum().backward()
    torch.testing.assert_close(pictures.grad, torch.ones_like(pictures))
