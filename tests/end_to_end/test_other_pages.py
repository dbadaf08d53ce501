"""Another web page in the browser of somebody who is signed in: whatever it sends with the cookie is refused (CSRF).

The other page is of another port of this machine, so it counts as the same site and the browser does send the cookie:
`SameSite` alone would not help.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from keyed import Keyed, keyed
from playwright.sync_api import Browser, Page, expect
from studio import photo_bytes, upload

WISH = '{"prompt": "red shoe", "count": 1, "size": 64, "ignored": "'  # what a form's text/plain field can say as JSON


class OtherPage(BaseHTTPRequestHandler):
    """An empty page, on whatever path."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>other</title><link rel=icon href=data:,>")

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextmanager
def other_origin() -> Iterator[str]:
    """Its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherPage) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed(tmp_path_factory.mktemp("home")) as running:
        yield running


def made(shop: Keyed) -> list[str]:
    """Ids of all that anybody made."""
    return [row["id"] for noun in ("jobs", "assets") for row in shop.server.http.get(f"/v1/{noun}").json()[noun]]


@pytest.fixture
def page(browser: Browser, shop: Keyed) -> Iterator[Page]:
    """The other page, in a browser that is signed in to the server; at its end, it has made and ended nothing."""
    _, key = shop.key("admin")
    context = browser.new_context()
    mine = context.new_page()
    mine.goto(shop.server.url)
    mine.locator("#key").fill(key)
    mine.locator("#key").press("Enter")
    expect(mine.get_by_role("dialog")).to_have_count(0)
    before = made(shop)
    with other_origin() as address:
        other = context.new_page()
        other.goto(address)
        try:
            yield other
        finally:
            assert made(shop) == before
            assert mine.evaluate("fetch('/v1/session').then((answer) => answer.status)") == 200
            context.close()


@pytest.mark.parametrize(("path", "kind"), [
    ("/v1/generations", "text/plain"), ("/v1/generations", "application/x-www-form-urlencoded"),
    ("/v1/assets", "multipart/form-data"), ("/v1/session", "text/plain"),
])  # fmt: skip
def test_a_form_of_another_page_is_refused(page: Page, shop: Keyed, path: str, kind: str) -> None:
    with page.expect_navigation() as gone:
        page.evaluate(
            """([action, enctype, name]) => {
              const form = Object.assign(document.createElement("form"), { method: "post", action, enctype });
              form.append(Object.assign(document.createElement("input"), { name, value: '"}' }));
              document.body.append(form);
              form.submit();
            }""",
            [shop.server.url + path, kind, WISH],
        )
    answer = gone.value
    assert "packshot_session=" in answer.request.all_headers().get("cookie", "")
    assert answer.status == 403 and answer.json()["code"] == "other_page"


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/generations"), ("POST", "/v1/assets"), ("GET", "/v1/jobs")])
def test_a_simple_request_of_another_pages_script_is_refused(page: Page, shop: Keyed, method: str, path: str) -> None:
    """Such as browsers send without asking first; the script could not read the answer anyhow."""
    network = page.context.new_cdp_session(page)  # the browser keeps the answer from pages, and from their events
    network.send("Network.enable")
    sent: list[dict[str, Any]] = []
    statuses: list[int] = []
    network.on("Network.requestWillBeSentExtraInfo", lambda event: sent.append(event["headers"]))
    network.on("Network.responseReceivedExtraInfo", lambda event: statuses.append(event["statusCode"]))
    with page.expect_event("requestfailed"):
        page.evaluate(
            """([url, method, path]) => {
              const form = new FormData();
              form.append("file", new File(["x"], "x.png"));
              const body = method === "GET" ? undefined : path === "/v1/assets" ? form : '{"prompt": "red shoe"}';
              fetch(url + path, { method, body, mode: "no-cors", credentials: "include" }).catch(() => {});
            }""",
            [shop.server.url, method, path],
        )
    assert statuses == [403] and "packshot_session=" in sent[0]["Cookie"]


def test_what_browsers_ask_for_first_is_not_granted(page: Page, shop: Keyed) -> None:
    """JSON, other methods, reading: another origin gets no permission (CORS)."""
    refused = page.evaluate(
        """async (url) => {
          const options = { credentials: "include", mode: "cors" };
          const headers = { "Content-Type": "application/json" };
          const json = { method: "POST", headers, body: '{"prompt": "red shoe"}' };
          const tries = [["/v1/generations", json], ["/v1/session", { method: "DELETE" }], ["/v1/session", {}]];
          const sent = tries.map(([path, more]) => fetch(url + path, { ...options, ...more }));
          const found = await Promise.allSettled(sent);
          return found.map(({ status }) => status);
        }""",
        shop.server.url,
    )
    assert refused == ["rejected"] * 3


@pytest.fixture(scope="module")
def asset(shop: Keyed) -> dict[str, Any]:
    """A picture that is there before the other page is."""
    return upload(shop.server, photo_bytes((64, 48)))


@pytest.fixture(scope="module")
def job(shop: Keyed) -> str:
    """The id of a job that has ended."""
    wish = {"prompt": "red shoe", "count": 1, "size": 64}
    return str(shop.server.http.post("/v1/generations", json=wish, headers={"Prefer": "wait=30"}).json()["id"])


def test_pictures_and_events_are_not_shown_elsewhere_but_on_the_own_page(
    asset: dict[str, Any], job: str, page: Page, shop: Keyed
) -> None:
    paths = [f"/v1/assets/{asset['id']}/preview?side=256", asset["url"]]
    look = """(paths) => Promise.all(paths.map((path) => new Promise((resolve) => {
      const ends = { onload: () => resolve(true), onerror: () => resolve(false) };
      const image = Object.assign(new Image(), { src: path, ...ends });
      document.body.append(image);
    })))"""
    assert page.evaluate(look, [shop.server.url + path for path in paths]) == [False, False]
    own = page.context.pages[0]
    assert own.evaluate(look, paths) == [True, True]
    listen = """(url) => new Promise((resolve) => {
      const source = new EventSource(url, { withCredentials: true });
      source.addEventListener("job", (event) => { source.close(); resolve(JSON.parse(event.data).status); });
      source.addEventListener("error", () => { source.close(); resolve("refused"); });
    })"""
    events = f"/v1/jobs/{job}/events"
    assert page.evaluate(listen, shop.server.url + events) == "refused"
    assert own.evaluate(listen, events) == "done"


def test_a_link_from_another_page_opens_the_own_one_signed_in(page: Page, shop: Keyed) -> None:
    page.evaluate("(url) => { location.href = url; }", f"{shop.server.url}/#/gallery")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
