"""`/v1/jobs`: how far they are, what came of them, and stopping them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from packshot.phrases import with_chinese
from packshot.server.api.services import Asked, Server, Services
from packshot.server.problems import ProblemError, documented, not_found, with_words
from packshot.server.queue import Job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
KEEP_ALIVE_SECONDS = 15.0


class JobOut(BaseModel):
    """A job as clients see it."""

    id: str = Field(examples=["job_019b0c1f2a3d4e5f60718293a4b5c6d"])
    kind: str = Field(examples=["generation"])
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float = Field(description="0 to 1; 1 where it is done.", ge=0, le=1)
    stage: str = Field(description="What it is at, in words; may be empty.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    attempt: int = Field(description="How often it was begun: more than once where a worker died.")
    request: dict[str, Any]
    result: dict[str, Any] | None = Field(description="Where it is done; `assets` are the ids of what it made.")
    error: dict[str, Any] | None = Field(description="Where it failed: `code`, and `detail` in one line.")
    request_id: str = Field(description="Of the request that asked for it; the log has it, too.")
    zh: dict[str, Any] = Field(description="`stage`, and the request's `cautions`, in Chinese; `error` has its own.")


class JobsOut(BaseModel):
    """A page of jobs."""

    jobs: list[JobOut]
    next: str | None = Field(description="Give it as `before` for the next page.")


def shown(job: Job) -> JobOut:
    """A job for clients: no worker, no lease, no trace."""
    share = 1.0 if job.status == "done" else min(1.0, job.done / job.total) if job.total else 0.0
    error = None if job.error is None else {key: value for key, value in job.error.items() if key != "trace"}
    return JobOut(
        id=job.id, kind=job.kind, status=job.status, progress=share, stage=job.stage, created=_when(job.created),
        started=None if job.started is None else _when(job.started),
        finished=None if job.finished is None else _when(job.finished),
        attempt=job.attempt, request=job.request, result=job.result,
        error=None if error is None else with_words(error), request_id=job.request_id,
        zh=with_chinese({"stage": job.stage, "cautions": job.request.get("cautions")}, "stage", "cautions")["zh"],
    )  # fmt: skip


def document_of(job: Job) -> dict[str, Any]:
    """The same as plain values, for events and webhooks."""
    return shown(job).model_dump(mode="json")


async def answered(server: Services, job: Job, new: bool, asked: Asked, response: Response) -> JobOut:
    """The answer to a request for a job: 200 where it has ended within the time asked for, else 202."""
    job = await ended(server, job, asked.wait_seconds)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.status_code = 200 if job.ended else 202
    if not new:
        response.headers["Idempotency-Replayed"] = "true"
    return shown(job)


async def ended(server: Services, job: Job, seconds: float) -> Job:
    """The job once it has ended, or as it is after so long."""
    until = asyncio.get_running_loop().time() + seconds
    while not job.ended and (left := until - asyncio.get_running_loop().time()) > 0:
        if not await server.watch.changed(job.id, job.version, left):
            break
        job = await asyncio.to_thread(_found, server, job.id)
    return job


@router.get("", summary="List jobs, the newest first")
def list_jobs(
    server: Server,
    kind: Annotated[list[str] | None, Query(max_length=20)] = None,
    status: Annotated[list[str] | None, Query(max_length=5)] = None,
    before: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobsOut:
    """One's own; those of all keys for the scope `admin`."""
    found = server.queue.listed(kinds=kind or (), statuses=status or (), before=before, limit=limit)
    return JobsOut(jobs=[shown(job) for job in found], next=found[-1].id if len(found) == limit else None)


@router.get("/{job_id}", summary="Read a job", responses=documented(404))
def read_job(job_id: str, server: Server) -> JobOut:
    """Its status, and what came of it."""
    return shown(_found(server, job_id))


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=documented(404))
def cancel_job(job_id: str, server: Server) -> JobOut:
    """At once where it waits; where it runs, as soon as it can stop. A job that has ended stays as it is."""
    job = server.queue.cancel(job_id)
    if job is None:
        raise not_found("job")
    return shown(job)


@router.post(
    "/{job_id}/retry", status_code=202, summary="Do a failed or cancelled job again",
    responses=documented(404, 409, 429),
)  # fmt: skip
def retry_job(job_id: str, server: Server, response: Response) -> JobOut:
    """As a new job with the same request."""
    job = _found(server, job_id)
    if job.status not in ("failed", "cancelled"):
        raise ProblemError(409, "not_failed", f"the job is {job.status}; accepted: failed or cancelled")
    return begun_again(server, job, job.request, Asked(job.owner, "", 0, job.webhook), response)


def begun_again(server: Services, job: Job, request: Mapping[str, Any], asked: Asked, response: Response) -> JobOut:
    """A new job of the same kind, and where it is."""
    again, _ = server.submit(job.kind, request, asked)
    response.headers["Location"] = f"/v1/jobs/{again.id}"
    return shown(again)


def insist_on_end(job: Job) -> None:
    """Refuse to go on with what is still going on."""
    if not job.ended:
        raise ProblemError(409, "not_ended", f"the job is {job.status}; accepted: done, failed or cancelled")


def _followed(job_id: str, server: Server) -> Job:
    """Looked up before the stream begins: from there on an error could not be answered with any more."""
    return _found(server, job_id)


@router.get(
    "/{job_id}/events", response_class=EventSourceResponse, summary="Follow a job by server-sent events",
    responses=documented(404),
)  # fmt: skip
async def follow_job(
    job: Annotated[Job, Depends(_followed)], server: Server, last_event_id: Annotated[str, Header(max_length=20)] = ""
) -> AsyncIterator[ServerSentEvent]:
    """An event `job` whenever it changes, with the whole job as data, until it has ended."""
    seen = int(last_event_id) if last_event_id.isdecimal() else -1
    while True:
        if job.version != seen or job.ended:
            seen = job.version
            yield ServerSentEvent(data=document_of(job), event="job", id=str(seen))
        if job.ended:
            return
        if await server.watch.changed(job.id, seen, KEEP_ALIVE_SECONDS):
            job = await asyncio.to_thread(_found, server, job.id)
        else:
            yield ServerSentEvent(comment="still there")


def _found(server: Services, job_id: str) -> Job:
    job = server.queue.get(job_id)
    if job is None:
        raise not_found("job")
    return job


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
