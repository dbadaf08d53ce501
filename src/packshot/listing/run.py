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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from packshot.editing.files import certificate_path
from packshot.errors import MissingExtraError, OutputError, PackError, PackshotError
from packshot.images import canonical_json
from packshot.listing.contact_sheet import PAGE, ContactSheet
from packshot.listing.executors import Workforce
from packshot.listing.grouping import Group, answers
from packshot.listing.journal import (
    FAILURES,
    MANIFEST,
    Line,
    append,
    files_of,
    made_before,
    read_lines,
    rewrite,
)
from packshot.listing.making import Made, RefusedError, Setting, make, reason_of
from packshot.listing.plan import PlannedPicture, Refused
from packshot.listing.pool import WorkerDiedError
from packshot.listing.products import Problem
from packshot.listing.readiness import Needs, needs
from packshot.listing.rejecting import REJECTED, REMADE, Obeyed, Orders, as_remade, obeyed
from packshot.listing.store import Journal, Store, Written
from packshot.provenance.credentials import SigningError

USUAL_SECONDS = {"photo": (0.5, 0.8), "crop": (0.4, 0.0), "recolour": (0.3, 0.5), "words": (1.1, 0.0)}
"""For one picture on one idle core, by means: seconds, and those for each megapixel of its photo up to `_LARGEST_MP`;
measured on photos of 0.2 and 1.9 megapixels. For estimates as long as the folder has no times of its own."""
_LARGEST_MP = 4.0  # about where channels' canvases end

NO_ORDERS = Orders()

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
        rejected: taken out because a person said so.
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
    rejected: int = 0
    made: int = 0
    failed: int = 0

    @property
    def clean(self) -> bool:
        """Whether every picture of every set is there, but for those that were rejected."""
        missing = self.total - self.there - self.made - self.rejected
        return not (self.failed or self.known or self.lost or missing)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("total", "there", "known", "rejected", "todo", "made", "failed", "lost")
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
    job: Job,
    *,
    workforce: Workforce,
    only_failures: bool = False,
    orders: Orders = NO_ORDERS,
    progress: Progress = lambda tally: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Tally:
    """Make what is missing, and a page to look through it.

    Args:
        job: see there.
        workforce: who makes them.
        only_failures: try again what failed before, and nothing else; what was rejected did not fail.
        orders: pictures to take out, and to make anew.
        progress: called after every picture.
        tell: called with a line on orders that could not be followed as they were meant.

    Raises:
        OutputError: the store can't be written to, or another run writes there. What was made stays; run again.
        PackshotError: something is missing that every picture needs.
    """
    with job.out.alone() as journal:
        state, given_up = _before(job, orders)
        failed, lost = state.failed, [_lost(each) for each in job.lost]
        for line in state.said:
            tell(line)
        if state.remade:  # first of all what is decided: then being killed undoes nothing
            rewrite(journal, REMADE, [*given_up, *state.remade])
        rewrite(journal, FAILURES, [*lost, *failed.values()])
        for file in (file for line in state.gone for file in files_of(line)):
            job.out.remove(file.name)
        rewrite(journal, MANIFEST, state.kept.values())
        todo = _todo(state, only_failures)
        tally, sheet = _tally(state, todo, len(lost)), _sheet(job, state)
        with _answers(job, workforce, todo) as given:
            for picture, answer in given:
                if (made := _note(journal, picture, answer, failed, tally)) is not None:
                    sheet.add(made)
                progress(tally)
        rewrite(journal, FAILURES, [*lost, *failed.values()])
        for row in (*lost, *failed.values()):
            sheet.lack(row)
        job.out.write(PAGE, sheet.page())
        return tally


@contextmanager
def _answers(
    job: Job, workforce: Workforce, todo: Sequence[PlannedPicture]
) -> Iterator[Iterable[tuple[PlannedPicture, _Answer | WorkerDiedError]]]:
    """What comes of pictures, as it comes."""
    with needs(job.out, job.setting, todo) if workforce.elsewhere else nullcontext() as needed:
        executor = workforce.open(partial(_make_group, job.out, job.setting), partial(_begin, needed))
        with closing(answers(executor, todo, workforce.size())) as given:
            yield given


def foreseen(job: Job, *, workers: int, only_failures: bool = False, orders: Orders = NO_ORDERS) -> dict[str, Any]:
    """Counts, and seconds as far as they can be foreseen; writes nothing."""
    state, _ = _before(job, orders)
    todo = _todo(state, only_failures)
    tally = _tally(state, todo, len(job.lost))
    own = [float(line["seconds"]) for line in state.kept.values()]
    seconds = len(todo) * statistics.fmean(own) if own else sum(map(_usual_seconds, todo))
    return {
        "planned": len(job.planned),
        "there": tally.there,
        "failed_before": len(state.failed) - tally.rejected,
        "rejected": tally.rejected,
        "to_make": len(todo),
        "lost": Counter(_lost(each)["kind"] for each in job.lost),
        "by_channel_and_role": Counter(f"{picture.channel} {picture.role}" for picture in job.planned),
        "by_path": Counter(str(picture.path) for picture in job.planned),
        "seconds": round(seconds / max(1, workers), 1),
        "from": "the times of this folder" if own else "usual times of one core",
    }


def _usual_seconds(picture: PlannedPicture) -> float:
    once, more = USUAL_SECONDS[picture.means]
    photo = picture.photo
    return once + more * min(_LARGEST_MP, photo.width_px * photo.height_px / 1e6 if photo is not None else 0.0)


def digest_of(*files: Path | None) -> str:
    """One digest of the contents of files that all pictures depend on; of None it is that there is none."""
    digests = [None if file is None else hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256(canonical_json({"files": digests}).encode()).hexdigest()


def _before(job: Job, orders: Orders) -> tuple[Obeyed, list[Line]]:
    """What earlier runs made and what failed, and what the orders make of it; lines of keys given up before."""
    given_up = [row for row in read_lines(job.out, REMADE) if "key" in row]
    keys = {str(row["key"]) for row in given_up}
    planned = as_remade(job.planned, keys)
    kept = made_before(job.out, {picture.key: picture.name for picture in planned})
    return obeyed(planned, kept, read_lines(job.out, FAILURES), keys, orders), given_up


def _todo(state: Obeyed, only_failures: bool) -> list[PlannedPicture]:
    if only_failures:
        failed = {key for key, row in state.failed.items() if row["kind"] != REJECTED}
        return [picture for picture in state.planned if picture.key in failed]
    return [picture for picture in state.planned if picture.key not in state.kept and picture.key not in state.failed]


def _tally(state: Obeyed, todo: Sequence[PlannedPicture], lost: int) -> Tally:
    there = sum(picture.key in state.kept for picture in state.planned)
    rejected = sum(row["kind"] == REJECTED for row in state.failed.values())
    known = len(state.failed.keys() - {picture.key for picture in todo}) - rejected
    return Tally(len(state.planned), there, known, len(todo), lost, time.monotonic(), rejected)


def _sheet(job: Job, state: Obeyed) -> ContactSheet:
    """The page of what is there already, to which the rest is added as it comes."""
    titles = {name: (channel.title, channel.title_zh) for name, channel in job.setting.channels.items()}
    sheet = ContactSheet(titles, (picture.sku for picture in state.planned))
    for line in state.kept.values():
        sheet.add(line)
    return sheet


def _note(
    journal: Journal, picture: PlannedPicture, answer: _Answer | WorkerDiedError, failed: dict[str, Line], tally: Tally
) -> Line | None:
    """Write down what came of a picture; the manifest's new line, if there is one."""
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
    return answer.made


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
