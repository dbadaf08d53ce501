"""Who gets past the gate: hosts, other web pages, keys, sessions, rates; and what every answer tells browsers."""

from __future__ import annotations

from pathlib import Path

import pytest
from guarded import WORKING, Guarded, picture, submit, upload
from starlette.testclient import TestClient

from packshot.server.security.gate import COOKIE
from packshot.server.security.headers import DATA_POLICY, PAGE_POLICY


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """For tests after which it is as it was before: one for all of them, since making the database takes longest."""
    return Guarded(tmp_path_factory.mktemp("refusing"))


@pytest.fixture
def keyed(guarded: Guarded) -> Guarded:
    guarded.keys.create("first", ("read",), 60)
    return guarded


# ---- Without keys, on this machine -----------------------------------------------------------------------------------


def test_this_machine_may_do_everything_without_a_key(guarded: Guarded) -> None:
    assert submit(guarded.http) and upload(guarded.http)
    assert guarded.http.get("/v1/session").json() == {"name": "this machine", "scopes": ["admin"], "keys": False}
    some_key = {"Authorization": "Bearer sk-whatever-a-client-library-sends"}
    assert guarded.http.get("/v1/jobs", headers=some_key).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8333", "127.0.0.1:1", "[::1]:8333", "[::1]", "LOCALHOST:1"])
def test_names_of_this_machine_are_known(refusing: Guarded, host: str) -> None:
    assert refusing.http.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8333",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "",
        "10.0.0.1",
        "[::2]",
        "[",
        "a:b:c",
        "localhost:x]",
        "127.0.0.1:1@evil.example",
    ],
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/", "/healthz", "/openapi.json"])
def test_other_names_for_this_machine_are_refused(refusing: Guarded, host: str, path: str) -> None:
    answer = refusing.http.get(path, headers={"Host": host})
    assert answer.status_code == 421 and answer.json()["code"] == "unknown_host"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_a_proxy_in_front_needs_keys(refusing: Guarded, header: str) -> None:
    answer = refusing.http.get("/v1/jobs", headers={header: "for=10.0.0.1"})
    assert answer.status_code == 403 and answer.json()["code"] == "proxy_without_keys"


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port of this machine
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "http://127.0.0.1.evil.example:8333"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8333"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
)


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_web_pages_change_nothing(refusing: Guarded, headers: dict[str, str]) -> None:
    body = {"prompt": "red shoe"}
    answer = refusing.http.post("/v1/generations", json=body, headers=headers)
    assert answer.status_code == 403 and answer.json()["code"] == "other_page"
    files = {"file": ("p.png", picture(), "image/png")}
    assert refusing.http.post("/v1/assets", files=files, headers=headers).status_code == 403
    assert refusing.http.get("/v1/jobs").json()["jobs"] == [] and refusing.http.get("/v1/assets").json()["assets"] == []
    assert refusing.http.get("/v1/jobs", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8333"}, {"Sec-Fetch-Site": "none"},
                {"Origin": "http://127.0.0.1:8333"}]
)  # fmt: skip
def test_the_own_page_and_programs_may(guarded: Guarded, headers: dict[str, str]) -> None:
    assert guarded.http.post("/v1/generations", json={"prompt": "red shoe"}, headers=headers).status_code == 202


def test_a_link_from_elsewhere_leads_to_the_page_but_a_frame_does_not(refusing: Guarded) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert refusing.http.get("/", headers=link).status_code == 200
    assert refusing.http.get("/", headers={**link, "Sec-Fetch-Dest": "iframe"}).status_code == 403


@pytest.mark.parametrize("body", [b'{"prompt": "red shoe"}'])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_json_in_another_type_is_no_json(refusing: Guarded, body: bytes, kind: str) -> None:
    """So that a browser without these headers has to ask first (CORS), and is not answered."""
    headers = {"Content-Type": kind} if kind else {}
    assert refusing.http.post("/v1/generations", content=body, headers=headers).status_code == 422


