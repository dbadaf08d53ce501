"""What routes need, made once for a server and handed over by FastAPI."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from packshot.errors import RequestError
from packshot.images import canonical_json
from packshot.server.assets import Assets
from packshot.server.database import Database
from packshot.server.hooks import load_hooks
from packshot.server.logs import request_id
from packshot.server.problems import ProblemError
from packshot.server.queue import Job, NewJob, Queue, Room
from packshot.server.security.scopes import LOCAL, TASK_SCOPES, Principal
from packshot.server.settings import Settings
from packshot.server.tasks.table import TASKS
from packshot.server.threads import Threads
from packshot.server.waiting import Watch


@dataclass(frozen=True, slots=True)
class Services:
    """Of one server.

    Attributes:
        who: asks; `queue` and `assets` hold what he may see.
    """

    settings: Settings
    database: Database
    queue: Queue
    assets: Assets
    watch: Watch
    threads: Threads
    who: Principal = LOCAL

    def seen_by(self, who: Principal) -> Services:
        """The same server, as it looks to one who asks: only own jobs and assets, but for the scope `admin`."""
        queue, assets = self.queue.seen_by(who.view), self.assets.seen_by(who.view)
        return replace(self, queue=queue, assets=assets, who=who)

    def room(self, lane: str) -> Room:
        """What may wait in a lane."""
        if lane == "quick":
            return Room(self.settings.quick_processes, self.settings.longest_wait_seconds)
        return Room(self.settings.slow_workers, most_jobs=self.settings.most_slow_jobs)

    def insist_on_room(self, kind: str, asked: Asked) -> None:
        """Refuse a busy server's next job before its request is looked at; a repeated one is answered all the same.

        Raises:
            BusyError: too much waits.
        """
        if not asked.idempotency_key:
            lane = TASKS[kind].lane
            self.queue.insist_on_room(lane, self.room(lane))

    def submit(
        self, kind: str, request: Mapping[str, Any], asked: Asked, said: Mapping[str, Any] | None = None
    ) -> tuple[Job, bool]:
        """Accept a job of a kind; see `Queue.submit`.

        Args:
            kind: a row of `TASKS`.
            request: of the job.
            asked: who asks, and how.
            said: what the client sent, where that is less than the request: drawn seeds and ids of new uploads would
                make the same words, sent again with the same idempotency key, another request.

        Raises:
            ProblemError: whoever asks lacks the scope for such jobs.
        """
        if not self.who.may(scope := TASK_SCOPES.get(kind, "admin")):
            raise ProblemError(403, "scope", f"jobs of the kind {kind} need a key with the scope {scope}")
        task = TASKS[kind]
        if asked.webhook and asked.webhook not in (hooks := load_hooks(self.settings.home)):
            raise RequestError(
                "Packshot-Webhook", f"'{asked.webhook}'", ", ".join(hooks) or "none: there are no webhooks"
            )
        idempotency = None
        if asked.idempotency_key:
            text = canonical_json({"kind": kind, "request": dict(request if said is None else said)})
            idempotency = (asked.idempotency_key, hashlib.sha256(text.encode()).hexdigest())
        new = NewJob(
            kind, task.lane, request, task.expected_seconds(request), asked.owner, asked.webhook, idempotency,
            request_id.get(),
        )  # fmt: skip
        return self.queue.submit(new, self.room(task.lane))


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and how the answer shall come.

    Attributes:
        owner: id of the key, or `local`.
        idempotency_key: empty for none.
        wait_seconds: that the answer may take until the job has ended (`Prefer: wait=…`, RFC 7240).
        webhook: name of an operator's hook.
    """

    owner: str
    idempotency_key: str
    wait_seconds: float
    webhook: str


def services(request: Request) -> Services:
    """The server's, as far as whoever asks may see."""
    found: Services = request.app.state.services
    return found.seen_by(principal(request))


def principal(request: Request) -> Principal:
    """Who asks, as the gate found."""
    who: Principal | None = getattr(request.state, "principal", None)
    if who is None:  # a public route that asks for more than it declares
        raise ProblemError(401, "no_valid_key", "no key", {"WWW-Authenticate": "Bearer"})
    return who


def asked(
    request: Request,
    idempotency_key: Annotated[
        str, Header(max_length=200, description="Repeating a request with the same key gives the same job.")
    ] = "",
    prefer: Annotated[str, Header(description="`wait=5`: answer when the job has ended, or after 5 seconds.")] = "",
    packshot_webhook: Annotated[
        str, Header(max_length=80, description="Name of a webhook of the operator's that is told the end.")
    ] = "",
) -> Asked:
    """Read the headers that every request for a job has."""
    return Asked(principal(request).id, idempotency_key, wait_seconds(prefer), packshot_webhook)


def wait_seconds(prefer: str, most: float = 60.0) -> float:
    """Of a `Prefer` header; 0 where it names none that makes sense."""
    for part in prefer.split(","):
        name, _, value = part.strip().partition("=")
        if name.casefold() == "wait" and value.strip().isdecimal():
            return min(most, float(value))
    return 0.0


Server = Annotated[Services, Depends(services)]
Asking = Annotated[Asked, Depends(asked)]
