"""How far the verdicts of `packshot check` can be trusted, and how long they take.

Real products on white and sellers' photos are judged as they are, and again with a fault drawn into them: lettering
beside and over the product, a faint watermark, a frame, a second product, blur. Printed for each rule are the shares
that fail and that are unsure. What "fails" without a drawn fault is a false verdict unless the picture has it anyway:
--sheets shows them all.

    python benchmarks/listing_rules.py --data ../shared/data --count 60 --sheets out/rules --result FILE.json
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from packshot.images import contact_sheet, packaged_font, reduced, save_picture
from packshot.listing.channels import Channel, Rule, load_channels
from packshot.listing.measures import Look
from packshot.listing.report import check

SETS = {"fashion": "fashion-hires-1.parquet", "abo": "abo-256.parquet", "seller": "seller-photos.parquet"}
HARD = ("share", "margin", "items", "text", "watermark", "border", "shadow", "blur")
WORDS = ("限时特价 全场包邮", "SALE 50% OFF", "新品上市", "FREE SHIPPING", "官方旗舰店正品", "www.myshop.com",
         "Best Seller", "买一送一")  # fmt: skip
Picture = Image.Image


def pictures(data: Path, count: int) -> Iterator[tuple[str, str, Picture, Picture]]:
    """(set, id, picture, the next picture of the set), the same ones every time."""
    for name, file in SETS.items():
        table = pq.read_table(data / file, columns=["id", "image"])
        chosen = np.random.default_rng(7).choice(table.num_rows, count + 1, replace=False)
        rows = table.take(chosen).to_pylist()
        opened = [Image.open(io.BytesIO(row["image"])).convert("RGB") for row in rows]
        for row, picture, other in zip(rows[:-1], opened[:-1], opened[1:], strict=True):
            yield name, str(row["id"]), picture, other


def lettered(picture: Picture, index: int, top: float, opacity: int = 255) -> Picture:
    """A line of 5 to 8 % of the height, dark or light as the place asks for."""
    rng = np.random.default_rng(index)
    width, height = picture.size
    text, size = WORDS[index % len(WORDS)], round(rng.uniform(0.05, 0.08) * height)
    font = ImageFont.truetype(str(packaged_font()), size)
    while font.getlength(text) > 0.9 * width:
        font = font.font_variant(size=int(font.size * 0.9))
    at = (round(0.04 * width), round(top * height))
    behind = np.asarray(picture.convert("L"))[at[1] : at[1] + size]
    colour = ((200, 20, 20) if index % 2 else (20, 20, 20)) if np.median(behind) > 128 else (255, 240, 240)
    layer = Image.new("RGBA", picture.size)
    ImageDraw.Draw(layer).text(at, text, font=font, fill=(*colour, opacity))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def framed(picture: Picture, index: int) -> Picture:
    """A frame of 2 to 5 % of the width in one of four colours."""
    colour = ((0, 0, 0), (200, 30, 40), (60, 90, 160), (250, 210, 60))[index % 4]
    wide = round(picture.width * (0.02 + 0.01 * (index % 4)))
    seen = np.array(picture)
    seen[:wide], seen[-wide:], seen[:, :wide], seen[:, -wide:] = (colour,) * 4
    return Image.fromarray(seen)


def beside(picture: Picture, other: Picture) -> Picture:
    """Two products on one canvas."""
    height = picture.height
    other = other.resize((max(1, round(other.width * height / other.height)), height))
    wide = Image.new("RGB", (picture.width + other.width, height), "white")
    wide.paste(picture, (0, 0))
    wide.paste(other, (picture.width, 0))
    return wide


def blurred(picture: Picture) -> Picture:
    """By 1.2 % of the longer side: six pixels where it has 512."""
    return picture.filter(ImageFilter.GaussianBlur(0.012 * max(picture.size)))


FAULTS: dict[str, tuple[str, Callable[[Picture, Picture, int], Picture]]] = {
    "text at the top": ("text", lambda p, o, k: lettered(p, k, 0.01)),
    "text at the bottom": ("text", lambda p, o, k: lettered(p, k, 0.90)),
    "text in the middle": ("text", lambda p, o, k: lettered(p, k, 0.45)),
    "faint watermark": ("watermark", lambda p, o, k: lettered(p, k, 0.01, 45)),
    "frame": ("border", lambda p, o, k: framed(p, k)),
    "two products": ("items", lambda p, o, k: beside(p, o)),
    "blur": ("blur", lambda p, o, k: blurred(p)),
}


def jpeg(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def everything() -> Channel:
    """A channel with every hard rule: those of `amazon-main`, and `taobao-white`'s about shadows."""
    known = load_channels()
    rules: dict[str, Rule] = {**known["taobao-white"].rules, **known["amazon-main"].rules}
    return replace(known["amazon-main"], rules=MappingProxyType({name: rules[name] for name in HARD}))


