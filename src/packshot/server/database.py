"""One door to the database: SQLite in a file, or PostgreSQL by URL. Short transactions; writers wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection, make_url

from packshot.errors import InputError, MissingExtraError, RequestError

_WRITES = "packshot_writes"


class Database:
    """Connections to one database.

    Args:
        url: SQLAlchemy's; `sqlite:///FILE` or `postgresql://…`.

    Raises:
        RequestError: a URL of another kind.
        MissingExtraError: PostgreSQL's driver is not installed.
        InputError: it cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.shown = self.engine.url.render_as_string(hide_password=True)
        try:
            with self.read() as connection:
                connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError as error:
            raise InputError(self.shown, _reason(error), "a database that can be reached") from None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose changes, if any, are rolled back."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed at its end; on SQLite the only one that writes meanwhile."""
        with self.engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
            yield connection

    def migrate(self) -> None:
        """Bring the tables to what this version of packshot expects; safe when several processes do it at once."""
        config = Config()
        config.set_main_option("script_location", str(resources.files("packshot.server").joinpath("migrations")))
        with self.write() as connection:
            self.one_at_a_time(connection, "migrate")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def one_at_a_time(self, connection: Connection, what: str) -> None:
        """From here to the end of the transaction nobody else does the same; SQLite has one writer anyway."""
        if self.engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"packshot {what}"))))

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _engine(url: str) -> sa.Engine:
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise RequestError("--database", "no URL", "sqlite:///FILE or postgresql://user@host/name") from None
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise RequestError("--database", f"'{url}'", "sqlite:///FILE: worker processes open it, too")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False})
        _tune_sqlite(engine)
        return engine
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        try:
            return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=10)
        except ModuleNotFoundError:
            raise MissingExtraError("--database", "no psycopg", "pip install 'packshot[postgresql]'") from None
    raise RequestError("--database", f"'{parsed.drivername}'", "sqlite or postgresql")


def _tune_sqlite(engine: sa.Engine) -> None:
    """Readers beside a writer (WAL), commits that survive a power cut, and writers that wait instead of failing."""

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver guesses
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _reason(error: sa.exc.SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0][:160]
