"""The table of kinds of jobs."""

from __future__ import annotations

from packshot.server.tasks import generate
from packshot.server.tasks.interface import Task

TASKS: dict[str, Task] = {
    task.kind: task
    for task in (Task("generation", "quick", generate.generate, generate.expected_seconds, generate.warm),)
}
