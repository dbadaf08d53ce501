"""`/v1/listings`: whole catalogues to marketplace-ready pictures, followed, rejected one by one, fetched as one ZIP."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from packshot.listing.journal import FAILURES, MANIFEST, read_lines
from packshot.listing.store import LocalStore
from packshot.server.api.bodies import Form, described, multipart, texts, validated
from packshot.server.api.inputs import Input
from packshot.server.api.jobs import JobOut, answered, begun_again, insist_on_end, shown
from packshot.server.api.services import Asked, Asking, Server, Services
from packshot.server.archives import packed
from packshot.server.ids import new_id
from packshot.server.intake import keep_photos, keep_table
from packshot.server.problems import ProblemError, documented, not_found
from packshot.server.queue import Job
from packshot.server.ranges import PARTS
from packshot.server.tasks import listing
from packshot.server.tasks.processes import LOG
from packshot.server.threads import run_in

router = APIRouter(prefix="/v1/listings", tags=["listings"])
FORM = Form(documents=("table", "photos"), many=("channels",))
MOST_PHOTOS = 1_000
"""As files of their own; more come in a ZIP."""

_rejecting = threading.Lock()
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
Limit = Annotated[int, Query(ge=1, le=500)]
HERE = documented(404)


class ListingIn(Input):
    """How a catalogue is to be listed; the table and the photos are files beside it."""

    channels: list[str] = Field(
        min_length=1, max_length=listing.MOST_CHANNELS, description="Names; see GET /v1/channels."
    )
    words_only: bool = Field(False, description="No product has a photo: draw all.")
    columns: str = Field("", max_length=2_000, description="Where a column is not guessed: title=品名,photo=图片.")
    sheet: str = Field("", max_length=100, description="Of a workbook.")
    template: str = Field("", max_length=400, description="Names of the files; {sku}/{channel}/{role}-{n}.{ext}.")
    pack: str = Field("", max_length=80, description="That draws products without photos.")
    producer: str = Field("", max_length=200, description="ContentProducer of AIGC labels; the server's if left out.")


class ListingOut(BaseModel):
    """How far a listing is."""

    job: JobOut
    lines: list[str] = Field(description="How the table was read, in words.")
    channels: list[str]
    made: int
    failed: int
    lost: int = Field(description="Rows, photos and pictures of sets that nothing is made of.")
    rejected: int
    planned: int | None


class PictureOut(BaseModel):
    """A picture that was made; further fields are those of the manifest's line."""

    model_config = ConfigDict(extra="allow")

    key: str
    name: str
    sku: str
    channel: str
    role: str
    number: int
    url: str
    certificate_url: str | None
    passed: bool
    rejected: bool


class PicturesOut(BaseModel):
    """A page of them."""

    pictures: list[PictureOut]
    total: int


class FailuresOut(BaseModel):
    """A page of what was not made, and why."""

    failures: list[dict[str, Any]]
    total: int


class RejectionsIn(Input):
    """Pictures to leave out of the archive, or to take back into it."""

    keys: list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(min_length=1, max_length=10_000)
    rejected: bool = True


class RejectedOut(BaseModel):
    """How many are left out now."""

    rejected: int


@router.post(
    "", status_code=202, summary="Make the pictures of a catalogue",
    openapi_extra=described(ListingIn, FORM, {}, json_too=False),
    responses={200: {"model": JobOut}, **documented(400, 413, 415, 422, 429)},
)  # fmt: skip
async def make_listing(request: Request, server: Server, asking: Asking, response: Response) -> JobOut:
    """A table of products and their photos, as one ZIP or as files; the job runs `packshot listing`."""
    async with multipart(request, MOST_PHOTOS + 1) as fields:
        values = validated(ListingIn, texts(fields, FORM)).model_dump()
        table, photos = fields.get("table"), [one for one in fields.getlist("photos") if not isinstance(one, str)]
        if table is None or isinstance(table, str):
            raise ProblemError(422, "invalid", "table: got nothing; accepted: a file", where="table")
        job, new = await run_in(server.threads.archives, _accepted, server, values, table, photos, asking)
    return await answered(server, job, new, asking, response)


