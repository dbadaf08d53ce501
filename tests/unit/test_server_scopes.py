"""Every route declares its scope, every kind of job has one, and what is declared nowhere is refused."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from guarded import WORKING, Guarded

from packshot.server.security.scopes import PUBLIC, SCOPES, TASK_SCOPES, wanted
from packshot.server.tasks.table import TASKS

OPEN_TO_ALL = {"/healthz", "/readyz", "/openapi.json", "/docs", "/docs/start.js"}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of every route but the files of the page and of Swagger UI."""
    found = [(method, context.path) for context in iter_route_contexts(app.router.routes) for method in
             sorted(context.methods or ()) if context.path]  # fmt: skip
    return [(method, str(path)) for method, path in found]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    made = Guarded(tmp_path_factory.mktemp("home"))
    made.keys.create("first", ("read",), 60)
    return made


def test_every_route_declares_a_scope(guarded: Guarded) -> None:
    found = routes(guarded.app)
    assert len(found) > 15
    assert [route for route in found if wanted(*route) is None] == []
    assert {path for method, path in found if wanted(method, path) == PUBLIC} == OPEN_TO_ALL


def test_every_kind_of_job_has_a_scope() -> None:
    assert TASKS.keys() <= TASK_SCOPES.keys() and set(TASK_SCOPES.values()) <= SCOPES.keys()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/keys"),
        ("GET", "/v1/keys"),
        ("GET", "/v1"),
        ("PUT", "/"),
        ("POST", "/v1/channels"),
        ("GET", "/v1/x/y"),
    ],
)
def test_what_nothing_declares_takes_admin(guarded: Guarded, method: str, path: str) -> None:
    assert wanted(method, path) is None
    assert guarded.client(*WORKING, "metrics").request(method, path).json()["code"] == "scope"
    assert guarded.client("admin").request(method, path).status_code in (404, 405)


def test_no_route_answers_without_a_key_but_the_public_ones(guarded: Guarded) -> None:
    for method, path in routes(guarded.app):
        answer = guarded.http.request(method, path.replace("{", "").replace("}", ""))
        if path in OPEN_TO_ALL:
            assert answer.status_code != 401
        else:
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert method == "HEAD" or "no_valid_key" in answer.text  # in the form that clients of the route know


def test_a_key_without_the_scope_is_refused_on_every_route(guarded: Guarded) -> None:
    for scope in SCOPES.keys() - {"admin"}:
        client = guarded.client(scope)
        for method, path in routes(guarded.app):
            needed = wanted(method, path)
            if needed and scope not in needed:
                answer = client.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code == 403, (scope, method, path)


def test_the_description_says_what_each_route_takes(guarded: Guarded) -> None:
    document = guarded.http.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["key"]
    assert scheme["type"] == "http" and all(f"`{name}`" in scheme["description"] for name in SCOPES)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needed = wanted(method.upper(), path)
            assert operation.get("x-scopes", []) == sorted(needed or ())
            assert bool(needed) == ("security" in operation)


def test_asking_for_a_job_takes_the_scope_of_its_kind_whichever_route_it_is(guarded: Guarded) -> None:
    owner = guarded.client("generate", "read")
    job = owner.post("/v1/generations", json={"prompt": "red shoe", "count": 1}).json()["id"]
    assert owner.post(f"/v1/jobs/{job}/cancel").json()["status"] == "cancelled"
    checker = guarded.client("check", "read")
    guarded.app.state.services.queue  # noqa: B018
    with guarded.keys.database.write() as connection:  # as if it were the checker's own
        from packshot.server.tables import jobs

        connection.execute(jobs.update().where(jobs.c.id == job).values(owner=checker.key.id))  # type: ignore[attr-defined]
    answer = checker.post(f"/v1/jobs/{job}/retry")
    assert answer.status_code == 403 and "scope generate" in answer.json()["detail"]
