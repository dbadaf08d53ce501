"""Processor time and memory of reading products out of every kind of table, and of planning their pictures.

    python benchmarks/catalogue_tables.py --rows 20000

Each kind is made and read in a process of its own; a tenth of the rows is damaged. Memory is the process's peak above
that of the same process before the table was opened; `twice` is the same with twice as many rows, read but not kept,
and shows what grows with the table. PostgreSQL is left out: the tests start one.
Kinds may be measured one by one: results of one day and number of rows are joined in one file.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from packshot.listing.intake import open_products, read_products
from packshot.listing.plan import PlannedPicture, Target, plan
from packshot.listing.products import Product
from packshot.listing.sets import load_sets
from packshot.listing.tables import open_table

HEADER = ("货号", "商品标题", "颜色", "类目", "材质", "品牌", "SPU", "尺寸", "价格", "描述")
TITLES = ("复古红色运动鞋", "黑色真皮手提包 女", "navy blue striped tie", "银色女士手表", "casual canvas shoes for men")
CHANNELS = ("amazon-main", "taobao-main", "shopify")


def rows(count: int) -> Iterator[tuple[str, ...]]:
    """Rows of which every tenth has no title or the SKU of the row before."""
    for n in range(count):
        sku = f"P{n - (n % 20 == 10):06d}"
        title = "" if n % 20 == 0 else f"{TITLES[n % len(TITLES)]} {n}"
        yield (
            sku,
            title,
            "红色",
            "Handbags",
            "leather",
            "Acme",
            f"S{n // 4}",
            "30x20x10cm",
            "99.90",
            "适合日常与商务场合 " * 4,
        )


def as_text(path: Path, count: int, encoding: str, delimiter: str) -> None:
    with open(path, "w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([HEADER, *rows(count)])


def as_jsonl(path: Path, count: int) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(
            json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=False) + "\n" for row in rows(count)
        )


def as_xlsx(path: Path, count: int) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (HEADER, *rows(count)):
        sheet.append(row)
    book.save(path)


def as_parquet(path: Path, count: int) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = dict(zip(HEADER, zip(*rows(count), strict=True), strict=True))
    pyarrow.parquet.write_table(pyarrow.table({name: list(values) for name, values in columns.items()}), path)


def as_sqlite(path: Path, count: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"create table goods ({', '.join(f'{name} text' for name in HEADER)})")
        connection.executemany(f"insert into goods values ({', '.join('?' * len(HEADER))})", rows(count))
    connection.close()


KINDS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "CSV, UTF-8": ("a.csv", lambda path, count: as_text(path, count, "utf-8", ",")),
    "CSV, GB18030": ("a.csv", lambda path, count: as_text(path, count, "gb18030", ";")),
    "TSV, UTF-16": ("a.tsv", lambda path, count: as_text(path, count, "utf-16", "\t")),
    "JSON lines": ("a.jsonl", as_jsonl),
    "XLSX": ("a.xlsx", as_xlsx),
    "Parquet": ("a.parquet", as_parquet),
    "SQLite": ("a.db", as_sqlite),
}


PLANNED = "CSV with a plan"


def peak_mb() -> float:
    """The most memory that this program has held (Linux); `ru_maxrss` would count what its parent had held, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def read(source: str, query: str | None, plans: bool) -> dict[str, float]:
    """Read one table to its end; runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:  # the lexicon is read once, and does not count
        as_text(Path(folder) / "a.csv", 10, "utf-8", ",")
        list(read_products(open_products(open_table(f"{folder}/a.csv"), words_only=True)))
    before, start = peak_mb(), time.process_time()
    catalogue = open_products(open_table(source, query=query), words_only=True)
    opened = time.process_time()
    kept: list[Product] = []
    products = problems = 0
    for item in read_products(catalogue):
        is_product = isinstance(item, Product)
        products, problems = products + is_product, problems + (not is_product)
        if plans and isinstance(item, Product):
            kept.append(item)
    found: dict[str, float] = {
        "products": products,
        "problems": problems,
        "cpu_seconds_to_open": round(opened - start, 2),
        "rows_a_cpu_second": round((products + problems) / (time.process_time() - start)),
        "peak_mb": round(peak_mb() - before, 1),
    }
    if plans:
        start = time.process_time()
        targets = [Target(channel, channel.startswith("amazon")) for channel in CHANNELS]
        pictures = sum(isinstance(item, PlannedPicture) for item in plan(kept, targets, load_sets()))
        found |= {"pictures": pictures, "pictures_a_cpu_second": round(pictures / (time.process_time() - start))}
        found["peak_mb"] = round(peak_mb() - before, 1)
    return found


def measure(kind: str, count: int, plans: bool = False) -> dict[str, float]:
    name, write = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path, count)
        source, query = (f"sqlite:///{path}", "goods") if kind == "SQLite" else (str(path), None)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return {"file_mb": round(path.stat().st_size / 1e6, 1), **pool.apply(read, (source, query, plans))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument(
        "--kinds", nargs="*", default=[*KINDS, PLANNED], help="some of: " + ", ".join([*KINDS, PLANNED])
    )
    arguments = parser.parse_args()
    count: int = arguments.rows
    out = Path(__file__).resolve().parent / "results" / f"{date.today()}-catalogue-tables-{count}.json"
    results: dict[str, object] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"rows": count}
    for kind in arguments.kinds:
        if kind == PLANNED:
            results[kind] = measure("CSV, UTF-8", count, plans=True)
        else:
            once = measure(kind, count)
            results[kind] = {**once, "peak_mb_twice": measure(kind, 2 * count)["peak_mb"]}
        print(kind, results[kind], flush=True)
        out.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
