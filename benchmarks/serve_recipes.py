"""Every training that the server offers, tiny, from a catalogue to a picture that the new pack draws, all by the API.

    OMP_NUM_THREADS=1 python benchmarks/serve_recipes.py http://127.0.0.1:8333 --recipes small-catalogue,from-scratch

Against a server that runs (`packshot serve`, with the extra `train`). A fraction of a minute of training is a step or
two: the picture shows noise, and the road is what is looked at. The packs are deleted again.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import zipfile

from PIL import Image, ImageDraw

from packshot.client import Client, Job, JobFailedError

PICTURES = 12


def catalogue(side: int) -> bytes:
    """Drawn red watches on white, and their table, as a ZIP."""
    buffer, lines = io.BytesIO(), ["file_name,title,category,colour"]
    with zipfile.ZipFile(buffer, "w") as made:
        for number in range(PICTURES):
            picture, data = Image.new("RGB", (side, side), "white"), io.BytesIO()
            edges = (0.1, 0.1 + number / 100, 0.6 + number / 50, 0.9 - number / 60)
            ImageDraw.Draw(picture).ellipse([side * edge for edge in edges], fill=(200, 30 + 15 * number, 30))
            picture.save(data, "PNG")
            made.writestr(f"{number}.png", data.getvalue())
            lines.append(f"{number}.png,Thing {number},Watches,Red")
        made.writestr("metadata.csv", "\n".join(lines))
    return buffer.getvalue()


def trained(shop: Client, job: Job) -> dict[str, float]:
    """Seconds by stage of a training that comes to its end."""
    seconds: dict[str, float] = {}
    stage, began = "queued", time.monotonic()
    for now in shop.follow(job):
        if (after := now.stage.partition(":")[0] or now.status) != stage or now.ended:
            seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - began
            stage, began = after, time.monotonic()
        if now.ended and now.status != "done":
            raise JobFailedError(now)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--key", default="")
    parser.add_argument("--recipes", default="small-catalogue,from-scratch,trial")
    parser.add_argument("--minutes", type=float, default=0.02, help="from 10 on the network is compiled first")
    given = parser.parse_args()
    with Client(given.url, key=given.key) as shop:
        for recipe in given.recipes.split(","):
            wish = {"catalogue": catalogue(256), "recipe": recipe, "overrides": {"loop.batch": 4}}
            seconds = trained(shop, shop.train(f"try-{recipe}", minutes=given.minutes, **wish))
            began = time.monotonic()
            (picture,) = shop.generate("red watch", count=1, seed=1, size=256, pack=f"try-{recipe}").assets
            seconds["draw"] = time.monotonic() - began
            shop.delete_pack(f"try-{recipe}")
            told = ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())
            print(f"{recipe}: {picture.width} px; {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
