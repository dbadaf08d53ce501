"""The web application: routes, errors, and what starts and stops with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from packshot import __version__
from packshot.server import problems
from packshot.server.api import (
    assets,
    checks,
    document,
    edits,
    generations,
    images,
    jobs,
    listings,
    operations,
    previews,
    trainings,
    words,
)
from packshot.server.api.services import Services
from packshot.server.assets import Assets
from packshot.server.courier import Courier
from packshot.server.database import Database
from packshot.server.queue import Queue
from packshot.server.settings import Settings
from packshot.server.supervisor import Supervisor
from packshot.server.tasks.packs import use_own_packs
from packshot.server.waiting import Watch

DESCRIPTION = """Product pictures from words and photos, checked and labelled for marketplaces. Work is done by jobs:
ask for one, follow it, fetch the assets that it made. Errors are problem documents (RFC 9457)."""


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
        try:
            yield
        finally:
            await watch.stop()
            courier.stop()
            supervisor.stop()
            database.close()

    app = FastAPI(title="packshot", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    watch, courier = Watch(queue), Courier(settings, database, jobs.document_of)
    app.state.services = Services(settings, database, queue, Assets(database, settings.home, settings.assets), watch)
    app.state.supervisor = supervisor
    problems.install(app)
    nouns = (generations, words, edits, checks, listings, trainings, images, jobs, previews, assets, operations)
    for room in nouns:
        app.include_router(room.router)
    document.install(app)
    app.mount("/", StaticFiles(directory=str(resources.files("packshot.server").joinpath("page")), html=True))
    return app