def measured(data: Path, count: int, sheets: Path | None, drawn: str) -> dict[str, object]:
    """Shares of each status; sheets of pictures that fail as they are, and of drawn faults that pass."""
    channel = everything()
    tally: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    shown: dict[tuple[str, str, str], list[tuple[str, np.ndarray]]] = defaultdict(list)
    for index, (name, key, picture, other) in enumerate(pictures(data, count)):
        plain = Look(jpeg(picture), key)
        for verdict in check(plain, channel).verdicts:
            tally[name, "as it is", verdict.rule][verdict.status] += 1
            if verdict.status in ("fail", "unsure"):
                words = f"{key[:9]} {verdict.judgement.measured.en}"
                shown[name, verdict.rule, verdict.status].append((words, reduced(plain.rgb, 230)))
        for fault, (rule, draw) in FAULTS.items():
            if not fault.startswith(drawn) or (fault == "two products" and name == "seller"):
                continue
            look = Look(jpeg(draw(picture, other, index)), key)
            (verdict,) = check(look, replace(channel, rules=MappingProxyType({rule: channel.rules[rule]}))).verdicts
            tally[name, fault, rule][verdict.status] += 1
            if verdict.status == "pass":
                shown[name, fault, "missed"].append((key[:9], reduced(look.rgb, 230)))
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        for parts, rows in shown.items():
            rows = rows[:40]
            sheet = contact_sheet([p for _, p in rows], columns=8, labels=[words for words, _ in rows])
            save_picture(sheet, sheets / f"{'-'.join(parts).replace(' ', '_')}.png")
    return {
        f"{name}: {fault}: {rule}": {status: round(n / sum(found.values()), 3) for status, n in found.items()}
        for (name, fault, rule), found in sorted(tally.items())
    }


def seconds(data: Path, count: int) -> dict[str, dict[str, float]]:
    """Processor seconds of one check at 1,600 px, decoding included."""
    channels, found = load_channels(), {}
    for name in SETS:
        for channel in ("amazon-main", "taobao-white", "shopify"):
            times = []
            rows = [row for row in pictures(data, count) if row[0] == name]
            for _, key, picture, _ in rows:
                scale = 1600 / max(picture.size)
                large = jpeg(picture.resize((round(picture.width * scale), round(picture.height * scale))))
                start = time.process_time()
                check(large, channels[channel], where=key)
                times.append(time.process_time() - start)
            found[f"{name}: {channel}"] = {"median": round(statistics.median(times), 3), "worst": round(max(times), 3)}
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--timed", type=int, default=12)
    parser.add_argument("--drawn", default="", help="only faults whose name begins so")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--result", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    document = {
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "pictures of each set": given.count,
        "processor seconds at 1600 px": seconds(given.data, given.timed) if given.timed else None,
        "shares": measured(given.data, given.count, given.sheets, given.drawn) if given.count else None,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    print(text)
    if given.result is not None:
        given.result.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