def test_no_other_origin_is_ever_let_in(guarded: Guarded) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for client in (guarded.http, guarded.client("read")):
        answer = client.options("/v1/generations", headers=headers)
        assert answer.status_code >= 400
        assert not [name for name in answer.headers if name.startswith("access-control")]


# ---- With keys -------------------------------------------------------------------------------------------------------


def test_the_first_key_closes_the_server_and_revoking_it_does_not_open_it(guarded: Guarded) -> None:
    guarded.keys.create("first", ("read",), 60)  # before the first request: looked up at once
    assert guarded.http.get("/v1/jobs").status_code == 401
    guarded.keys.revoke("first")
    assert guarded.http.get("/v1/jobs").status_code == 401
    assert Guarded(guarded.settings.home).http.get("/v1/jobs").status_code == 401


def test_another_address_than_loopback_asks_for_keys_even_where_there_are_none(tmp_path: Path) -> None:
    assert Guarded(tmp_path, host="0.0.0.0").http.get("/v1/jobs").status_code == 401


@pytest.mark.parametrize("text", ["", "x", "packshot_", "packshot_" + "a" * 43, "packshot_" + "é" * 43, "a" * 10_000])
def test_what_is_no_key_is_refused(keyed: Guarded, text: str) -> None:
    answer = keyed.http.get("/v1/jobs", headers={b"Authorization": f"Bearer {text}".encode("latin-1")})
    assert answer.status_code == 401 and (len(text) < 12 or text not in answer.text)


def test_a_key_stands_for_itself_in_any_case_of_bearer(keyed: Guarded) -> None:
    client = keyed.client("read")
    client.headers["Authorization"] = client.headers["Authorization"].replace("Bearer", "bearer")
    assert client.get("/v1/session").json()["scopes"] == ["read"]
    keyed.keys.revoke(client.key.id)  # type: ignore[attr-defined]
    assert client.get("/v1/session").status_code == 401


def test_a_key_in_the_address_is_none(keyed: Guarded) -> None:
    text = keyed.client("read").text  # type: ignore[attr-defined]
    assert keyed.http.get(f"/v1/jobs?key={text}&access_token={text}").status_code == 401


def test_rates_are_told_and_kept(keyed: Guarded) -> None:
    client = keyed.client("read", per_minute=3)
    answers = [client.get("/v1/jobs") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-policy"] for answer in answers] == ['"key";q=3;w=60'] * 4
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        '"key";r=2', '"key";r=1', '"key";r=0', '"key";r=0',
    ]  # fmt: skip
    assert 1 <= int(answers[3].headers["retry-after"]) <= 21 and answers[3].json()["code"] == "too_often"
    assert keyed.client("read").get("/v1/jobs").status_code == 200  # others are not slowed
    assert client.get("/healthz").status_code == 200


