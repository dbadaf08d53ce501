"""Whole catalogues: `packshot listing` on files of its own, which any server's retry goes on with."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from packshot.errors import OutputError, RequestError
from packshot.listing.journal import FAILURES
from packshot.listing.remote import RemoteStore
from packshot.listing.store import LocalStore
from packshot.server import stock
from packshot.server.ids import is_id
from packshot.server.settings import Settings
from packshot.server.shared import asked, shared
from packshot.server.tasks.desk import Desk
from packshot.server.tasks.interface import Context, Outcome
from packshot.server.tasks.packs import plain_pack
from packshot.server.tasks.processes import LOG, Command, run

FOLDER, PHOTOS, OUT, REJECTED = "listings", "photos", "out", "rejected.json"
MOST_CHANNELS = 20
SECONDS = 60.0
PATIENCE_SECONDS = 5.0
"""For a run to write its last lines and to give its store back, when it is stopped."""

KEPT_SECONDS, LOG_BYTES = 2.0, 20_000
_LAST_JOB = "job.txt"
_HOW_FAR = re.compile(r"([\d,]+) of ([\d,]+) pictures, ([\d,]+) failed")


def files_of(settings: Settings, request: Mapping[str, Any]) -> LocalStore | RemoteStore:
    """A listing's table, photos and pictures, as every server sees them."""
    identity = str(request["folder"])
    if not is_id(identity, "listing"):
        raise RequestError("folder", f"'{identity[:80]}'", "listing_…")
    return shared(settings, FOLDER, identity)


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
    files, table = files_of(context.settings, request), str(request["table"])
    with Desk(context) as desk:
        if not files.fetch(table, desk.folder / table):
            raise RequestError("listing", "a folder that is gone", "a new listing")
        _try_failures_again(files, context.job_id)
        stock.bring(context.settings, request["pack"] or context.settings.pack)
        context.progress(0, 0, "reading the catalogue")
        words = _words(request, desk.folder, files, context.settings)
        command = Command(words, desk.folder, PATIENCE_SECONDS, places=(files.shown(),))
        log = Log(command, files)
        try:
            ended = run(command, context, log.how_far)
        finally:
            log.keep()
        try:
            tally = json.loads(ended.out)
        except ValueError:  # an exit status of 1 without a word is that of a bug
            raise RuntimeError(f"packshot listing ended with status {ended.status}: {log.read()[-4000:]}") from None
    names = ("total", "made", "there", "known", "failed", "lost", "seconds")
    return Outcome({name: tally[name] for name in names})


def expected_seconds(request: Mapping[str, Any]) -> float:
    """Nobody knows before the table is read; slow jobs are counted, not timed."""
    return SECONDS


class Log:
    """What a run says of itself on its standard error.

    Args:
        command: of the run.
        files: of the listing, which get its beginning: how the table was read.
    """

    def __init__(self, command: Command, files: LocalStore | RemoteStore) -> None:
        self.path, self._told = command.folder / LOG, command.told
        self.files = asked(files)  # whoever follows the run may cancel it meanwhile
        self._kept, self._looked = -1, 0.0

    def how_far(self) -> tuple[float, float, str]:
        """Done, total, and in words."""
        lines = _HOW_FAR.findall(self.read())
        if time.monotonic() - self._looked > KEPT_SECONDS:
            self._looked = time.monotonic()
            self.keep()
        if not lines:
            return 0, 0, "reading the catalogue"
        done, total, failed = (int(number.replace(",", "")) for number in lines[-1])
        return done, total, f"{done - failed:,} pictures made, {failed:,} failed"

    def read(self) -> str:
        """Its beginning and its end."""
        with suppress(FileNotFoundError), self.path.open("rb") as log:
            begin, size = log.read(LOG_BYTES), self.path.stat().st_size
            log.seek(max(len(begin), size - LOG_BYTES))
            return (begin + log.read()).decode(errors="replace")
        return ""

    def keep(self) -> None:
        """Let other servers read its beginning. It is for people: what is wrong with the store, the run itself says."""
        with suppress(FileNotFoundError, OutputError), self.path.open("rb") as log:
            begin = log.read(LOG_BYTES)
            if len(begin) != self._kept:
                self.files.write(LOG, self._told(begin.decode(errors="replace")).encode())
                self._kept = len(begin)


def rejected(files: LocalStore | RemoteStore) -> set[str]:
    """Keys of pictures that somebody does not want."""
    return set(json.loads(files.read(REJECTED) or b"[]"))


def reject(files: LocalStore | RemoteStore, keys: set[str], *, wanted: bool) -> set[str]:
    """Reject pictures, or take that back; all that are rejected now. One at a time: the caller sees to that."""
    now = rejected(files) - keys if wanted else rejected(files) | keys
    files.write(REJECTED, json.dumps(sorted(now)).encode())
    return now


def _words(request: Mapping[str, Any], folder: Path, files: LocalStore | RemoteStore, settings: Settings) -> list[str]:
    """What to say after `packshot`; every value in one word with its option, so that none is taken for an option."""
    photos = files.shown(PHOTOS)
    if not request["photos"]:  # buckets have no folders that are empty
        (folder / PHOTOS).mkdir()
        photos = str(folder / PHOTOS)
    words = ["listing", str(folder / request["table"]), f"--out={files.shown(OUT)}", "--json", "--executor=local"]
    words += [f"--channels={','.join(request['channels'])}", f"--backend={settings.backend}", "--tell-every=0.5"]
    words += [f"--pack={request['pack'] or settings.pack}", f"--producer={request['producer'] or settings.producer}"]
    words += ["--words-only"] if request["words_only"] else [f"--photos={photos}"]
    words += [f"--{name}={request[name]}" for name in ("columns", "sheet", "template") if request[name]]
    return words


def _try_failures_again(files: LocalStore | RemoteStore, job_id: str) -> None:
    """Another job than the last one in this folder is a retry: what failed before is to be tried again."""
    last = files.read(_LAST_JOB)
    if last is not None and last != job_id.encode():
        files.below(OUT).forget(FAILURES)
    if last != job_id.encode():
        files.write(_LAST_JOB, job_id.encode())
