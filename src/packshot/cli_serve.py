"""`packshot serve`: the page and the API on this machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from packshot.cli_shared import guarded, tell_unchecked
from packshot.errors import MissingExtraError

if TYPE_CHECKING:
    from packshot.server.settings import Settings


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(
    home: Annotated[
        Path, typer.Option(help="Folder of pictures, listings, trainings and the database.", envvar="PACKSHOT_HOME")
    ] = Path("packshot-home"),
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; others than 127.0.0.1 need a key: packshot keys create.", envvar="PACKSHOT_HOST"
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", envvar="PACKSHOT_PORT")] = 8333,
    database: Annotated[
        str, typer.Option(help="SQLAlchemy URL; SQLite in --home if left out.", envvar="PACKSHOT_DATABASE")
    ] = "",
    assets: Annotated[
        str,
        typer.Option(
            help="s3://bucket/folder instead of --home, for what several servers share: pictures, listings, trainings.",
            envvar="PACKSHOT_ASSETS",
        ),
    ] = "",
    workers: Annotated[
        int, typer.Option(help="Processes that draw and edit; 0 for one on each core.", envvar="PACKSHOT_WORKERS")
    ] = 0,
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
    log_format: Annotated[
        str, typer.Option(help="Of the log on standard error: text or json.", envvar="PACKSHOT_LOG_FORMAT")
    ] = "text",
    proxy: Annotated[
        str,
        typer.Option(
            help="Addresses or networks of reverse proxies, with commas between, whose X-Forwarded-For and "
            "X-Forwarded-Proto are believed.",
            envvar="PACKSHOT_PROXY",
        ),
    ] = "",
) -> None:
    """Open a page for making listings, and a REST API, on this machine; for others, once there are keys."""
    insist_on_extra("packshot serve")
    tell_unchecked(guarded(None, None))  # of the variables, which workers read, too: a mistake there is said now
    from packshot.server.running import insist_on_keys, run
    from packshot.server.settings import Settings

    settings = Settings(
        home=home.resolve(), database=database, assets=assets, host=host, port=port, quick_workers=workers,
        backend=backend, pack=pack, producer=producer, log_format=cast(Any, log_format), proxies=proxy,
        diffusers=None if diffusers is None else diffusers.resolve(),
        catalogues=None if catalogues is None else catalogues.resolve(),
    )  # fmt: skip
    if replicas or ray_address:
        insist_on_keys(settings)
        _replicate(settings, ray_address, replicas)
        return
    if log_format == "text":
        typer.echo(f"packshot: http://{host}:{port} (API: /docs)", err=True)
    run(settings)


def insist_on_extra(command: str) -> None:
    """Say what is to be installed where the server is not.

    Raises:
        MissingExtraError: something is missing.
    """
    for module in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cv2", "prometheus_client", "pythonjsonlogger"):
        if find_spec(module) is None:
            raise MissingExtraError(command, f"no module {module}", "pip install 'packshot[server]'")


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
