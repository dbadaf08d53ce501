"""A listing run: from a catalogue to a store of pictures with its manifest, resumable whenever it was stopped.

Pictures are written first, whole or not at all; then one process adds the picture's line to the manifest. A picture is
there when its line and its file agree, so whatever a killed run leaves half done is made again, and nothing twice.
"""

from __future__ import annotations

import hashlib
import statistics
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from packshot.editing.files import certificate_path
from packshot.errors import MissingExtraError, OutputError, PackError, PackshotError
from packshot.images import canonical_json
from packshot.listing.executors import Workforce
from packshot.listing.grouping import Group, answers
from packshot.listing.journal import (
    FAILURES,
    MANIFEST,
    Line,
    append,
    made_before,
    read_lines,
    rewrite,
)
from packshot.listing.making import Made, RefusedError, Setting, make, reason_of
from packshot.listing.plan import PlannedPicture, Refused
from packshot.listing.pool import WorkerDiedError
from packshot.listing.products import Problem
from packshot.listing.readiness import Needs, needs
from packshot.listing.store import Journal, Store, Written
from packshot.provenance.credentials import SigningError

USUAL_SECONDS = {"photo": 1.5, "crop": 1.5, "recolour": 3.0, "words": 2.5}
"""For one picture on one core, by means: for estimates as long as the folder has no times of its own."""