def test_guessing_is_slowed_but_valid_keys_of_the_address_are_not(keyed: Guarded) -> None:
    guess = {"Authorization": "Bearer packshot_" + "a" * 43}
    answers = [keyed.http.get("/v1/jobs", headers=guess) for _ in range(25)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert keyed.client("read").get("/v1/jobs").status_code == 200


def test_nothing_of_a_body_is_read_before_the_key_is(keyed: Guarded) -> None:
    def endless():  # type: ignore[no-untyped-def]
        for _ in range(100):
            sent.append(1)
            yield b"x" * 100_000

    sent: list[int] = []
    answer = keyed.http.post("/v1/generations", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


# ---- Sessions --------------------------------------------------------------------------------------------------------


def begun(keyed: Guarded) -> TestClient:
    client = keyed.client(*WORKING)
    answer = client.post("/v1/session")
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200 and "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert client.text not in cookie  # type: ignore[attr-defined]
    del client.headers["Authorization"]
    return client


def test_a_browser_gets_a_cookie_in_place_of_a_key(keyed: Guarded) -> None:
    browser = begun(keyed)
    assert browser.get("/v1/session").json()["keys"] is True
    assert upload(browser) and submit(browser)
    assert browser.post("/v1/session").status_code == 409  # a cookie begets no cookie
    assert browser.delete("/v1/session").status_code == 204
    assert browser.get("/v1/session").status_code == 401


def test_a_cookie_ends_with_its_key(keyed: Guarded) -> None:
    browser = begun(keyed)
    keyed.keys.revoke(keyed.keys.listed()[-1].id)
    assert browser.get("/v1/session").status_code == 401


def test_an_ended_cookie_is_forgotten_but_not_for_another_page(keyed: Guarded) -> None:
    """A page with fifty pictures would else show it fifty times, and be told that it guesses."""
    browser = begun(keyed)
    keyed.keys.revoke(keyed.keys.listed()[-1].id)
    assert "set-cookie" not in browser.get("/v1/session", headers={"Sec-Fetch-Site": "same-site"}).headers
    answers = [browser.get("/v1/session") for _ in range(30)]
    assert COOKIE not in browser.cookies and [answer.status_code for answer in answers] == [401] * 30
    assert browser.get("/v1/session", headers={"Authorization": "Bearer x"}).headers.get("set-cookie") is None


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_web_pages_cannot_use_the_cookie(keyed: Guarded, headers: dict[str, str]) -> None:
    browser = begun(keyed)
    answer = browser.post("/v1/generations", json={"prompt": "red shoe"}, headers=headers)
    assert answer.status_code == 403 and answer.json()["code"] == "other_page"


def test_a_made_up_cookie_is_refused_and_counted(keyed: Guarded) -> None:
    codes = [keyed.client().get("/v1/jobs", headers={"Cookie": f"{COOKIE}={'a' * 43}"}).status_code for _ in range(22)]
    assert codes[:20] == [401] * 20 and codes[-1] == 429


# ---- What browsers are told ------------------------------------------------------------------------------------------


def test_every_answer_has_the_headers(keyed: Guarded) -> None:
    client = keyed.client("admin")
    asset = upload(client)
    paths = ("/", "/docs", "/docs/start.js", "/nothing", "/v1/nothing", "/v1/jobs", f"/v1/assets/{asset}/content",
             "/metrics", "/healthz")  # fmt: skip
    for answer in [client.get(path) for path in paths] + [keyed.http.get("/v1/jobs")]:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY" and "cache-control" in headers and "x-request-id" in headers
        data = answer.request.url.path.startswith("/v1")
        assert headers["content-security-policy"] == (DATA_POLICY if data else PAGE_POLICY)
        assert "server" not in headers


def test_a_bug_is_answered_with_the_headers_and_without_its_words(guarded: Guarded) -> None:
    @guarded.app.get("/v1/packs/broken")
    def broken() -> None:
        raise RuntimeError("secret words")

    guarded.app.router.routes.insert(0, guarded.app.router.routes.pop())  # before the page's files
    answer = guarded.http.get("/v1/packs/broken", headers={"X-Request-ID": "my-request-1"})
    assert answer.status_code == 500 and answer.json()["request_id"] == "my-request-1"
    assert "secret" not in answer.text and answer.headers["x-request-id"] == "my-request-1"
    assert answer.headers["content-security-policy"] == DATA_POLICY


def test_the_docs_load_nothing_from_elsewhere_and_run_no_script_of_the_page(refusing: Guarded) -> None:
    page = refusing.http.get("/docs").text
    assert "http://" not in page and "https://" not in page and "<script>" not in page and " on" not in page
    for path in ("/docs/start.js", "/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css"):
        assert path in page and refusing.http.get(path).status_code == 200


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript",
                                        "application/xml", "application/pdf"])  # fmt: skip
def test_a_clients_file_is_never_a_page(guarded: Guarded, media_type: str) -> None:
    from packshot.server.assets import NewAsset

    services = guarded.app.state.services
    with services.database.write() as connection:
        new = NewAsset("file", "x.html", media_type, b"<script>alert(1)</script>")
        asset = services.assets.add(connection, new)
    answer = guarded.http.get(f"/v1/assets/{asset.id}/content")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename")
    assert "sandbox" in answer.headers["content-security-policy"]
