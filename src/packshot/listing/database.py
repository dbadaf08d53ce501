"""Rows of a database's table or query; SQLAlchemy lives here. Transactions may only read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packshot.catalogue.delimited import text_fault, unique_names
from packshot.catalogue.rows import BadRow, Place, RawRow
from packshot.errors import InputError, MissingExtraError, first_line

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection
    from sqlalchemy.sql import Executable

_SCHEMES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb", "oracle", "mssql")
_BATCH = 500
_CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Selection:
    """A table or query; attributes as of `tables.Table`."""

    source: str
    facts: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[RawRow | BadRow]]


def is_database(source: str) -> bool:
    """Whether `source` is a database's URL, such as `postgresql://user@host/shop` or `sqlite:///shop.db`."""
    scheme, colon, _ = source.partition("://")
    return bool(colon) and scheme.partition("+")[0].casefold() in _SCHEMES


def open_database(source: str, query: str | None) -> Selection:
    """Open a table or query.

    Args:
        source: SQLAlchemy URL; `postgresql://` means the driver psycopg.
        query: a table's or view's name, with its schema if need be, or a SELECT. A table is read in the order of its
            primary key; a query in the order that it asks for.

    Raises:
        InputError: no such database or table, no access, or a query that fails or gives no rows.
        MissingExtraError: SQLAlchemy or the database's driver is not installed.
    """
    url = _url(source)
    shown = url.render_as_string(hide_password=True)
    with _connected(url, shown) as connection:
        statement, named = _statement(connection, query, shown)
        with connection.execute(statement) as result:
            columns = unique_names(list(result.keys()))
            if result.fetchone() is None:
                raise InputError(shown, f"no rows in {named}", "at least one product")
    place = f"{shown} {named}"

    def rows() -> Iterator[RawRow | BadRow]:
        number = 0
        try:
            with _connected(url, shown) as connection, connection.execute(statement) as result:
                for values in result:
                    number += 1
                    yield _row(Place(place, "row", number), dict(zip(columns, values, strict=True)))
        except InputError as error:
            yield BadRow(Place(place, "row", number + 1), "", f"the database broke off here: {error.got}")

    return Selection(shown, ("a database", named), columns, rows)


def _row(place: Place, cells: dict[str, Any]) -> RawRow | BadRow:
    fault = text_fault("".join(cell for cell in cells.values() if isinstance(cell, str)))
    return BadRow(place, "", fault) if fault else RawRow(place, cells)


def _url(source: str) -> URL:
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError:
        raise MissingExtraError("database", "a URL without SQLAlchemy", "pip install 'packshot[listing]'") from None
    try:
        url = make_url(source)
    except (ArgumentError, ValueError):  # the text may hold a password, so it is not shown
        raise InputError("database", "a URL that cannot be read", "postgresql://user:password@host/name") from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        return _read_only_sqlite(url)
    return url


def _read_only_sqlite(url: URL) -> URL:
    """SQLite makes a file that is not there, so ask for one that may only be read."""
    if not url.database or not Path(url.database).is_file():
        raise InputError(f"sqlite:///{url.database or ''}", "no such file", "an SQLite database")
    return url.set(database=f"file:{Path(url.database).resolve().as_posix()}", query={"mode": "ro", "uri": "true"})


@contextmanager
def _connected(url: URL, shown: str) -> Iterator[Connection]:
    """A connection whose transaction may only read, with results that stream."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    is_postgresql = url.get_backend_name() == "postgresql"
    try:
        timeout = {"connect_timeout": _CONNECT_SECONDS} if is_postgresql else {}
        engine = create_engine(url, poolclass=NullPool, connect_args=timeout)
    except ImportError as error:
        driver = {"postgresql": "pip install 'packshot[postgresql]'"}.get(url.get_backend_name(), "its driver")
        raise MissingExtraError(shown, f"a database without {error.name}", driver) from None
    except SQLAlchemyError as error:
        raise InputError(shown, first_line(error), "a database that SQLAlchemy knows") from None
    only_read: dict[str, Any] = {"postgresql_readonly": True} if is_postgresql else {}
    try:
        with engine.connect() as connection:
            yield connection.execution_options(stream_results=True, yield_per=_BATCH, **only_read)
    except SQLAlchemyError as error:
        said = first_line(getattr(error, "orig", None) or error)
        raise InputError(shown, said, "a database, and a table or SELECT in it, that can be read") from None
    finally:
        engine.dispose()


def _statement(connection: Connection, query: str | None, shown: str) -> tuple[Executable, str]:
    """What to execute, and how to call it."""
    from sqlalchemy import inspect, text

    if query is not None and re.search(r"\s", query.strip()):
        # SQLAlchemy would take ':word' for a parameter.
        return text(re.sub(r"(?<![:\\]):(?=\w)", r"\\:", query.strip().rstrip(";"))), "query"
    inspector = inspect(connection)
    tables = [*inspector.get_table_names(), *inspector.get_view_names()]
    if query is None:
        raise InputError(
            shown, "no table or query", f"--query with a SELECT or one of {', '.join(tables) or 'no tables'}"
        )
    schema, dot, name = query.strip().rpartition(".")
    if not (inspector.has_table(name, schema=schema or None)):
        raise InputError(shown, f"no table '{query}'", f"a SELECT or one of {', '.join(tables) or 'no tables'}")
    quote = connection.dialect.identifier_preparer.quote
    order = inspector.get_pk_constraint(name, schema=schema or None).get("constrained_columns") or []
    ordered = f" ORDER BY {', '.join(map(quote, order))}" if order else ""
    return text(f"SELECT * FROM {quote(schema) + dot if schema else ''}{quote(name)}{ordered}"), f"table {query}"
