"""Trainings by the API, whole: a catalogue in, a pack out that draws; stopped and gone on with."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("cv2")

from PIL import Image
from server_calls import ended
from servers import RunningServer
from training_catalogues import catalogue

from packshot.generation import GenerationRequest, open_backend

WISH = {"name": "our-shop", "recipe": "trial", "minutes": "0.1"}


def asked(api: RunningServer, data: bytes | None = None, **wish: Any) -> Any:
    files = {} if data is None else {"catalogue": ("shop.zip", data)}
    return api.http.post("/v1/trainings", data={**WISH, **wish}, files=files or {"x": (None, "")})


def test_what_can_be_trained_is_listed(api: RunningServer) -> None:
    options = api.http.get("/v1/trainings/options").json()
    assert options["available"] and options["missing"] is None and options["sources"] == []
    assert [row["name"] for row in options["recipes"]] == ["small-catalogue", "from-scratch", "trial"]


@pytest.mark.slow
def test_a_catalogue_becomes_a_pack_that_draws(api: RunningServer) -> None:
    answer = asked(api, catalogue(), overrides=json.dumps({"loop.seed": 3, "loop.batch": 4}), note="drawn watches")
    assert answer.status_code == 202, answer.text
    job = ended(api, answer.json(), 150)
    assert job["status"] == "done", job
    assert job["result"]["pack"] == "our-shop" and job["result"]["step"] > 2 and job["result"]["kept"] >= 4
    url = f"/v1/trainings/{job['id']}"
    training = api.http.get(url).json()
    assert training["resumable"] and training["step"] == job["result"]["step"] and training["prepared"]["rows"] == 12
    curve = api.http.get(f"{url}/curve").json()
    steps = [point["step"] for point in curve["points"] if "loss" in point]
    assert "loss" in curve["names"] and steps[-1] == training["step"] and steps == sorted(steps)
    later = api.http.get(f"{url}/curve", params={"after": steps[-1] - 1}).json()
    assert {point["step"] for point in later["points"]} == {steps[-1]}
    sheets = api.http.get(f"{url}/sheets").json()["sheets"]
    assert sheets[-1]["step"] == steps[-1]
    assert Image.open(io.BytesIO(api.http.get(sheets[-1]["url"]).content)).format == "PNG"
    assert api.http.get(f"{url}/sheets/..%2f..%2flog.jsonl").status_code == 404
    packs = {pack["name"]: pack for pack in api.http.get("/v1/packs").json()["packs"]}
    assert packs["our-shop"]["training_data"] == "drawn watches" and packs["our-shop"]["kind"] == "flow"
    assert str(api.home) not in json.dumps([training, packs["our-shop"], job])
    backend = open_backend("embedded", str(api.home / "packs" / "our-shop"))  # the server's own is the fake one
    (drawn,) = backend.generate([GenerationRequest("red watch", 1, 1, 64)])
    assert drawn.pixels.shape == (64, 64, 3)
    again = api.http.post(f"{url}/resume", json={"minutes": 0.12})
    assert again.status_code == 202 and again.json()["request"]["folder"] == job["request"]["folder"]
    assert ended(api, again.json(), 120)["status"] == "done"


@pytest.mark.slow
def test_a_stopped_training_keeps_its_checkpoint_and_goes_on(api: RunningServer) -> None:
    job = asked(api, catalogue(), name="stopped", minutes="30").json()
    url, until = f"/v1/trainings/{job['id']}", time.monotonic() + 120
    while not (now := api.http.get(url).json())["step"]:
        assert now["job"]["status"] in ("queued", "running") and time.monotonic() < until, now
        time.sleep(0.1)
    assert api.http.post(f"{url}/resume").status_code == 409 and api.http.delete(url).status_code == 409
    api.http.post(f"/v1/jobs/{job['id']}/cancel")
    job = ended(api, job, 90)
    assert job["status"] == "cancelled" and api.http.get(url).json()["resumable"], job
    stopped = api.http.get(url).json()["step"]
    again = api.http.post(f"/v1/jobs/{job['id']}/retry")
    assert again.status_code == 202
    while api.http.get(url).json()["step"] == stopped:  # it goes on from the checkpoint, not from nothing
        assert time.monotonic() < until
        time.sleep(0.1)
    steps = [point["step"] for point in api.http.get(f"{url}/curve").json()["points"] if "loss" in point]
    assert steps == sorted(steps) and steps[0] > 0
    api.http.post(f"/v1/jobs/{again.json()['id']}/cancel")
    assert ended(api, again.json(), 90)["status"] == "cancelled"
    assert api.http.delete(url).status_code == 204 and api.http.get(url).status_code == 404
    assert "stopped" not in {pack["name"] for pack in api.http.get("/v1/packs").json()["packs"]}


def test_what_cant_be_trained_is_refused_and_leaves_nothing(api: RunningServer) -> None:
    before = {*(api.home / "trainings").glob("*")}
    good = catalogue()
    for data, wish, status, said in (
        (None, {}, 422, "neither"),
        (good, {"source": "autumn"}, 422, "both"),
        (None, {"source": "../../etc"}, 422, "lends none"),
        (good, {"recipe": "../tiny"}, 422, "small-catalogue"),
        (good, {"name": "../base"}, 422, "hyphens"),
        (good, {"name": "base"}, 422, "a new name"),
        (good, {"minutes": "0"}, 422, "minutes"),
        (good, {"minutes": "nan"}, 422, "minutes"),
        (good, {"overrides": json.dumps({"loop.init_from": 1})}, 422, "loop.batch"),
        (good, {"overrides": json.dumps({"loop.batch": 4096})}, 422, "256"),
        (good, {"overrides": "{"}, 422, "JSON"),
        (b"MZ", {}, 415, "ZIP"),
        (catalogue("shop/notes.txt"), {}, 415, "no table"),
        (catalogue(**{"other.csv": b"a,b"}), {}, 415, "several tables"),
        (catalogue(**{"../metadata.csv": b"a,b"}), {}, 415, "../metadata.csv"),
    ):
        answer = asked(api, data, **{"name": "refused", **wish})
        assert (answer.status_code, said in answer.text) == (status, True), (wish, answer.text)
    assert {*(api.home / "trainings").glob("*")} == before
