"""A key reaches its own jobs and assets alone, by every route there is; the scope `admin` reaches all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from guarded import WORKING, Guarded, picture, submit, upload
from openapi_requests import Operation, operations
from starlette.testclient import TestClient

from packshot.errors import RequestError
from packshot.server.queue import NewJob, Room
from packshot.server.security.keys import view_of
from packshot.server.tables import jobs
from packshot.server.tasks.interface import file_of
from packshot.server.tasks.table import TASKS


@dataclass
class Owners:
    """Two keys, an administrator's, and what the first of them owns."""

    guarded: Guarded
    first: TestClient
    second: TestClient
    admin: TestClient
    job: str
    asset: str
    others: list[str]
    """Jobs of every kind there is."""


@pytest.fixture
def owners(tmp_path: Path) -> Owners:
    guarded = Guarded(tmp_path)
    first, second, admin = guarded.client(*WORKING), guarded.client(*WORKING), guarded.client("admin")
    queue, owner = guarded.app.state.services.queue, first.key.id  # type: ignore[attr-defined]
    others = [queue.submit(NewJob(kind, task.lane, {"folder": "x"}, 1.0, owner), Room(1))[0].id
              for kind, task in TASKS.items()]  # fmt: skip
    return Owners(guarded, first, second, admin, submit(first), upload(first), others)


def with_ids(owners: Owners) -> Iterator[tuple[Operation, dict[str, str]]]:
    """Every operation on a thing that has an id, with each id that the first key owns."""
    for operation in operations(owners.guarded.app.openapi()):
        names = re.findall(r"\{(\w+)\}", operation.path)
        for identity in (owners.job, owners.asset, *owners.others) if names else ():
            yield operation, dict.fromkeys(names, identity)


def test_no_route_tells_a_key_of_anothers_things(owners: Owners) -> None:
    tried = set()
    for operation, ids in with_ids(owners):
        answer = operation.send(owners.second, ids, picture())  # type: ignore[arg-type]
        assert answer.status_code == 404, f"{operation.method} {operation.path} {ids}: {answer.status_code}"
        tried.add(operation.path)
    assert {"/v1/jobs/{job_id}/events", "/v1/jobs/{job_id}/retry", "/v1/assets/{asset_id}/content"} <= tried
    unchanged = owners.first.get(f"/v1/jobs/{owners.job}").json()
    assert unchanged["status"] == "queued" and not owners.first.get(f"/v1/assets/{owners.asset}").json()["favourite"]


def test_what_is_anothers_looks_as_what_is_not_there(owners: Owners) -> None:
    for known, unknown in ((owners.job, "job_" + "0" * 31), (owners.asset, "asset_" + "0" * 31)):
        path = "/v1/jobs/" if known.startswith("job") else "/v1/assets/"
        answers = [owners.second.get(path + identity).json() for identity in (known, unknown)]
        assert all(answer.pop("request_id") for answer in answers) and answers[0] == answers[1]


def test_lists_hold_ones_own(owners: Owners) -> None:
    mine = upload(owners.second, picture((0, 0, 255)))
    for client, count in ((owners.first, 1), (owners.second, 1), (owners.admin, 2)):
        found = client.get("/v1/assets").json()["assets"]
        assert len(found) == count
    assert [one["id"] for one in owners.second.get("/v1/assets?q=p").json()["assets"]] == [mine]
    assert owners.second.get("/v1/jobs").json()["jobs"] == []
    assert len(owners.admin.get("/v1/jobs").json()["jobs"]) == 1 + len(owners.others)


@pytest.mark.parametrize("field", ["like", "background"])
def test_anothers_picture_is_no_picture_in_a_request(owners: Owners, field: str) -> None:
    body = {"prompt": "red shoe", "count": 1, field: owners.asset}
    refused = owners.second.post("/v1/generations", json=body)
    assert refused.status_code == 422 and "the id of an uploaded or made picture" in refused.json()["detail"]
    assert owners.admin.post("/v1/generations", json=body).status_code != 422


def test_a_worker_looks_for_pictures_as_the_owner_of_its_job_does(owners: Owners) -> None:
    """Whatever a route forgot to check when the job was accepted."""
    services = owners.guarded.app.state.services
    for client, may in ((owners.first, True), (owners.second, False), (owners.admin, True)):
        seen = services.assets.seen_by(view_of(services.database, client.key.id))  # type: ignore[attr-defined]
        if may:
            assert file_of(seen, owners.asset, "photo")[0].id == owners.asset
        else:
            with pytest.raises(RequestError):
                file_of(seen, owners.asset, "photo")
    assert view_of(services.database, "local") is None and view_of(services.database, "key_gone") == "key_gone"


def test_a_retry_stays_the_owners(owners: Owners) -> None:
    assert owners.admin.post(f"/v1/jobs/{owners.job}/cancel").json()["status"] == "cancelled"
    again = owners.admin.post(f"/v1/jobs/{owners.job}/retry").json()["id"]
    assert owners.first.get(f"/v1/jobs/{again}").status_code == 200
    assert owners.second.get(f"/v1/jobs/{again}").status_code == 404


def test_idempotency_keys_are_each_owners_own(owners: Owners) -> None:
    headers = {"Idempotency-Key": "order-1"}
    body = {"prompt": "red shoe", "count": 1, "seed": 3}
    found = [client.post("/v1/generations", json=body, headers=headers).json().get("id")
             for client in (owners.first, owners.first, owners.second)]  # fmt: skip
    assert found[0] == found[1] != found[2]


def test_jobs_of_the_time_before_keys_are_the_administrators(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path)
    before = submit(guarded.http)
    guarded.keys.create("first", ("read",), 60)
    guarded = Guarded(tmp_path)  # the other one takes a second to see that there is a key now
    first, admin = guarded.client(*WORKING), guarded.client("admin")
    with guarded.keys.database.read() as connection:
        assert connection.execute(jobs.select().where(jobs.c.id == before)).one().owner == "local"
    assert first.get(f"/v1/jobs/{before}").status_code == 404
    assert admin.get(f"/v1/jobs/{before}").status_code == 200
