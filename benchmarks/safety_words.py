"""What the safety lists refuse: names in disguise, and nothing that is innocent.

    python benchmarks/safety_words.py --data ../shared/data

Counts, with the shipped lists alone: prompts of `safety_spellings.txt` that are refused for the entry they were written
for, those under "held out" apart; and refusals among `safety_innocent.txt`, every word of the lexicon, the thirty
prompts, captions of every product in the data, and its titles. Titles are a shop's and full of brands that it sells:
what was found in them is listed by entry, for reading.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from thirty_prompts import PROMPTS

from packshot.lexicon import lexicon
from packshot.lexicon.captions import captions
from packshot.prompt import entry_for_catalogue_name
from packshot.safety.rules import shipped
from packshot.safety.words import Matcher

HERE = Path(__file__).resolve().parent
HELD_OUT = "# held out"


def lines_of(name: str) -> Iterator[tuple[str, bool]]:
    """(line, whether it was held out) of a text file but for its comments."""
    held_out = False
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        held_out |= line.startswith(HELD_OUT)
        if line.strip() and not line.startswith("#"):
            yield line, held_out


def spellings(matcher: Matcher) -> dict[str, Any]:
    """Hits and misses among names in disguise."""
    counts: dict[str, Counter[str]] = {"settled": Counter(), "held out": Counter()}
    missed = []
    for line, held_out in lines_of("safety_spellings.txt"):
        key, text = line.split("\t")
        hit = key in {hit.entry.key for hit in matcher.find(text)}
        counts["held out" if held_out else "settled"][("missed", "refused")[hit]] += 1
        missed += [] if hit else [f"{key}: {text}"]
    return {name: {**found, "of": found.total()} for name, found in counts.items()} | {"missed": missed}


def refused(matcher: Matcher, texts: Iterable[str]) -> dict[str, Any]:
    """Refusals among texts that should pass."""
    every = list(dict.fromkeys(texts))
    found = {text: [f"{h.entry.category}.{h.entry.key}" for h in matcher.find(text)] for text in every}
    wrong = {text: keys for text, keys in found.items() if keys}
    return {"of": len(every), "refused": len(wrong), "which": dict(list(wrong.items())[:40])}


def lexicon_words() -> list[str]:
    """Every term that prompts are understood by."""
    return [(" " if all(form.isascii() for form in term) else "").join(term) for term in lexicon().terms if term]


def rows_of(data: Path) -> list[dict[str, Any]]:
    """Products of the fashion catalogue."""
    import pyarrow.parquet as pq

    names = ["id", "title", "gender", "article_type", "base_colour", "usage"]
    rows: list[dict[str, Any]] = pq.read_table(data / "fashion-60x80.parquet", columns=names).to_pylist()
    return rows


def captions_of(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Captions as training data has them."""
    slots = {"category": "article_type", "usage": "usage", "gender": "gender"}
    for row in rows:
        known = {slot: entry_for_catalogue_name(slot, row[column] or "") for slot, column in slots.items()}
        for said in captions(known, row["base_colour"], key=str(row["id"])).values():
            yield from said


def titles(matcher: Matcher, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is found in a shop's titles, by entry."""
    by_entry: dict[str, Counter[str]] = defaultdict(Counter)
    with_name = 0
    for row in rows:
        hits = matcher.find(row["title"] or "")
        with_name += bool(hits)
        for hit in hits:
            by_entry[f"{hit.entry.category}.{hit.entry.key}"][hit.said] += 1
    found = sorted(by_entry.items(), key=lambda item: -item[1].total())
    return {"of": len(rows), "with_a_name": with_name, "by_entry": {key: dict(c.most_common(4)) for key, c in found}}


def main() -> None:
    """Count, print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    began = time.perf_counter()
    rules = shipped()
    matcher = Matcher(rules)
    matcher.find("red shoe, 红色的鞋")  # tables of folding are read at the first text
    loaded = time.perf_counter() - began
    rows = rows_of(chosen.data)
    seconds = []
    for row in rows[:2000]:
        start = time.perf_counter()
        matcher.find(row["title"] or "")
        seconds.append(time.perf_counter() - start)
    document = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "entries": Counter(category for category, _ in rules.entries),
        "spellings_in_lists": sum(len(entry.names) + len(entry.common) for entry in rules.entries.values()),
        "milliseconds_to_load": round(1000 * loaded, 1),
        "microseconds_of_a_title": round(1e6 * statistics.median(seconds)),
        "spellings": spellings(matcher),
        "innocent": refused(matcher, (line for line, _ in lines_of("safety_innocent.txt"))),
        "lexicon": refused(matcher, lexicon_words()),
        "thirty_prompts": refused(matcher, (prompt for prompt, _ in PROMPTS)),
        "captions": refused(matcher, captions_of(rows)),
        "titles": titles(matcher, rows),
    }
    path = chosen.results / f"{document['date'][:10]}-safety-words.json"  # type: ignore[index]
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({**document, "titles": {k: v for k, v in document["titles"].items() if k != "by_entry"}},  # type: ignore[attr-defined]
                     ensure_ascii=False, indent=1))  # fmt: skip
    print(path)


if __name__ == "__main__":
    main()
