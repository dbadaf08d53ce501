"""`packshot keys`: who may use a server over the network."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from packshot.cli_serve import insist_on_extra
from packshot.cli_shared import dump

if TYPE_CHECKING:
    from packshot.server.security.keys import Key, Keys

Home = Annotated[Path, typer.Option(help="The server's folder.", envvar="PACKSHOT_HOME")]
Url = Annotated[
    str, typer.Option("--database", help="SQLAlchemy URL; SQLite in --home if left out.", envvar="PACKSHOT_DATABASE")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name or id.")]
HOME = Path("packshot-home")
keys_app = typer.Typer(help="Keys of the API: made, listed, renewed, revoked.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(keys_app, name="keys")


@keys_app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom the key is for.")],
    scopes: Annotated[
        str,
        typer.Option(help="What it may, with commas between: read, upload, generate, edit, check, listing, train, "
                          "metrics, admin."),
    ] = "read,upload,generate,edit,check,listing",
    per_minute: Annotated[int, typer.Option(help="Requests that it may ask in a minute.")] = 600,
    home: Home = HOME,
    database: Url = "",
) -> None:  # fmt: skip
    """Make a key and print it, once: only its hash is kept."""
    keys = _keys(home, database)
    from packshot.server.security.scopes import parsed

    key, text = keys.create(name, parsed(scopes), per_minute)
    _show(key, text)


@keys_app.command("list")
def list_keys(
    home: Home = HOME,
    database: Url = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List all keys there ever were, without their text."""
    found = _keys(home, database).listed()
    if as_json:
        rows = [
            {"id": key.id, "name": key.name, "scopes": key.scopes, "per_minute": key.per_minute,
             "created": _when(key.created), "used": _when(key.used), "revoked": _when(key.revoked)}
            for key in found
        ]  # fmt: skip
        typer.echo(dump(rows))
        return
    for key in found:
        state = f"revoked {_when(key.revoked)}" if key.revoked else f"last used {_when(key.used) or 'never'}"
        typer.echo(f"{key.id}  {key.name}  {','.join(key.scopes)}  {key.per_minute}/min  {state}")


@keys_app.command()
def rotate(name: Name, home: Home = HOME, database: Url = "") -> None:
    """Give a key another text, printed once; its jobs and assets stay its own."""
    key, text = _keys(home, database).rotate(name)
    _show(key, text)


@keys_app.command()
def revoke(name: Name, home: Home = HOME, database: Url = "") -> None:
    """End a key, and browsers' sessions that were begun with it, at once."""
    key = _keys(home, database).revoke(name)
    typer.echo(f"packshot: the key '{key.name}' ({key.id}) is revoked", err=True)


def _keys(home: Path, database: str) -> Keys:
    insist_on_extra("packshot keys")
    from packshot.server.database import Database
    from packshot.server.security.keys import Keys
    from packshot.server.settings import Settings

    opened = Database(Settings(home.resolve(), database=database).database_url)
    opened.migrate()
    return Keys(opened)


def _show(key: Key, text: str) -> None:
    """The text alone on standard output, so that a script can take it."""
    facts = f"'{key.name}' ({key.id}) may {', '.join(key.scopes)}; {key.per_minute} requests a minute"
    typer.echo(f"packshot: the key {facts}. It is shown this once:", err=True)
    typer.echo(text)


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