def _accepted(server: Services, values: dict[str, Any], table: Any, photos: list[Any], asking: Asked
              ) -> tuple[Job, bool]:  # fmt: skip
    """Keep the files in a folder of the listing's own, and accept the job; without a new job nothing is kept."""
    wanted = {**values, "folder": new_id("listing"), "photos": bool(photos)}
    listing.understood(wanted, server.settings)
    folder = listing.folder_of(server.settings, wanted)
    folder.mkdir(parents=True)
    new = False
    try:
        wanted["table"], digest = keep_table(table, folder, server.settings)
        digests = keep_photos(photos, folder / listing.PHOTOS, server.settings)
        job, new = server.submit("listing", wanted, asking, {**values, "table": digest, "photos": digests})
    finally:
        if not new:
            shutil.rmtree(folder, ignore_errors=True)
    return job, new


@router.get("/{job_id}", summary="Read how far a listing is", responses=HERE)
def read(job_id: str, server: Server) -> ListingOut:
    """Counts, and how the table was read."""
    job, folder = _found(server, job_id)
    failures = _lines(folder / listing.OUT / FAILURES)
    failed = sum("key" in row for row in failures)
    made = len(_lines(folder / listing.OUT / MANIFEST))
    planned = int(job.result["total"]) if job.result else None
    return ListingOut(
        job=shown(job), lines=_told(folder), channels=job.request["channels"], made=made, failed=failed,
        lost=len(failures) - failed, rejected=len(listing.rejected(folder)),
        planned=planned if planned is not None else round(job.total) or None,
    )  # fmt: skip


@router.post("/{job_id}/resume", status_code=202, summary="Make what is missing, and try again what failed",
             responses=documented(404, 409, 422, 429))  # fmt: skip
def resume(job_id: str, server: Server, asking: Asking, response: Response) -> JobOut:
    """A new job in the same folder; also of a listing that is done."""
    job, _ = _found(server, job_id)
    insist_on_end(job)
    return begun_again(server, job, job.request, asking, response)


@router.get("/{job_id}/pictures", summary="List the pictures that were made", responses=HERE)
def pictures(
    job_id: str, server: Server, offset: Offset = 0, limit: Limit = 100,
    sku: Annotated[str, Query(max_length=200)] = "", channel: Annotated[str, Query(max_length=80)] = "",
) -> PicturesOut:  # fmt: skip
    """Lines of the manifest, in the order in which they were made."""
    _, folder = _found(server, job_id)
    rows = _lines(folder / listing.OUT / MANIFEST)
    rows = [row for row in rows if (not sku or row["sku"] == sku) and (not channel or row["channel"] == channel)]
    gone = listing.rejected(folder)
    page = [_picture(job_id, row, row["key"] in gone) for row in rows[offset : offset + limit]]
    return PicturesOut.model_validate({"pictures": page, "total": len(rows)})


@router.get(
    "/{job_id}/pictures/{key}", response_class=FileResponse, summary="Fetch a picture", responses={**PARTS, **HERE}
)
def content(job_id: str, key: str, server: Server) -> FileResponse:
    """As it was made."""
    folder, row = _row(server, job_id, key)
    return FileResponse(_inside(folder, str(row["name"])), headers={"ETag": f'"{row["sha256"]}"'})


@router.get("/{job_id}/pictures/{key}/certificate", summary="Fetch a picture's certificate", responses=HERE)
def certificate(job_id: str, key: str, server: Server) -> dict[str, Any]:
    """Of a picture that was edited."""
    folder, row = _row(server, job_id, key)
    if row.get("certificate") is None:
        raise not_found("certificate")
    document: dict[str, Any] = json.loads(_inside(folder, str(row["certificate"])).read_bytes())
    return document


@router.get("/{job_id}/failures", summary="List what was not made, and why", responses=HERE)
def failures(job_id: str, server: Server, offset: Offset = 0, limit: Limit = 100) -> FailuresOut:
    """Rows, photos, pictures of sets, and pictures."""
    _, folder = _found(server, job_id)
    rows = _lines(folder / listing.OUT / FAILURES)
    page = [{key: value for key, value in row.items() if key != "trace"} for row in rows[offset : offset + limit]]
    return FailuresOut(failures=page, total=len(rows))


