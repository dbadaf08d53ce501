"""`/v1/assets`: pictures that were uploaded or made: find, fetch, keep, delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from packshot.server.api.inputs import Input
from packshot.server.api.services import Asking, Server, Services
from packshot.server.assets import Asset
from packshot.server.problems import documented, not_found
from packshot.server.ranges import PARTS
from packshot.server.threads import run_in
from packshot.server.uploads import checked_picture

router = APIRouter(prefix="/v1/assets", tags=["assets"])


class AssetOut(BaseModel):
    """A file as clients see it."""

    id: str
    kind: str = Field(description="upload, generated, edited, listing or file")
    name: str
    media_type: str
    bytes: int
    width: int | None
    height: int | None
    sha256: str
    url: str = Field(description="Where its content is, on this server.")
    created: datetime
    favourite: bool
    job: str | None
    details: dict[str, Any] = Field(description="Recipe, prompt as understood, labels, certificate, as far as it has.")


class AssetsOut(BaseModel):
    """A page of assets."""

    assets: list[AssetOut]
    next: str | None = Field(description="Give it as `before` for the next page.")


class AssetIn(Input):
    """What can be changed of an asset."""

    favourite: bool


def shown(asset: Asset) -> AssetOut:
    """An asset for clients."""
    return AssetOut(
        id=asset.id, kind=asset.kind, name=asset.name, media_type=asset.media_type, bytes=asset.bytes,
        width=asset.width, height=asset.height, sha256=asset.sha256, url=f"/v1/assets/{asset.id}/content",
        created=datetime.fromtimestamp(asset.created, UTC), favourite=asset.favourite, job=asset.job_id,
        details=asset.details,
    )  # fmt: skip


@router.post("", status_code=201, summary="Upload a picture", responses=documented(400, 413, 415))
async def upload(file: UploadFile, server: Server, asking: Asking, response: Response) -> AssetOut:
    """Checked by its content: a picture of at most 50 megapixels; its id can be used in other requests."""
    asset = await run_in(server.threads.pictures, _kept, file, server, asking.owner)
    response.headers["Location"] = f"/v1/assets/{asset.id}"
    return shown(asset)


@router.get("", summary="Search the gallery")
def search(
    server: Server,
    q: Annotated[
        str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Words that all stand in its prompt or name.")
    ] = "",
    kind: Annotated[list[str] | None, Query(max_length=5)] = None,
    favourite: bool = False,
    order: Literal["newest", "oldest"] = "newest",
    before: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AssetsOut:
    """The newest first, unless `order` says otherwise."""
    found = server.assets.search(
        words=q, kinds=tuple(kind or ()), favourite=favourite, before=before, oldest_first=order == "oldest",
        limit=limit,
    )  # fmt: skip
    return AssetsOut(assets=[shown(asset) for asset in found], next=found[-1].id if len(found) == limit else None)


@router.get("/{asset_id}", summary="Read what is known of a file", responses=documented(404))
def read(asset_id: str, server: Server) -> AssetOut:
    """Its recipe, among others."""
    return shown(_found(server, asset_id))


@router.get(
    "/{asset_id}/content", response_class=FileResponse, summary="Fetch a file",
    responses={200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}, **PARTS,
               **documented(404)},
)  # fmt: skip
def content(asset_id: str, server: Server, download: bool = False) -> FileResponse:
    """The bytes as they were made; `download=true` for a file to save."""
    asset = _found(server, asset_id)
    return FileResponse(
        server.assets.path_of(asset.sha256), media_type=asset.media_type, filename=asset.name,
        content_disposition_type="attachment" if download else "inline",
        headers={"Cache-Control": "private, max-age=31536000, immutable", "ETag": f'"{asset.sha256}"'},
    )  # fmt: skip


@router.patch("/{asset_id}", summary="Make a file a favourite, or no more", responses=documented(400, 404))
def change(asset_id: str, body: AssetIn, server: Server) -> AssetOut:
    """Nothing else of an asset changes."""
    asset = server.assets.mark(asset_id, favourite=body.favourite)
    if asset is None:
        raise not_found("asset")
    return shown(asset)


@router.delete("/{asset_id}", status_code=204, summary="Delete a file", responses=documented(404))
def delete(asset_id: str, server: Server) -> None:
    """Its content goes within some minutes, unless another asset has the same."""
    if not server.assets.delete(asset_id):
        raise not_found("asset")


def _kept(file: UploadFile, server: Services, owner: str) -> Asset:
    new = checked_picture(file.file, file.filename or "picture", server.settings.upload_bytes, owner)
    with server.database.write() as connection:
        return server.assets.add(connection, new)


def _found(server: Server, asset_id: str) -> Asset:
    asset = server.assets.get(asset_id)
    if asset is None:
        raise not_found("asset")
    return asset
