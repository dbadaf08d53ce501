"""Runs the application: how it listens, and how patient it is."""

from __future__ import annotations

import uvicorn

from packshot.errors import RequestError
from packshot.server.app import create_app
from packshot.server.database import Database
from packshot.server.logs import configure
from packshot.server.security.connections import ImpatientProtocol
from packshot.server.security.keys import Keys
from packshot.server.settings import Settings

MOST_CONNECTIONS = 1_000
"""Open at once; more get 503."""

_KEEP_ALIVE_SECONDS = 20
_HEAD_BYTES = 32_768


def run(settings: Settings) -> None:
    """Serve until the process is told to stop.

    Raises:
        PackshotError: other machines could reach it and there is no key; the database can't be used.
    """
    insist_on_keys(settings)
    configure(settings.log_format)
    app = create_app(settings)
    uvicorn.run(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False, http=ImpatientProtocol,
        ws="none", server_header=False, proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=[proxy.strip() for proxy in settings.proxies.split(",") if proxy.strip()],
        limit_concurrency=MOST_CONNECTIONS, timeout_keep_alive=_KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )  # fmt: skip


def insist_on_keys(settings: Settings) -> None:
    """Refuse an address that other machines reach while nobody has a key.

    Raises:
        RequestError: there is none in force.
    """
    if settings.on_loopback:
        return
    database = Database(settings.database_url)
    database.migrate()
    there_is_one = Keys(database).any_in_force()
    database.close()
    if not there_is_one:
        accepted = "127.0.0.1, until there is a key: packshot keys create NAME --scopes read,upload,generate"
        raise RequestError("--host", settings.host, accepted)
