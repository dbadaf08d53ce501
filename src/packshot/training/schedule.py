"""Learning rate and moving average over the course of a run, as pure functions."""

from __future__ import annotations

from packshot.training.sections import LoopRecipe, OptimiserRecipe


def progress(step: int, minutes: float, recipe: LoopRecipe) -> float:
    """Share of the run that is over, 0 to 1: in minutes where they are limited, else in steps."""
    return min(1.0, minutes / recipe.max_minutes if recipe.max_minutes else step / recipe.steps)


def rate_factor(step: int, progress: float, recipe: OptimiserRecipe) -> float:
    """Share of the peak learning rate: linear warm-up in steps, linear decay over the last part of the run.

    Args:
        step: steps taken before this one.
        progress: see the function of that name.
        recipe: lengths of both phases.
    """
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    return warm * min(1.0, max(recipe.decay_floor, (1 - progress) / recipe.decay_share))


def average_decay(step: int, recipe: OptimiserRecipe) -> float:
    """How much of the moving average stays after step number `step` (counted from 1): short memory while young."""
    latest = recipe.ema_early_decay if step < recipe.ema_early_steps else recipe.ema_decay
    return min(latest, (1 + step) / (10 + step))
