"""Packs that come, go and come again beside a worker that has them open."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from PIL import Image
from server_calls import content
from servers import RunningServer, serving
from tiny_packs import write_tiny_flow_pack

from packshot.client import Client, JobFailedError, ServerError
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
