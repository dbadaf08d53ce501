"""The web application: routes, errors, what stands around them, and what starts and stops with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from packshot import __version__
from packshot.server import problems
from packshot.server.api import (
    assets,
    checks,
    document,
    documentation,
    edits,
    generations,
    images,
    jobs,
    listings,
    metrics,
    operations,
    packs,
    previews,
    session,
    trainings,
    words,
)
from packshot.server.api.services import Services
from packshot.server.assets import Assets
from packshot.server.courier import Courier
from packshot.server.database import Database
from packshot.server.metrics import JobFigures
from packshot.server.observing import Observing, RequestFigures
from packshot.server.queue import Queue
from packshot.server.ranges import PlainRanges
from packshot.server.routing import Below, HeadAsGet
from packshot.server.security.addresses import PlainAddresses
from packshot.server.security.bodies import FIELD_BYTES, FORM_PARTS, BodyLimits
from packshot.server.security.gate import Gate
from packshot.server.security.headers import SecurityHeaders
from packshot.server.security.keys import Keys
from packshot.server.security.openapi import described
from packshot.server.settings import Settings
from packshot.server.stock import Stock
from packshot.server.supervisor import Supervisor
from packshot.server.tasks.packs import use_own_packs
from packshot.server.threads import Threads
from packshot.server.waiting import Watch

DESCRIPTION = """Product pictures from words and photos, checked and labelled for marketplaces. Work is done by jobs:
ask for one, follow it, fetch the assets that it made. Errors are problem documents (RFC 9457)."""


class Application(FastAPI):
    """FastAPI behind the gate. What stands around it sees every answer, those to bugs too."""

    def build_middleware_stack(self) -> ASGIApp:
        """From the outside in: ids, log and figures; headers for browsers; who may; what and how much; the routes."""
        settings: Settings = self.state.services.settings
        stack = BodyLimits(PlainRanges(HeadAsGet(super().build_middleware_stack())), settings)
        gate = Gate(PlainAddresses(stack), settings, Keys(self.state.services.database))
        return Observing(SecurityHeaders(gate), RequestFigures(self.state.registry))

    def openapi(self) -> dict[str, Any]:
        """The API's description."""
        return self.openapi_schema or described(super().openapi())


def create_app(settings: Settings) -> FastAPI:
    """The application of a server; its workers start with it.

    Raises:
        PackshotError: the database can't be used.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    use_own_packs(settings.home)
    database = Database(settings.database_url)
    database.migrate()
    queue = Queue(database)
    supervisor = Supervisor(settings, database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watch.start()
        supervisor.start()
        courier.start()
        stock.start()
        try:
            yield
        finally:
            await watch.stop()
            stock.stop()
            courier.stop()
            supervisor.stop()
            database.close()

    app = Application(
        title="packshot", version=__version__, description=DESCRIPTION, lifespan=lifespan, docs_url=None,
        redoc_url=None, form_limits={"max_files": FORM_PARTS, "max_fields": FORM_PARTS, "max_part_size": FIELD_BYTES},
    )  # fmt: skip
    watch, courier, stock = Watch(queue), Courier(settings, database, jobs.document_of), Stock(settings)
    contents = Assets(database, settings.home, settings.assets)
    app.state.services = Services(settings, database, queue, contents, watch, Threads())
    app.state.supervisor = supervisor
    app.state.registry = CollectorRegistry()
    app.state.job_figures = JobFigures(app.state.registry, database, supervisor)
    problems.install(app)
    documentation.install(app)
    nouns = (
        generations,
        words,
        edits,
        checks,
        listings,
        trainings,
        images,
        packs,
        jobs,
        previews,
        assets,
        session,
        operations,
    )
    for room in (*nouns, metrics):
        app.include_router(room.router)
    document.install(app)
    page = StaticFiles(directory=str(resources.files("packshot.server").joinpath("page")), html=True)
    app.router.routes.append(Below("/", app=page))
    return app
