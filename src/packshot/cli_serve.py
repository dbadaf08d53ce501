"""`packshot serve`: the page and the API on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packshot.cli_shared import guarded, tell_unchecked
from packshot.errors import MissingExtraError, RequestError

if TYPE_CHECKING:
    from packshot.server.settings import Settings


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(
    home: Annotated[Path, typer.Option(help="Folder of pictures, jobs and the database.")] = Path("packshot-home"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8333,
    database: Annotated[
        str, typer.Option(help="SQLAlchemy URL; SQLite in --home if left out.", envvar="PACKSHOT_DATABASE")
    ] = "",
    assets: Annotated[
        str, typer.Option(help="s3://bucket/folder for pictures, instead of --home.", envvar="PACKSHOT_ASSETS")
    ] = "",
    workers: Annotated[int, typer.Option(help="Processes that draw and edit; 0 for one on each core.")] = 0,
    backend: Annotated[str, typer.Option(help="embedded, fake, or one that a plug-in adds.")] = "embedded",
    pack: Annotated[str, typer.Option(help="Of the back-end, where a request names none.")] = "base",
    producer: Annotated[
        str, typer.Option(help="Your name or code: ContentProducer of AIGC labels.", envvar="PACKSHOT_PRODUCER")
    ] = "",
    diffusers: Annotated[
        Path | None, typer.Option(help="Folder of diffusers pipelines that edits may name; none if left out.")
    ] = None,
    catalogues: Annotated[
        Path | None, typer.Option(help="Folder of catalogues that trainings may name; none if left out.")
    ] = None,
    replicas: Annotated[
        int, typer.Option(help="Servers on a Ray cluster, with one database and queue; 0 for one here, without Ray.")
    ] = 0,
    ray_address: Annotated[str, typer.Option(help="Of that cluster; one of this machine if left out.")] = "",
) -> None:
    """Open a page for making listings, and a REST API, on this machine."""
    for module in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cv2"):
        if find_spec(module) is None:
            raise MissingExtraError("packshot serve", f"no module {module}", "pip install 'packshot[server]'")
    tell_unchecked(guarded(None, None))  # of the variables, which workers read, too: a mistake there is said now
    import uvicorn

    from packshot.server.app import create_app
    from packshot.server.settings import Settings

    settings = Settings(
        home=home.resolve(), database=database, assets=assets, host=host, port=port, quick_workers=workers,
        backend=backend, pack=pack, producer=producer, diffusers=None if diffusers is None else diffusers.resolve(),
        catalogues=None if catalogues is None else catalogues.resolve(),
    )  # fmt: skip
    if not settings.on_loopback:
        raise RequestError("--host", host, "127.0.0.1: other addresses need keys, which are not there yet")
    if replicas or ray_address:
        _replicate(settings, ray_address, replicas)
        return
    typer.echo(f"packshot: http://{host}:{port} (API: /docs)", err=True)
    uvicorn.run(create_app(settings), host=host, port=port, log_level="warning")


def _replicate(settings: Settings, address: str, replicas: int) -> None:
    """Serve by replicas until Ctrl-C; on a cluster with an address they stay, and the command may be repeated."""
    import threading

    from packshot.server.replicas import Cluster, deploy, stop

    deploy(settings, Cluster(address, replicas))
    typer.echo(f"packshot: {replicas} replicas at http://{settings.host}:{settings.port}", err=True)
    if address:
        return
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        stop()