@router.post("/{job_id}/rejections", summary="Leave pictures out of the archive", responses=documented(400, 404))
def reject(job_id: str, body: RejectionsIn, server: Server) -> RejectedOut:
    """Or, with `rejected` false, take them back into it."""
    _, folder = _found(server, job_id)
    unknown = set(body.keys) - {row["key"] for row in _lines(folder / listing.OUT / MANIFEST)}
    if unknown:
        raise not_found(f"picture: {sorted(unknown)[0]}")
    with _rejecting:
        return RejectedOut(rejected=len(listing.reject(folder, set(body.keys), wanted=not body.rejected)))


@router.get(
    "/{job_id}/archive", response_class=StreamingResponse, summary="Fetch all pictures as one ZIP",
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}, **HERE},
)  # fmt: skip
def archive(job_id: str, server: Server) -> StreamingResponse:
    """What is there and not rejected, with certificates, manifest and failures."""
    _, folder = _found(server, job_id)
    headers = {"Content-Disposition": f'attachment; filename="{job_id}.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(packed(_files(folder)), media_type="application/zip", headers=headers)


@router.delete("/{job_id}", status_code=204, summary="Delete a listing's files", responses=documented(404, 409))
def delete(job_id: str, server: Server) -> None:
    """Table, photos and pictures; not while it runs."""
    job, folder = _found(server, job_id)
    insist_on_end(job)
    shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> Iterator[tuple[str, Path | bytes]]:
    gone = listing.rejected(folder)
    rows = [row for row in _lines(folder / listing.OUT / MANIFEST) if row["key"] not in gone]
    for row in rows:
        for name in (row["name"], row.get("certificate")):
            if name is not None and (path := _inside(folder, str(name))).is_file():
                yield str(name), path
    yield MANIFEST, _text(rows)
    yield FAILURES, _text(_lines(folder / listing.OUT / FAILURES))


def _text(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _found(server: Services, job_id: str) -> tuple[Job, Path]:
    job = server.queue.get(job_id)
    if job is None or job.kind != "listing":
        raise not_found("listing")
    folder = listing.folder_of(server.settings, job.request)
    if not folder.is_dir():
        raise not_found("listing: its files were deleted")
    return job, folder


def _row(server: Services, job_id: str, key: str) -> tuple[Path, dict[str, Any]]:
    _, folder = _found(server, job_id)
    for row in _lines(folder / listing.OUT / MANIFEST):
        if row["key"] == key:
            return folder, row
    raise not_found("picture")


def _inside(folder: Path, name: str) -> Path:
    """A file of the run; its manifest is ours, and yet nothing outside of the folder is ever sent."""
    root = (folder / listing.OUT).resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise not_found("picture")
    return path


def _picture(job_id: str, row: dict[str, Any], gone: bool) -> dict[str, Any]:
    url = f"/v1/listings/{job_id}/pictures/{row['key']}"
    return {
        **row,
        "url": url,
        "certificate_url": f"{url}/certificate" if row.get("certificate") else None,
        "passed": all(verdict["status"] != "fail" for verdict in row["verdicts"]),
        "rejected": gone,
    }


def _told(folder: Path) -> list[str]:
    """The lines on how the table was read, without this machine's folders; those of progress are not among them."""
    path = folder / LOG
    if not path.exists():
        return []
    with path.open("rb") as log:
        text = log.read(20_000).decode(errors="replace")
    lines = [line.replace(f"{folder}/", "").strip() for line in text.splitlines()]
    first = next((number for number, line in enumerate(lines) if " of " in line and "pictures" in line), len(lines))
    return [line for line in lines[:first] if line][:40]


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        known = path.stat()
    except FileNotFoundError:
        return []
    return _read(path, known.st_mtime_ns, known.st_size, known.st_ino)


@lru_cache(maxsize=8)
def _read(path: Path, *_: int) -> list[dict[str, Any]]:
    """Lines of a file as it is at that time; nobody changes them."""
    return read_lines(LocalStore(path.parent), path.name)
