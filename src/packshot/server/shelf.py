"""Packs that were trained here: whose they are, and taking one away. What a pack is, `packshot.packs` knows."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from packshot.errors import RequestError
from packshot.packs import available
from packshot.server import stock
from packshot.server.database import Database
from packshot.server.problems import ProblemError, not_found
from packshot.server.security.scopes import Principal
from packshot.server.settings import Settings
from packshot.server.tables import jobs
from packshot.server.tasks import packs

GONE = "deleted"
"""In the server's home: packs on their way out."""


def removable(who: Principal, database: Database, settings: Settings) -> set[str]:
    """Names of the packs that somebody may delete: those of their own trainings; for the scope `admin` all of them."""
    trained = packs.trained(settings.home)
    if not who.may("train"):
        return set()
    if who.view is None:
        return trained.keys() - {settings.pack}
    trainings = {name: packs.training_of(folder) for name, folder in trained.items()}
    owners = _owners(database, trainings.values())
    return {name for name, training in trainings.items() if owners.get(training) == who.id} - {settings.pack}


def remove(name: str, who: Principal, database: Database, settings: Settings) -> None:
    """Delete a pack that was trained here; from here on it can't be found, and its name is free.

    Raises:
        ProblemError: there is none, it is another's, or it is needed.
        RequestError: it was not trained here.
        OutputError: the bucket cannot be written; the pack stays.
    """
    trained = packs.trained(settings.home)
    if name not in trained:
        if name not in available():
            raise not_found("pack")
        own = ", ".join(sorted(removable(who, database, settings))) or "there is none"
        raise RequestError("pack", f"'{name}', which was not trained on this server", f"one that was: {own}")
    if name == settings.pack:
        raise ProblemError(409, "default_pack", f"pack '{name}' is the one that this server draws with by itself")
    if name not in removable(who, database, settings):
        raise ProblemError(403, "anothers", f"pack '{name}' was trained by another key; accepted: that key, or admin")
    with database.write() as connection:
        database.one_at_a_time(connection, "submit")  # so that no job which names it is accepted meanwhile
        _insist_on_rest(connection, name, settings)
        stock.withdraw(settings, name)
        _put_away(trained[name], settings.home)
    for folder in (settings.home / GONE).iterdir():  # with what an interrupted deletion has left
        shutil.rmtree(folder, ignore_errors=True)


def _owners(database: Database, trainings: Iterable[str]) -> Mapping[str, str]:
    """Ids of keys by training: of the key that began it, whoever went on with it."""
    folder = jobs.c.request["folder"].as_string()
    query = (
        sa.select(folder, jobs.c.owner)
        .where(jobs.c.lane == "slow", jobs.c.kind == "training", folder.in_([*filter(None, trainings)]))
        .order_by(jobs.c.id.desc())
    )
    with database.read() as connection:
        return {training: owner for training, owner in connection.execute(query)}


def _insist_on_rest(connection: Connection, name: str, settings: Settings) -> None:
    query = sa.select(jobs.c.kind, jobs.c.request).where(jobs.c.status.in_(("queued", "running")))
    using = [row.kind for row in connection.execute(query) if name in packs.named(row.kind, row.request, settings)]
    if using:
        what = f"{len(using)} job{'s' if len(using) > 1 else ''} ({', '.join(sorted(set(using)))})"
        detail = f"pack '{name}' is needed by {what} not ended yet; wait for the end, or cancel first"
        raise ProblemError(409, "in_use", detail)


def _put_away(folder: Path, home: Path) -> None:
    """By one rename, so that nobody ever finds half a pack."""
    gone = home / GONE
    gone.mkdir(exist_ok=True)
    folder.rename(gone / f"{folder.name}-{secrets.token_hex(8)}")
