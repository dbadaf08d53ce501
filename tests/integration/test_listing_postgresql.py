"""Products out of a real PostgreSQL server, started here on loopback and stopped by its process id."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import postgresql
import pytest
from listing_tables import split

from packshot.catalogue.rows import BadRow, RawRow
from packshot.errors import InputError
from packshot.listing.intake import open_products, read_products
from packshot.listing.tables import open_table


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a server whose only data is a shop."""
    with postgresql.running() as address:
        fill(address)
        yield f"postgresql://shop:secret@{address}/postgres"


def fill(address: str) -> None:
    """Make the shop."""
    import psycopg

    with psycopg.connect(f"postgresql://shop@{address}/postgres", autocommit=True) as connection:
        connection.execute("create schema shop")
        connection.execute(
            "create table shop.goods (sku numeric primary key, 品名 text, 颜色 text, changed timestamptz default now())"
        )
        connection.execute(
            "insert into shop.goods select n, '红色运动鞋 ' || n, '红色' from generate_series(3000, 1, -1) n"
        )
        connection.execute("insert into shop.goods values (0, null, null)")


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
