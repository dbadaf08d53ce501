"""Log lines: JSON or text, with their request and job, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from guarded import Guarded, submit

from packshot.errors import InputError
from packshot.server import logs
from packshot.server.database import Database

KEY = "packshot_" + "aB3_-" * 8 + "xyz"
SECRETS = {
    f"Authorization: Bearer {KEY}": KEY,
    f"found {KEY} in a prompt": KEY,
    "Bearer sk-proj-abcdefgh12345": "sk-proj-abcdefgh12345",
    "Basic dXNlcjpwYXNzd29yZA==": "dXNlcjpwYXNzd29yZA==",
    "postgresql+psycopg://shop:s3cr3t%21@db.example/packshot failed": "s3cr3t%21",
    "s3://AKIA123:wJalrXUtnFEMI@store/bucket": "wJalrXUtnFEMI",
    "Cookie: packshot_session=abcdef12345; other=1": "abcdef12345",
    "password=hunter2&x=1": "hunter2",
    '{"aws_secret_access_key": "wJalr,XUtn"}': "wJalr,XUtn",
    "'api_key': 'k-123'": "k-123",
    "client_secret: abc-123": "abc-123",
}


@contextmanager
def configured(form: logs.LogFormat, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error with the log, after which logging is as pytest had it."""
    root, output = logging.getLogger(), io.StringIO()
    before = list(root.handlers), root.level, logging.getLogger("packshot").level
    root.handlers[:] = []
    monkeypatch.setattr("sys.stderr", output)
    try:
        logs.configure(form)
        yield output
    finally:
        logging.captureWarnings(False)
        root.handlers[:], level, ours = before
        root.setLevel(level)
        logging.getLogger("packshot").setLevel(ours)


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    cleaned = logs.clean(text)
    assert SECRETS[text] not in cleaned and "***" in cleaned
    assert logs.clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    ["size: got 9,999; accepted: 64 to 2,048", "https://example.org/a?b=c", "job_019abc done in 3.2 s", "红色运动鞋",
     "sqlite:////home/shop/packshot.sqlite", "12:30:01 INFO packshot: ready", "bearer of news"],
)  # fmt: skip
def test_what_does_not_stays(text: str) -> None:
    assert logs.clean(text) == text


def test_json_lines_are_json_with_their_request_and_job(monkeypatch: pytest.MonkeyPatch) -> None:
    with configured("json", monkeypatch) as output:
        log = logging.getLogger("packshot.server")
        with logs.belonging_to("request-1", "job_1"):
            log.info("with %s\nand a line of its own", KEY, extra={"seconds": 0.5})
        try:
            raise ValueError(f'"password": "{KEY}"')
        except ValueError:
            log.exception("a bug")
        logging.getLogger("somebody.else").info("too much to tell")
        log.debug("too much to tell")
    first, second = (json.loads(line) for line in output.getvalue().splitlines())
    assert first["message"] == "with packshot_***\nand a line of its own" and first["seconds"] == 0.5
    assert (first["request_id"], first["job_id"], first["level"]) == ("request-1", "job_1", "INFO")
    assert "request_id" not in second and "ValueError" in second["exc_info"] and KEY not in output.getvalue()


def test_text_lines_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    with configured("text", monkeypatch) as output, logs.belonging_to("request-1"):
        logging.getLogger("packshot.server").warning("password=%s", "hunter2")
    assert output.getvalue().endswith("WARNING packshot.server: password=*** [request-1]\n")


def test_context_follows_into_threads_of_the_loop_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with logs.belonging_to("outer"):
        with logs.belonging_to("inner", "job"):
            assert (logs.request_id.get(), logs.job_id.get()) == ("inner", "job")
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append(logs.request_id.get()))
        thread.start()
        thread.join()
        assert seen == [""] and logs.request_id.get() == "outer"


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 65, "with space 123", "line\nbreak-123", "-leading-dash", "é" * 10]
)
def test_request_ids_of_another_form_are_replaced(text: str) -> None:
    made = logs.accepted_request_id(text)
    assert made != text and len(made) == 32


def test_a_well_formed_request_id_is_kept_in_answer_problem_and_job(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path)
    guarded.http.headers["X-Request-ID"] = "shop-4711.a_b"
    answer = guarded.http.get("/v1/jobs/unknown")
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "shop-4711.a_b"
    job = submit(guarded.http)
    assert guarded.http.get(f"/v1/jobs/{job}").json()["request_id"] == "shop-4711.a_b"
    guarded.http.headers["X-Request-ID"] = "bad id"
    assert len(guarded.http.get("/v1/jobs").headers["x-request-id"]) == 32


def test_an_error_of_the_database_says_no_password() -> None:
    with pytest.raises(InputError) as caught:
        Database("postgresql://shop:hunter2@127.0.0.1:1/none?connect_timeout=1")
    assert "hunter2" not in str(caught.value) and "127.0.0.1:1" in str(caught.value)
