"""Learning rate and moving average over the course of a run, as pure functions."""

from __future__ import annotations

from packshot.training.sections import OptimiserRecipe


def rate_factor(step: int, progress: float, recipe: OptimiserRecipe) -> float:
    """Share of the peak learning rate: linear warm-up in steps, linear decay over the last part of the run.

    Args:
        step: steps taken before this one.
        progress: share of the run that is over, in minutes where they are limited, else in steps; 0 to 1.
        recipe: lengths of both phases.
    """
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return warm * min(1.0, max(recipe.decay_floor, (1 - progress) / recipe.decay_share))


def average_decay(step: int, recipe: OptimiserRecipe) -> float:
    """How much of the moving average stays after step number `step` (counted from 1): short memory while young."""
    latest = recipe.ema_early_decay if step < recipe.ema_early_steps else recipe.ema_decay
    return min(latest, (1 + step) / (10 + step))
