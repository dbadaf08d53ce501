"""`/v1/assets/ID/preview`: pictures small enough to show many."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from packshot.errors import RequestError
from packshot.server.api.services import Server
from packshot.server.previews import SIDES_PX, preview_of
from packshot.server.problems import documented, not_found
from packshot.server.ranges import PARTS
from packshot.server.threads import run_in

router = APIRouter(prefix="/v1/assets", tags=["assets"])


@router.get(
    "/{asset_id}/preview", response_class=FileResponse, summary="Fetch a small version of a picture",
    responses={200: {"content": {"image/webp": {}}}, **PARTS, **documented(404, 415)},
)  # fmt: skip
async def preview(
    asset_id: str, server: Server, side: Annotated[int, Query(description="Of the longer side: 256, 512, 1024.")] = 512
) -> FileResponse:
    """WebP, upright; no smaller picture is enlarged."""
    if side not in SIDES_PX:
        raise RequestError("side", side, ", ".join(map(str, SIDES_PX)))
    asset = await run_sync(server.assets.get, asset_id)
    if asset is None:
        raise not_found("asset")
    path = server.assets.preview_path_of(asset.sha256, side)
    if not path.exists():
        path = await run_in(server.threads.previews, preview_of, server.assets, asset, side)
    return FileResponse(
        path, media_type="image/webp", headers={"Cache-Control": "private, max-age=31536000, immutable"}
    )
