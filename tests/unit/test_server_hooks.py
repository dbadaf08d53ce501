"""Webhooks: the operator's file, signatures, and deliveries that fail first."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
from server_tasks import context

from packshot.errors import InputError
from packshot.server import courier as couriers
from packshot.server.api.jobs import document_of
from packshot.server.courier import Courier, pause_seconds
from packshot.server.hooks import load_hooks, send, signature
from packshot.server.queue import NewJob, Queue, Room
from packshot.server.settings import Settings
from packshot.server.tables import deliveries

SECRET = "0123456789abcdef"


class Receiver(HTTPServer):
    """Answers with the given statuses, one after the other, and with 204 from then on."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses, self.got = list(statuses), list[tuple[dict[str, str], bytes]]()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?x=1"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({**self.headers, "path": self.path}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(couriers, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(couriers, "pause_seconds", lambda tries: 0.05)
    yield


def hooks_file(home: Path, *hooks: tuple[str, str]) -> None:
    text = "".join(f'[{name}]\nurl = "{url}"\nsecret = "{SECRET}"\n' for name, url in hooks)
    (home / "webhooks.toml").write_text(text, "utf-8")


def test_a_hook_that_fails_first_is_told_later_and_once(tmp_path: Path, quick: None) -> None:
    receiver = Receiver(500, 302)
    job = context(tmp_path)
    hooks_file(tmp_path, ("shop", receiver.url))
    queue = Queue(job.assets.database)
    accepted, _ = queue.submit(NewJob("generation", "quick", {"prompt": "鞋"}, 1.0, webhook="shop"), Room(1))
    other, _ = queue.submit(NewJob("generation", "quick", {}, 1.0), Room(1))
    courier = Courier(job.settings, job.assets.database, document_of)
    courier.start()
    time.sleep(0.1)
    assert receiver.got == []  # it has not ended
    queue.cancel(accepted.id)
    queue.cancel(other.id)
    until = time.monotonic() + 10
    while len(receiver.got) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.2)
    courier.stop()
    receiver.close()
    assert len(receiver.got) == 3  # 500, a redirect that is not followed, 204; then no more
    headers, body = receiver.got[-1]
    message = json.loads(body)
    assert message["type"] == "job.cancelled" and message["job"]["id"] == accepted.id
    assert message["delivery"] == headers["Packshot-Delivery"] == json.loads(receiver.got[0][1])["delivery"]
    stamp, digest = (part.partition("=")[2] for part in headers["Packshot-Signature"].split(","))
    assert digest == hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert abs(int(stamp) - time.time()) < 60 and headers["path"] == "/hook?x=1"
    with job.assets.database.read() as connection:
        (row,) = connection.execute(sa.select(deliveries)).mappings()
    assert row["delivered"] and row["due"] is None and row["tries"] == 3


def test_what_a_killed_courier_had_taken_is_told_by_the_next(tmp_path: Path, quick: None) -> None:
    receiver = Receiver()
    job = context(tmp_path)
    hooks_file(tmp_path, ("shop", receiver.url))
    queue = Queue(job.assets.database)
    accepted, _ = queue.submit(NewJob("generation", "quick", {}, 1.0, webhook="shop"), Room(1))
    queue.cancel(accepted.id)
    dead = Courier(job.settings, job.assets.database, document_of)
    assert [one.job_id for one in dead._take()] == [accepted.id]  # and dies
    assert Courier(job.settings, job.assets.database, document_of)._take() == []
    with job.assets.database.write() as connection:  # its time is over
        connection.execute(deliveries.update().values(due=time.time() - 1))
    courier = Courier(job.settings, job.assets.database, document_of)
    courier.start()
    until = time.monotonic() + 10
    while not receiver.got and time.monotonic() < until:
        time.sleep(0.01)
    courier.stop()
    receiver.close()
    assert len(receiver.got) == 1


def test_a_hook_nobody_answers_is_given_up_in_the_end(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "MOST_TRIES", 2)
    job = context(tmp_path)
    hooks_file(tmp_path, ("gone", "http://127.0.0.1:1/"))
    queue = Queue(job.assets.database)
    accepted, _ = queue.submit(NewJob("generation", "quick", {}, 1.0, webhook="gone"), Room(1))
    queue.cancel(accepted.id)
    courier = Courier(job.settings, job.assets.database, document_of)
    courier.start()
    until, row = time.monotonic() + 10, None
    while (row is None or row["due"] is not None) and time.monotonic() < until:
        time.sleep(0.02)
        with job.assets.database.read() as connection:
            row = connection.execute(sa.select(deliveries)).mappings().one()
    courier.stop()
    assert row is not None and row["tries"] == 2 and not row["delivered"] and "refused" in row["error"].casefold()


def test_pauses_grow() -> None:
    pauses = [pause_seconds(tries) for tries in range(1, couriers.MOST_TRIES)]
    assert pauses[:4] == [1, 2, 4, 8] and max(pauses) == 3600 and sum(pauses) > 8 * 3600


@pytest.mark.parametrize(("text", "said"), [
    ("[shop", "no TOML"), ("shop = 1", "shop"), ('[shop]\nurl = "https://a"', "shop"),
    ('[shop]\nurl = "file:///etc/passwd"\nsecret = "0123456789abcdef"', "file:///etc/passwd"),
    ('[shop]\nurl = "https://a"\nsecret = "short"', "5 characters"),
])  # fmt: skip
def test_the_operators_file_is_checked(text: str, said: str, tmp_path: Path) -> None:
    assert load_hooks(tmp_path) == {}
    (tmp_path / "webhooks.toml").write_text(text, "utf-8")
    with pytest.raises(InputError, match=said):
        load_hooks(tmp_path)
    job = context(tmp_path / "home")
    (tmp_path / "webhooks.toml").rename(tmp_path / "home" / "webhooks.toml")
    with pytest.raises(InputError, match=said):  # the server does not start
        Courier(job.settings, job.assets.database, document_of)


def test_a_signature_is_of_its_time_body_and_secret() -> None:
    one = signature(SECRET, b"{}", 1.9)
    assert one.startswith("t=1,v1=") and one == signature(SECRET, b"{}", 1.2)
    assert len({one, signature(SECRET, b"{}", 2), signature(SECRET, b"[]", 1), signature(SECRET + "x", b"{}", 1)}) == 4


def test_sending_says_what_went_wrong(tmp_path: Path) -> None:
    receiver = Receiver(404)
    hooks_file(tmp_path, ("shop", receiver.url), ("gone", "https://127.0.0.1:1/x"))
    hooks = load_hooks(tmp_path)
    assert send(hooks["shop"], b"{}", "d") == "answered with status 404" and send(hooks["shop"], b"{}", "d") == ""
    assert "refused" in send(hooks["gone"], b"{}", "d").casefold()
    receiver.close()
    assert Settings(tmp_path).home == tmp_path
