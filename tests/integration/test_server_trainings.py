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
from shop_catalogues import KINDS, catalogue
from trained_packs import put_pack

from packshot.generation import GenerationRequest, open_backend

WISH = {"name": "our-shop", "recipe": "trial", "minutes": "0.1"}


def asked(api: RunningServer, data: bytes | None = None, kinds: bytes | None = None, **wish: Any) -> Any:
    files = {} if data is None else {"catalogue": ("shop.zip", data)}
    if kinds is not None:
        files["kinds"] = ("kinds.toml", kinds)
    return api.http.post("/v1/trainings", data={**WISH, **wish}, files=files or {"x": (None, "")})


def test_what_can_be_trained_is_listed(api: RunningServer) -> None:
    options = api.http.get("/v1/trainings/options").json()
    assert options["available"] and options["missing"] is None and options["sources"] == []
    assert [row["name"] for row in options["recipes"]] == ["small-catalogue", "from-scratch", "trial"]


@pytest.mark.slow
def test_a_training_is_stopped_gone_on_with_and_becomes_a_pack_that_draws(api: RunningServer) -> None:
    """One life of a training: each start of PyTorch takes seconds, so that none is without need."""
    wish = {"overrides": json.dumps({"loop.seed": 3, "loop.batch": 4}), "note": "drawn kettles", "minutes": "30"}
    shop = catalogue(categories=("Kettles & Pots", "Phone case"))
    job = stopped(api, asked(api, shop, KINDS.encode("utf-8-sig"), **wish))
    assert job["request"]["kinds"] == ["kettle", "phone_case"]
    url = f"/v1/trainings/{job['id']}"
    first = api.http.get(url).json()
    assert first["resumable"] and first["prepared"]["rows"] == 12
    not_begun(api, api.http.post(f"/v1/jobs/{job['id']}/retry"), job["request"])
    assert "our-shop" not in packs_of(api)
    put_pack(api.home, training=job["request"]["folder"])  # as an earlier sitting leaves it
    spent = api.http.get(url).json()["spent_minutes"]
    resumed = api.http.post(f"{url}/resume", json={"minutes": spent + 0.01})
    assert resumed.status_code == 202
    done = ended(api, resumed.json(), 120)
    assert done["status"] == "done", done
    assert done["result"]["pack"] == "our-shop"
    assert done["result"]["step"] > first["step"] > 2  # from the checkpoint, not from nothing
    assert 4 <= done["result"]["kept"] <= done["result"]["rows"] == 12
    told = is_told(api, url, first["step"], done["result"]["step"])
    pack = packs_of(api)["our-shop"]
    assert pack["training_data"] == "drawn kettles" and pack["kind"] == "flow" and pack["version"] == "1"
    assert [(kind["key"], kind["zh"], kind["own"]) for kind in pack["kinds"]] == [
        ("kettle", "水壶", True), ("phone_case", "手机壳", True),
    ]  # fmt: skip
    assert str(api.home) not in json.dumps([told, pack, done])
    backend = open_backend("embedded", str(api.home / "packs" / "our-shop"))  # the server's own is the fake one
    (drawn,) = backend.generate([GenerationRequest("红色水壶", 1, 1, 64)])
    assert drawn.pixels.shape == (64, 64, 3) and drawn.prompt["category"] == "kettle"
    longer = api.http.post(f"{url}/resume", json={"minutes": 40})  # also when it was done
    not_begun(api, longer, {**job["request"], "minutes": 40})
    assert api.http.delete(url).status_code == 204 and api.http.get(url).status_code == 404
    assert "our-shop" in packs_of(api)


def packs_of(api: RunningServer) -> dict[str, Any]:
    return {pack["name"]: pack for pack in api.http.get("/v1/packs").json()["packs"]}


def not_begun(api: RunningServer, answer: Any, request: dict[str, Any]) -> None:
    """It was accepted with this request, which is all that a job knows, and is cancelled before PyTorch starts."""
    assert answer.status_code == 202 and answer.json()["request"] == request, answer.text
    api.http.post(f"/v1/jobs/{answer.json()['id']}/cancel")
    assert ended(api, answer.json(), 90)["status"] == "cancelled"


