"""What clients send: how much, how slowly, and whether it is a picture at all."""

from __future__ import annotations

import asyncio
import io
import socket
import struct
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from guarded import Guarded, picture
from PIL import Image, PngImagePlugin
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from packshot.images import MAX_PIXELS
from packshot.server.security.bodies import FIELD_BYTES, FORM_PARTS, PLAIN_BYTES, BodyLimits
from packshot.server.security.connections import ImpatientProtocol
from packshot.server.settings import MEGABYTE, Settings


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("home"), upload_bytes=MEGABYTE)


# ---- How much --------------------------------------------------------------------------------------------------------


def test_a_body_that_declares_too_much_is_refused_unread(guarded: Guarded) -> None:
    headers = {"Content-Length": str(PLAIN_BYTES + 1), "Content-Type": "application/json"}
    answer = guarded.http.post("/v1/generations", content=b"", headers=headers)
    assert answer.status_code == 413 and answer.json()["code"] == "too_large"
    assert answer.headers["connection"] == "close" and "content-security-policy" in answer.headers


def test_a_body_is_counted_whatever_it_declares(guarded: Guarded) -> None:
    def chunks() -> Iterator[bytes]:  # sent with no Content-Length
        yield b'{"prompt": "'
        for _ in range(PLAIN_BYTES // 100_000 + 1):
            yield b"a" * 100_000

    answer = guarded.http.post("/v1/generations", content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413 and "more than 4 MB" in answer.json()["detail"]


def test_a_form_may_be_larger_and_has_its_limit(guarded: Guarded) -> None:
    big = {"file": ("p.png", picture() + bytes(5 * MEGABYTE), "image/png")}
    assert guarded.http.post("/v1/assets", files=big).status_code == 413
    one_file = {"file": ("p.png", picture() + bytes(MEGABYTE), "image/png")}
    answer = guarded.http.post("/v1/assets", files=one_file)
    assert answer.status_code == 413 and "the file has more than 1 MB" in answer.json()["detail"]
    fits = {"file": ("p.png", picture() + bytes(MEGABYTE // 2), "image/png")}
    assert guarded.http.post("/v1/assets", files=fits).status_code == 201


def test_archives_may_be_larger_where_they_are_taken(guarded: Guarded) -> None:
    for path, taken in (("/v1/listings", True), ("/v1/trainings", True), ("/v1/assets", False), ("/v1/edits", False)):
        for megabytes, fits in ((100, taken), (2_100, False)):
            headers = {"Content-Length": str(megabytes * MEGABYTE), "Content-Type": "multipart/form-data; boundary=b"}
            answer = guarded.http.post(path, content=b"--b--", headers=headers)
            assert (answer.status_code != 413) == fits, (path, megabytes)


def test_a_form_has_so_many_parts_and_its_fields_so_many_bytes(guarded: Guarded) -> None:
    too_many = [("file", ("p.png", b"x", "image/png"))] * (FORM_PARTS + 1)
    assert guarded.http.post("/v1/assets", files=too_many).status_code == 400
    fields = {f"f{number}": "x" for number in range(FORM_PARTS + 1)}
    one = {"file": ("p.png", picture(), "image/png")}
    assert guarded.http.post("/v1/assets", data=fields, files=one).status_code == 400
    answer = guarded.http.post("/v1/assets", data={"f": "x" * (FIELD_BYTES + 1)}, files=one)
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/problem+json"
    assert guarded.http.post("/v1/assets", data={"f": "x" * 1_000}, files=one).status_code == 201


DAMAGED = (
    b"",
    b"--b",
    b"--b\r\n\r\n",
    b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
    b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\n",
    b"--b\r\nX: " + b"y" * 9_000,
)


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_forms_are_refused(guarded: Guarded, content: bytes) -> None:
    answer = guarded.http.post(
        "/v1/assets", content=content, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code in (400, 422)
    other = {"Content-Type": "multipart/form-data"}
    assert guarded.http.post("/v1/assets", content=content, headers=other).status_code in (400, 422)


def test_deeply_nested_json_is_refused(guarded: Guarded) -> None:
    answer = guarded.http.post("/v1/generations", content=b"[" * 200_000, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


# ---- How slowly ------------------------------------------------------------------------------------------------------


def ask(limits: BodyLimits, pieces: AsyncIterator[dict[str, Any]]) -> int:
    """The status that an application behind these limits answers with."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> dict[str, Any]:
        return await anext(pieces)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    asyncio.run(limits(scope, receive, send))  # type: ignore[arg-type]
    return statuses[0]


def limited(tmp_path: Path, **seconds: float) -> BodyLimits:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    return BodyLimits(Starlette(routes=[Route("/", echo, methods=["POST"])]), Settings(tmp_path), **seconds)


async def drips(count: int, size: int, seconds: float) -> AsyncIterator[dict[str, Any]]:
    for _ in range(count):
        await asyncio.sleep(seconds)
        yield {"type": "http.request", "body": b"x" * size, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}
    await asyncio.sleep(60)


def test_a_body_that_stops_coming_is_given_up(tmp_path: Path) -> None:
    assert ask(limited(tmp_path, idle_seconds=0.05), drips(2, 10, 0.5)) == 408
    assert ask(limited(tmp_path, idle_seconds=5.0), drips(2, 10, 0.01)) == 200


def test_a_body_that_comes_by_drips_is_given_up(tmp_path: Path) -> None:
    assert ask(limited(tmp_path, grace_seconds=0.1), drips(50, 1, 0.02)) == 408
    assert ask(limited(tmp_path, grace_seconds=0.1), drips(50, 1_000, 0.005)) == 200


def test_waiting_for_a_client_to_go_has_no_limit(tmp_path: Path) -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            async with asyncio.timeout(0.2):
                await receive()  # as a stream of events does
        except TimeoutError:
            await PlainTextResponse("still there")(scope, receive, send)

    limits = BodyLimits(stream, Settings(tmp_path), idle_seconds=0.05)
    assert ask(limits, drips(0, 0, 0)) == 200


class _Impatient(ImpatientProtocol):
    head_seconds = 0.4


@contextmanager
def listening() -> Iterator[int]:
    """A server of one route with little patience; its port."""

    async def answer(request: Request) -> PlainTextResponse:
        await asyncio.sleep(float(request.query_params.get("sleep", 0)))
        return PlainTextResponse("here")

    app = Starlette(routes=[Route("/", answer)])
    config = uvicorn.Config(app, port=0, http=_Impatient, ws="none", log_config=None, lifespan="off",
                            timeout_keep_alive=2)  # fmt: skip
    server = uvicorn.Server(config)
    sock = config.bind_socket()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([sock])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield int(sock.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)


def answered(connection: socket.socket) -> bool:
    """Whether the route's answer comes."""
    got = b""
    while not got.endswith(b"here"):
        if not (piece := connection.recv(1_000)):
            return False
        got += piece
    return True


def test_heads_that_take_too_long_end_the_connection() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    slow_one = b"GET /?sleep=0.8 HTTP/1.1\r\nHost: x\r\n\r\n"
    with listening() as port:

        def opened() -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), timeout=5)

        with opened() as silent, opened() as partial, opened() as second:
            partial.sendall(head[:10])
            second.sendall(head + head[:10])  # the next head of a connection, too
            assert answered(second) and second.recv(1_000) == b""
            assert silent.recv(1_000) == b"" and partial.recv(1_000) == b""
        with opened() as drips, pytest.raises(OSError):
            for byte in head * 50:
                drips.sendall(bytes([byte]))  # ends within the first head
                time.sleep(0.05)
        with opened() as patient:
            patient.sendall(slow_one)  # an answer may take its time
            assert answered(patient)
            time.sleep(0.8)  # and so may the next request: keep-alive has its own limit
            patient.sendall(head)
            assert answered(patient)


# ---- Whether it is a picture -----------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    """A grey PNG of zeros: a thousandth of its pixels' bytes."""
    packer = zlib.compressobj(9)
    row = bytes(width + 1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def head(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and no more."""
    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6) + b"," + struct.pack(
        "<HHHH", 0, 0, width, height
    ) + b"\0\x02\x02D\x01\0;"  # fmt: skip


def tiff(width: int, height: int) -> bytes:
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, width * height % 2**32)]  # fmt: skip
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + body + bytes(4)


def with_text(size: int) -> bytes:
    """A PNG whose compressed text chunk unpacks to so many bytes."""
    return png(8, 8, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(size), 9)))


def with_profile(size: int) -> bytes:
    return png(8, 8, chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(size), 9)))


BOMBS = {
    "pixels": lambda: png(8_000, 8_000),
    "many pixels": lambda: head(20_000, 20_000),
    "a line": lambda: head(2**31 - 1, 1),
    "gif": lambda: gif(65_535, 65_535),
    "tiff": lambda: tiff(60_000, 60_000),
    "text": lambda: with_text(20 * MEGABYTE),
    "html": lambda: b"<!doctype html><script>alert(1)</script>",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "zip": lambda: b"PK\x03\x04" + bytes(100),
    "nothing": lambda: b"",
    "half": lambda: picture(side=64)[:90],
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_no_picture_or_a_bomb_is_refused(guarded: Guarded, name: str) -> None:
    content = BOMBS[name]()
    assert len(content) < MEGABYTE
    began = time.monotonic()
    answer = guarded.http.post("/v1/assets", files={"file": ("photo.png", content, "image/png")})
    assert answer.status_code in (415, 422), answer.text
    assert answer.json()["detail"].startswith("photo.png: got ") or answer.status_code == 422
    assert time.monotonic() - began < 5


def test_a_bomb_in_a_profile_costs_little(guarded: Guarded) -> None:
    import tracemalloc

    content = with_profile(80 * MEGABYTE)
    tracemalloc.start()
    try:
        answer = guarded.http.post("/v1/assets", files={"file": ("photo.png", content, "image/png")})
        assert answer.status_code in (201, 415) and tracemalloc.get_traced_memory()[1] < 20 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_picture_is_what_its_content_says_not_its_name(guarded: Guarded) -> None:
    odd = "../../etc/passwd\\..\\<script>.svg"
    answer = guarded.http.post("/v1/assets", files={"file": (odd, picture(), "image/svg+xml")})
    assert answer.status_code == 201
    asset = answer.json()
    assert asset["media_type"] == "image/png" and not set(asset["name"]) & set("/\\<>\"'")
    content = guarded.http.get(asset["url"])
    assert content.headers["content-type"] == "image/png" and content.content == picture()


def test_large_pictures_within_the_limit_are_taken(guarded: Guarded) -> None:
    side = int(MAX_PIXELS**0.5)
    answer = guarded.http.post("/v1/assets", files={"file": ("big.png", png(side, side), "image/png")})
    assert answer.status_code == 201 and answer.json()["width"] == side


def test_metadata_of_pictures_does_not_come_back_as_a_page(guarded: Guarded) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    asset = guarded.http.post("/v1/assets", files={"file": ("p.png", buffer.getvalue(), "image/png")}).json()
    answer = guarded.http.get(asset["url"])
    assert answer.headers["content-type"] == "image/png" and answer.headers["x-content-type-options"] == "nosniff"


# ---- Which texts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [r"a\u0000b", r"\ud800", r"half \udfff"],
    ids=["NUL", "first half of a character", "second half"],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/generations", '{"prompt": "%s"}'),
        ("/v1/edits", '{"photo": "asset_1", "steps": [{"op": "%s"}]}'),
        ("/v1/edits", '{"photo": "asset_1", "steps": [{"%s": 1}]}'),
        ("/v1/checks", '{"picture": "asset_1", "channels": ["%s"]}'),
        ("/v1/understand", '{"prompt": "red", "%s": 1}'),
    ],
)
def test_what_databases_and_programs_cannot_hold_is_refused(guarded: Guarded, path: str, body: str, text: str) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": text}
    answer = guarded.http.post(path, content=(body % text).encode(), headers=headers)
    assert answer.status_code == 422, answer.text
    assert "NUL" in answer.json()["detail"] or "surrogate" in answer.json()["detail"]


def test_fields_of_forms_are_refused_likewise(guarded: Guarded) -> None:
    files = {"table": ("t.csv", b"sku,title\n1,red shoe\n", "text/csv")}
    answer = guarded.http.post("/v1/listings", data={"channels": "ebay", "producer": "a\0b"}, files=files)
    assert answer.status_code == 422 and "NUL" in answer.json()["detail"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_of_json_is_refused(guarded: Guarded, number: str) -> None:
    body = f'{{"photo": "asset_1", "steps": [{{"op": "exposure", "stops": {number}}}]}}'
    answer = guarded.http.post("/v1/edits", content=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and "NaN" in answer.json()["detail"]


def test_an_error_may_quote_what_is_no_text(guarded: Guarded) -> None:
    """A form may say in which encoding its names are, and Python knows some in which half a character can be said."""
    parts = {"channels": "", "table": 'filename="t.csv"', "photos": 'filename="\\ud800"'}
    lines = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"; {rest}\r\n\r\nebay\r\n' for name, rest in parts.items()
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b; charset=unicode_escape"}
    answer = guarded.http.post("/v1/listings", content=f"{lines}--b--\r\n".encode(), headers=headers)
    assert answer.status_code == 415 and "'?'" in answer.json()["detail"], answer.text


@pytest.mark.parametrize("path", ["/v1/jobs/%00", "/v1/jobs?kind=%00", "/v1/assets?before=a%00", "/v1/models/%00"])
def test_addresses_hold_no_nul(guarded: Guarded, path: str) -> None:
    answer = guarded.http.get(path)
    assert answer.status_code == 400, answer.text
    found = answer.json()
    assert "NUL" in (found["error"]["message"] if "models" in path else found["detail"])
