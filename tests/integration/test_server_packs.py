"""Packs that come, go and come again beside a worker that has them open."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("cv2")

from PIL import Image
from server_calls import content
from servers import RunningServer, serving
from shop_catalogues import KINDS, catalogue
from tiny_packs import write_tiny_flow_pack

from packshot.client import Client, JobFailedError, Kind, ServerError
from packshot.generation import GenerationRequest, open_backend
from packshot.server.database import Database
from packshot.server.queue import NewJob, Queue, Room

WISH = {"prompt": "red watch", "count": 1, "seed": 5, "size": 64}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """It draws with real packs, all in one worker process."""
    with serving(tmp_path_factory.mktemp("home"), "--workers", "1") as running:
        yield running


def drawn(pack: Path) -> np.ndarray:
    (result,) = open_backend("embedded", str(pack)).generate([GenerationRequest(**WISH)])
    return result.pixels


def test_a_deleted_pack_draws_no_more_and_a_new_one_of_its_name_draws_as_it_is(
    server: RunningServer, tmp_path: Path
) -> None:
    home, wish = server.home / "packs", {**WISH, "pack": "our-shop"}
    home.mkdir()
    expected = []
    with Client(server.url) as shop:
        for seed in (1, 2):
            made = write_tiny_flow_pack(tmp_path / str(seed), seed=seed).folder
            expected.append(drawn(made))
            made.rename(home / "our-shop")
            (asset,) = shop.generate(**wish).assets
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(content(server, asset.id)))), expected[-1])
            (pack,) = (pack for pack in shop.packs() if pack.name == "our-shop")
            assert pack.removable and pack.kind == "flow" and pack.quality == {}
            with server.halted():
                waiting = shop.generate(**wish, wait=False)
                with pytest.raises(ServerError, match="1 job") as needed:
                    pack.delete()
                assert (needed.value.status, needed.value.code) == (409, "in_use")
            shop.wait(waiting)
            pack.delete()
            with pytest.raises(ServerError, match="'our-shop'; accepted: one of base"):
                shop.generate(**wish)
            assert "our-shop" not in {row["id"] for row in server.http.get("/v1/models").json()["data"]}
            # One that was accepted at the last moment: the worker has the pack open, and does not draw with it.
            late, _ = Queue(Database(f"sqlite:///{server.home / 'packshot.sqlite'}")).submit(
                NewJob("generation", "quick", {**wish, "format": "png"}, 1.0), Room(1)
            )
            with pytest.raises(JobFailedError) as failed:
                shop.wait(late.id)
            assert (failed.value.job.error or {})["code"] == "refused" and "'our-shop'" in str(failed.value)
    assert not np.array_equal(*expected)


@pytest.mark.slow
def test_a_shops_own_kinds_are_learned_from_nothing_told_and_drawn(server: RunningServer, tmp_path: Path) -> None:
    """By a whole recipe, whose network is that of real trainings; benchmarks/serve_recipes.py does them all."""
    shop_zip = tmp_path / "shop.zip"
    shop_zip.write_bytes(catalogue(categories=("Kettles & Pots", "Phone case")))
    with Client(server.url) as shop:
        job = shop.train("kettles", minutes=0.01, catalogue=shop_zip, kinds=KINDS.encode("utf-8-sig"),
                         recipe="from-scratch", overrides={"loop.batch": 4}, wait=True)  # fmt: skip
        assert job.request["kinds"] == ["kettle", "phone_case"]
        assert (job.result or {})["step"] >= 1 and (job.result or {})["kept"] == 12
        (pack,) = (pack for pack in shop.packs() if pack.name == "kettles")
        assert pack.kinds == [Kind("kettle", "kettle", "水壶", True), Kind("phone_case", "phone case", "手机壳", True)]
        for prompt, kind in (("红色水壶", "kettle"), ("red phone case", "phone_case")):
            drawn = shop.generate(prompt, count=1, seed=1, size=128, pack="kettles")
            assert (drawn.result or {})["prompt"]["category"] == kind
            assert shop.understand(prompt, pack="kettles")["category"] == kind
        (picture,) = drawn.assets
        assert (picture.width, picture.height) == (128, 128)
        assert picture.details["recipe"]["pack"]["sha256"] == pack.sha256
        with pytest.raises(ServerError, match="prompt"):  # they are of that pack alone
            shop.generate("红色水壶", count=1, size=64)
        assert shop.generate("red watch", count=1, size=64).status == "done"
        pack.delete()
        with pytest.raises(ServerError, match="'kettles'"):
            shop.understand("红色水壶", pack="kettles")
