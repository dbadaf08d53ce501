"""Products out of a real PostgreSQL server, started here on loopback and stopped by its process id."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from listing_tables import split

from packshot.catalogue.rows import BadRow, RawRow
from packshot.errors import InputError
from packshot.listing.intake import open_products, read_products
from packshot.listing.tables import open_table

PROGRAMS = [shutil.which("initdb") or "", *map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))]


def unprivileged() -> dict[str, object]:
    """PostgreSQL refuses to run as root; Debian's package comes with a user for it."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server whose only data is a shop."""
    pytest.importorskip("psycopg")
    initdb = next((Path(name) for name in PROGRAMS if name), None)
    if initdb is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="packshot-"))  # pytest's folder is closed to other users
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log"
    try:
        command = [initdb, "-D", folder / "data", "-A", "trust", "-U", "shop", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **unprivileged())  # type: ignore[call-overload]
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off"]
        command = [initdb.with_name("postgres"), "-D", folder / "data", *options]
        with open(log, "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, **unprivileged())  # type: ignore[call-overload]
        try:
            yield filled(f"127.0.0.1:{port}", log)
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def filled(address: str, log: Path) -> str:
    """Wait for the server, then make the shop."""
    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            connection = psycopg.connect(f"postgresql://shop@{address}/postgres", autocommit=True)
            break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    with connection:
        connection.execute("create schema shop")
        connection.execute(
            "create table shop.goods (sku numeric primary key, 品名 text, 颜色 text, changed timestamptz default now())"
        )
        connection.execute(
            "insert into shop.goods select n, '红色运动鞋 ' || n, '红色' from generate_series(3000, 1, -1) n"
        )
        connection.execute("insert into shop.goods values (0, null, null)")
    return f"postgresql://shop:secret@{address}/postgres"


def test_a_table_streams_in_the_order_of_its_key(server: str) -> None:
    catalogue = open_products(open_table(server, query="shop.goods"), words_only=True)
    products, problems = split(list(read_products(catalogue)))
    assert [product.sku for product in products] == [str(n) for n in range(1, 3001)]
    assert products[0].slots["category"] == "sports_shoes" and products[0].colour_hex
    assert [(p.place.number, p.reason) for p in problems] == [(1, "no title")]
    assert "secret" not in "\n".join([*catalogue.lines(), *map(str, problems)])


def test_a_query_may_hold_colons_and_percent_signs(server: str) -> None:
    query = (
        "select sku::text as sku, 品名 from shop.goods where 品名 like '%10' and 品名 <> ':a' order by sku::int limit 2"
    )
    assert [row.cells["sku"] for row in open_table(server, query=query).sample()] == ["10", "110"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("nowhere", "no table 'nowhere'"),
        ("select * from nowhere", "nowhere"),
        ("delete from shop.goods returning *", "read-only|syntax"),
        ("drop table shop.goods", "read-only|syntax"),
        ("select pg_sleep(0), nextval('x') as y", "x"),
    ],
)
def test_nothing_is_written_and_errors_are_one_line(server: str, query: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        open_table(server, query=query)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
    assert open_table(server, query="shop.goods").sample()


def test_a_connection_that_breaks_ends_the_table_with_a_bad_row(server: str) -> None:
    import psycopg

    rows = open_table(server, query="shop.goods").rows()
    before = [next(rows) for _ in range(10)]
    others = "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend'"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"{others} and pid <> pg_backend_pid()")
    *rest, last = rows
    assert isinstance(last, BadRow) and "broke off here" in last.reason and last.place.number == 11 + len(rest)
    assert all(isinstance(row, RawRow) for row in (*before, *rest)) and len(rest) < 2991


def test_no_server_is_one_line() -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://shop:secret@127.0.0.1:{closed.getsockname()[1]}/postgres"
        with pytest.raises(InputError) as caught:
            open_table(url, query="goods")
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