def stopped(api: RunningServer, answer: Any) -> dict[str, Any]:
    """The job of a training that was let go on until it had taken steps, and was then cancelled."""
    assert answer.status_code == 202, answer.text
    url, until = f"/v1/trainings/{answer.json()['id']}", time.monotonic() + 120
    while not (now := api.http.get(url).json())["step"]:
        assert now["job"]["status"] in ("queued", "running") and time.monotonic() < until, now
        time.sleep(0.1)
    assert api.http.post(f"{url}/resume").status_code == 409 and api.http.delete(url).status_code == 409
    api.http.post(f"/v1/jobs/{now['job']['id']}/cancel")
    job = ended(api, now["job"], 90)
    assert job["status"] == "cancelled", job
    return job


def is_told(api: RunningServer, url: str, earlier: int, step: int) -> dict[str, Any]:
    """What is read of a training of two sittings whose last steps these were."""
    training = api.http.get(url).json()
    assert training["resumable"] and training["step"] == step
    curve = api.http.get(f"{url}/curve").json()
    steps = [point["step"] for point in curve["points"] if "loss" in point]
    assert "loss" in curve["names"] and steps[-1] == step and steps == sorted(steps) and 0 < steps[0] <= earlier
    later = api.http.get(f"{url}/curve", params={"after": steps[-1] - 1}).json()
    assert {point["step"] for point in later["points"]} == {steps[-1]}
    sheets = api.http.get(f"{url}/sheets").json()["sheets"]
    assert sheets[-1]["step"] == steps[-1]
    assert Image.open(io.BytesIO(api.http.get(sheets[-1]["url"]).content)).format == "PNG"
    assert api.http.get(f"{url}/sheets/..%2f..%2flog.jsonl").status_code == 404
    return training


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
    refused = {"minutes": "0.1", "name": "refused"}
    for kinds, status, said in (
        (b"kettle", 415, "kinds: got "),
        (KINDS.encode("utf-16"), 415, "UTF-8"),
        (b"a = " + b"[" * 5_000, 415, "kinds: got "),
        (b"# nothing", 415, "no kind"),
        (b'[kettle]\nen = ["kettle"]', 415, "kinds: [kettle]: got no words in 'zh'"),
        ('[kettle]\nen = ["handbag"]\nzh = ["水壶"]'.encode(), 415, "a word for handbag already"),
        ("\n".join(f'[k{n}]\nen = ["k{n}"]\nzh = ["壶{n}"]' for n in range(40)).encode(), 415, "so many at most"),
        (b"#" * 64_001, 413, "64 kB"),
    ):
        answer = asked(api, good, kinds, **refused)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
    two = [("catalogue", ("shop.zip", good)), ("catalogue", ("shop.zip", good))]
    for files, said in ((two, "several files"), ([("kind", ("kinds.toml", KINDS))], "catalogue, kinds")):
        answer = api.http.post("/v1/trainings", data={**WISH, **refused}, files=files)
        assert (answer.status_code, said in answer.text) == (422, True), answer.text
    assert {*(api.home / "trainings").glob("*")} == before


def test_other_kinds_are_another_request(api: RunningServer) -> None:
    headers, good = {"Idempotency-Key": "kinds-1"}, catalogue(categories=("Kettles & Pots", "phone case"))
    with api.halted():
        first, again, other = (
            api.http.post("/v1/trainings", data={**WISH, "name": "idempotent"}, headers=headers,
                          files={"catalogue": ("shop.zip", good), "kinds": ("kinds.toml", kinds.encode())})
            for kinds in (KINDS, KINDS, KINDS + "# more")
        )  # fmt: skip
        api.http.post(f"/v1/jobs/{first.json()['id']}/cancel")
    assert first.json()["id"] == again.json()["id"] and first.json()["request"]["kinds"] == ["kettle", "phone_case"]
    assert other.json()["code"] == "idempotency_key_reused"
