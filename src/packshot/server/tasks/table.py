"""The table of kinds of jobs."""

from __future__ import annotations

from packshot.server.tasks import check, edit, generate, listing, training, verify
from packshot.server.tasks.interface import Task

TASKS: dict[str, Task] = {
    task.kind: task
    for task in (
        Task("generation", "quick", generate.generate, generate.expected_seconds, generate.warm),
        Task("edit", "quick", edit.edit, edit.expected_seconds),
        Task("check", "quick", check.check, check.expected_seconds),
        Task("verify", "quick", verify.verify, verify.expected_seconds),
        Task("listing", "slow", listing.make, listing.expected_seconds, grace_seconds=15.0),
        Task(
            "training",
            "slow",
            training.train,
            training.expected_seconds,
            grace_seconds=training.CHECKPOINT_SECONDS + 15.0,
        ),
    )
}