Progress = Callable[["Tally"], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What a run shall make.

    Attributes:
        out: where the pictures go.
        setting: what all pictures depend on.
        planned: pictures.
        lost: rows, photos and pictures of sets of which nothing will be made.
    """

    out: Store
    setting: Setting
    planned: Sequence[PlannedPicture]
    lost: Sequence[Problem | Refused]


@dataclass(slots=True)
class Tally:
    """How far a run is.

    Attributes:
        total: pictures that are planned.
        there: made by an earlier run.
        known: failed in an earlier run, and not tried again.
        todo: pictures to make now.
        made: of these.
        failed: of these.
        lost: rows, photos and pictures of sets that nothing is made of.
        began: `time.monotonic` of the start.
    """

    total: int
    there: int
    known: int
    todo: int
    lost: int
    began: float
    made: int = 0
    failed: int = 0

    @property
    def clean(self) -> bool:
        """Whether every picture of every set is there."""
        return not (self.failed or self.known or self.lost) and self.there + self.made == self.total

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("total", "there", "known", "todo", "made", "failed", "lost")
        return {name: getattr(self, name) for name in names} | {"seconds": round(time.monotonic() - self.began, 2)}

    def line(self) -> str:
        """For people: how far, how fast, how long still."""
        done, passed = self.made + self.failed, time.monotonic() - self.began
        rate = done / passed if passed else 0.0
        left = f"{_spoken((self.todo - done) / rate)} left" if rate else "time left not known yet"
        return f"{done:,} of {self.todo:,} pictures, {self.failed:,} failed, {rate:.2f} a second, {left}"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a worker sends back, as plain values: one of a manifest's line, a failure's, or a reason to stop it all."""

    made: Line | None = None
    failed: Line | None = None
    stop: tuple[str, str, str] | None = None


def run(
    job: Job, *, workforce: Workforce, only_failures: bool = False, progress: Progress = lambda tally: None
) -> Tally:
    """Make what is missing.

    Args:
        job: see there.
        workforce: who makes them.
        only_failures: try again what failed before, and nothing else.
        progress: called after every picture.

    Raises:
        OutputError: the store can't be written to, or another run writes there. What was made stays; run again.
        PackshotError: something is missing that every picture needs.
    """
    with job.out.alone() as journal:
        kept, there, failed = _before(job)
        rewrite(journal, MANIFEST, kept.values())
        todo = _todo(job, there, failed, only_failures)
        known = len(failed.keys() - {picture.key for picture in todo})
        lost = [_lost(each) for each in job.lost]
        rewrite(journal, FAILURES, [*lost, *failed.values()])
        tally = Tally(len(job.planned), len(there), known, len(todo), len(lost), time.monotonic())
        with needs(job.out, job.setting, todo) if workforce.elsewhere else nullcontext() as needed:
            executor = workforce.open(partial(_make_group, job.out, job.setting), partial(_begin, needed))
            with closing(answers(executor, todo, workforce.size())) as given:
                for picture, answer in given:
                    _note(journal, picture, answer, failed, tally)
                    progress(tally)
        rewrite(journal, FAILURES, [*lost, *failed.values()])
        return tally


def foreseen(job: Job, *, workers: int, only_failures: bool = False) -> dict[str, Any]:
    """Counts, and seconds as far as they can be foreseen; writes nothing."""
    _, there, failed = _before(job)
    todo = _todo(job, there, failed, only_failures)
    own = [float(line["seconds"]) for line in there.values()]
    seconds = len(todo) * statistics.fmean(own) if own else sum(USUAL_SECONDS[picture.means] for picture in todo)
    return {
        "planned": len(job.planned),
        "there": len(there),
        "failed_before": len(failed),
        "to_make": len(todo),
        "lost": Counter(_lost(each)["kind"] for each in job.lost),
        "by_channel_and_role": Counter(f"{picture.channel} {picture.role}" for picture in job.planned),
        "by_path": Counter(str(picture.path) for picture in job.planned),
        "seconds": round(seconds / max(1, workers), 1),
        "from": "the times of this folder" if own else "usual times of one core",
    }


def digest_of(*files: Path | None) -> str:
    """One digest of the contents of files that all pictures depend on; of None it is that there is none."""
    digests = [None if file is None else hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256(canonical_json({"files": digests}).encode()).hexdigest()


def _before(job: Job) -> tuple[dict[str, Line], dict[str, Line], dict[str, Line]]:
    """Lines by key of all pictures that are there, of the planned ones that are, and of planned ones that failed."""
    names = {picture.key: picture.name for picture in job.planned}
    kept = made_before(job.out, names)
    there = {key: line for key, line in kept.items() if key in names}
    rows = (row for row in read_lines(job.out, FAILURES) if "key" in row)
    return kept, there, {row["key"]: row for row in rows if row["key"] in names and row["key"] not in there}


def _todo(job: Job, there: dict[str, Line], failed: dict[str, Line], only_failures: bool) -> list[PlannedPicture]:
    if only_failures:
        return [picture for picture in job.planned if picture.key in failed]
    return [picture for picture in job.planned if picture.key not in there and picture.key not in failed]


def _note(
    journal: Journal, picture: PlannedPicture, answer: _Answer | WorkerDiedError, failed: dict[str, Line], tally: Tally
) -> None:
    """Write down what came of a picture."""
    if isinstance(answer, WorkerDiedError):
        answer = _Answer(failed=_failure(picture, "worker", str(answer)))
    if answer.stop is not None:
        raise OutputError(*answer.stop)
    if answer.made is not None:
        append(journal, MANIFEST, answer.made)
        failed.pop(picture.key, None)
        tally.made += 1
    elif answer.failed is not None:
        append(journal, FAILURES, answer.failed)
        failed[picture.key] = answer.failed
        tally.failed += 1


def _make_group(out: Store, setting: Setting, group: Group) -> list[_Answer]:
    """In a worker: make pictures of one photo; fewer answers than pictures where the last says that all must stop."""
    found: list[_Answer] = []
    for picture in group:
        found.append(_make_one(out, setting, picture))
        if found[-1].stop is not None:
            break
    return found


def _make_one(out: Store, setting: Setting, picture: PlannedPicture) -> _Answer:
    """In a worker: make a picture and put it in its place."""
    began = time.perf_counter()
    try:
        made = make(picture, setting)
        return _Answer(made=_written(out, picture, made, began))
    except (OutputError, MissingExtraError, PackError, SigningError) as error:  # as for this picture, so for all others
        return _Answer(stop=(error.where, error.got, error.accepted))
    except (RefusedError, PackshotError) as error:
        return _Answer(failed=_failure(picture, "refused", reason_of(error)))
    except Exception as error:  # a bug with one picture must not cost the night's work on the others
        row = _failure(picture, "bug", reason_of(error))
        return _Answer(failed={**row, "trace": traceback.format_exc()})


def _written(out: Store, picture: PlannedPicture, made: Made, began: float) -> Line:
    """The manifest's line of a picture that is now in its place."""
    file, beside = Written.of(picture.name, made.data), certificate_path(Path(picture.name)).as_posix()
    certificate: dict[str, str | None] = dict.fromkeys(("certificate", "certificate_sha256", "certificate_md5"))
    if made.certificate is None:
        out.remove(beside)  # of another picture that had this name
    else:
        text = canonical_json(made.certificate).encode()
        out.write(beside, text)
        written = Written.of(beside, text)
        certificate = {"certificate": beside, "certificate_sha256": written.sha256, "certificate_md5": written.md5}
    out.write(picture.name, made.data)
    return {
        **picture.as_dict(),
        "sha256": file.sha256,
        "md5": file.md5,
        "bytes": len(made.data),
        **certificate,
        "packs": dict(made.packs),
        "done": list(made.done),
        "verdicts": [verdict.as_dict() for verdict in made.verdicts],
        "labels": dict(made.labels),
        "safety": dict(made.safety),
        "seconds": round(time.perf_counter() - began, 3),
    }


def _failure(picture: PlannedPicture, kind: str, reason: str) -> Line:
    return {"kind": kind, **picture.as_dict(), "reason": reason}


def _lost(each: Problem | Refused) -> Line:
    return {"kind": "set" if isinstance(each, Refused) else each.lost, **each.as_dict()}


def _begin(needed: Needs | None) -> None:
    """In a worker: cores are used by making several pictures at once, on machines that have what is needed."""
    import cv2

    cv2.setNumThreads(1)
    if needed is not None:
        needed.check()


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes >= 5 else f"{60 * minutes + rest} s"


def split(items: Iterable[PlannedPicture | Refused]) -> tuple[list[PlannedPicture], list[Refused]]:
    """What is to be made, and what of the sets is not."""
    planned: list[PlannedPicture] = []
    refused: list[Refused] = []
    for item in items:
        if isinstance(item, PlannedPicture):
            planned.append(item)
        else:
            refused.append(item)
    return planned, refused
