"""Whole catalogues: `packshot listing` in a folder of its own, which a retry goes on in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from packshot.errors import RequestError
from packshot.images import write_atomically
from packshot.listing.journal import FAILURES, MANIFEST
from packshot.server.ids import is_id
from packshot.server.settings import Settings
from packshot.server.tasks.interface import Context, Outcome
from packshot.server.tasks.packs import plain_pack
from packshot.server.tasks.processes import LOG, Command, run

FOLDER, PHOTOS, OUT, REJECTED = "listings", "photos", "out", "rejected.json"
MOST_CHANNELS = 20
SECONDS = 60.0
_LAST_JOB = "job.txt"
_HOW_FAR = re.compile(r"([\d,]+) of ([\d,]+) pictures")


def folder_of(settings: Settings, request: Mapping[str, Any]) -> Path:
    """Where a listing's table, photos and pictures lie."""
    identity = str(request["folder"])
    if not is_id(identity, "listing"):
        raise RequestError("folder", f"'{identity[:80]}'", "listing_…")
    return settings.home / FOLDER / identity


def understood(request: Mapping[str, Any], settings: Settings) -> None:
    """Check a request before it is accepted; the table and the photos are read by the job.

    Raises:
        PackshotError: it can't be done; says why.
    """
    from packshot.listing.channels import find_channel, load_channels
    from packshot.listing.columns import read_choice
    from packshot.listing.names import check_template

    channels = request["channels"]
    if not 1 <= len(channels) <= MOST_CHANNELS or len(set(channels)) < len(channels):
        raise RequestError("channels", len(channels), f"1 to {MOST_CHANNELS}, each once; GET /v1/channels lists them")
    known = load_channels()
    for name in channels:
        find_channel(name, known)
    if request["columns"]:
        read_choice(request["columns"])
    if request["template"]:
        check_template(request["template"])
    plain_pack(request["pack"] or settings.pack)
    if request["words_only"] and request["photos"]:
        raise RequestError("words_only", "photos, too", "one of the two")


def make(request: Mapping[str, Any], context: Context) -> Outcome:
    """Make the pictures of a catalogue that are missing."""
    folder = folder_of(context.settings, request)
    if not (folder / request["table"]).is_file():
        raise RequestError("listing", "a folder that is gone", "a new listing")
    out = folder / OUT
    out.mkdir(exist_ok=True)
    _try_failures_again(folder, context.job_id)
    context.progress(0, 0, "reading the catalogue")
    count = Count(folder)
    ended = run(Command(_words(request, folder, context.settings), folder), context, count.how_far)
    try:
        tally = json.loads(ended.out)
    except ValueError:  # an exit status of 1 without a word is that of a bug
        log = (folder / LOG).read_text("utf-8", "replace")
        raise RuntimeError(f"packshot listing ended with status {ended.status}: {log[-4000:]}") from None
    names = ("total", "made", "there", "known", "failed", "lost", "seconds")
    return Outcome({name: tally[name] for name in names})


def expected_seconds(request: Mapping[str, Any]) -> float:
    """Nobody knows before the table is read; slow jobs are counted, not timed."""
    return SECONDS


class Count:
    """How far a run is, by its own words and the lines that it has written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begin = _size(folder / LOG)
        self.before = lines_in(folder / OUT / MANIFEST)
        self.planned = 0

    def how_far(self) -> tuple[float, float, str]:
        """Done, total, and in words."""
        if not self.planned:
            self.planned = self._planned()
        made, failed = lines_in(self.folder / OUT / MANIFEST), lines_in(self.folder / OUT / FAILURES, b'"key"')
        if not self.planned:
            return 0, 0, "reading the catalogue"
        new = max(0, made - self.before)
        return min(self.planned, new + failed), self.planned, f"{made:,} pictures made, {failed:,} failed"

    def _planned(self) -> int:
        with (self.folder / LOG).open("rb") as log:
            log.seek(self.begin)
            found = _HOW_FAR.search(log.read(200_000).decode(errors="replace"))
        return int(found[2].replace(",", "")) if found else 0


def lines_in(path: Path, holding: bytes = b"") -> int:
    """Whole lines of a file; none where there is no file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return 0
    return sum(holding in line for line in content.split(b"\n")[:-1]) if holding else content.count(b"\n")


def rejected(folder: Path) -> set[str]:
    """Keys of pictures that somebody does not want."""
    try:
        return set(json.loads((folder / REJECTED).read_bytes()))
    except FileNotFoundError:
        return set()


def reject(folder: Path, keys: set[str], *, wanted: bool) -> set[str]:
    """Reject pictures, or take that back; all that are rejected now."""
    now = rejected(folder) - keys if wanted else rejected(folder) | keys
    write_atomically(folder / REJECTED, json.dumps(sorted(now)).encode())
    return now


def _words(request: Mapping[str, Any], folder: Path, settings: Settings) -> list[str]:
    """What to say after `packshot`; every value in one word with its option, so that none is taken for an option."""
    words = ["listing", str(folder / request["table"]), f"--out={folder / OUT}", "--json", "--executor=local"]
    words += [f"--channels={','.join(request['channels'])}", f"--backend={settings.backend}"]
    words += [f"--pack={request['pack'] or settings.pack}", f"--producer={request['producer'] or settings.producer}"]
    words += ["--words-only"] if request["words_only"] else [f"--photos={folder / PHOTOS}"]
    words += [f"--{name}={request[name]}" for name in ("columns", "sheet", "template") if request[name]]
    return words


def _try_failures_again(folder: Path, job_id: str) -> None:
    """Another job than the last one in this folder is a retry: what failed before is to be tried again."""
    last = folder / _LAST_JOB
    with suppress(FileNotFoundError):
        if last.read_text("ascii") != job_id:
            (folder / OUT / FAILURES).unlink(missing_ok=True)
    write_atomically(last, job_id.encode())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
