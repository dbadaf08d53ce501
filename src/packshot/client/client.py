"""The server's routes as methods."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from packshot.client.calls import Calls, ClientError, File, JobFailedError, content_of
from packshot.client.results import Asset, Job, Pack, Page

Picture = Asset | File
"""An asset, or a picture that is sent with the request: its path, or its bytes."""

Made = TypeVar("Made")
_WAIT = {"Prefer": "wait=30"}
_BREAKS = 5
"""How often a stream of events may break off, without a single event, before that is an error."""


class Client:
    """Of one server, for one thread.

    Methods that make something wait until it is made, unless `wait=False`; then follow the job, or ask for it later.

    Args:
        url: of the server.
        key: API key, where it asks for one.
        seconds: to wait for an answer.
        tries: how often a request is made where the server is busy.
    """

    def __init__(self, url: str = "http://127.0.0.1:8333", *, key: str = "", seconds: float = 120.0, tries: int = 8
                 ) -> None:  # fmt: skip
        self._calls = Calls(url, key, seconds, tries)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._calls.close()

    # ---- Making -------------------------------------------------------------------------------------------------

    def generate(self, prompt: str, *, wait: bool = True, webhook: str = "", **wishes: Any) -> Job:
        """Draw pictures; `wishes` are the fields of `/v1/generations`, such as count, seed, size, background.

        Raises:
            ServerError: refused.
            JobFailedError: it was accepted and failed.
        """
        return self._made("/v1/generations", {"prompt": prompt, **wishes}, (), wait, webhook)

    def edit(
        self, photo: Picture, steps: Sequence[Mapping[str, Any]], *, mask: File | None = None, format: str = "png",
        quality: int | None = None, colourways: Mapping[str, Any] | None = None, wait: bool = True, webhook: str = "",
    ) -> Job:  # fmt: skip
        """Edit a photo by steps such as `{"op": "background", "to": "#ffffff"}`; errors are those of `generate`.

        In a step `@mask` stands for the mask.
        """
        wanted = {"steps": list(steps), "format": format, "quality": quality, "colourways": colourways}
        files = [("photo", photo), *([("mask", mask)] if mask is not None else [])]
        return self._made("/v1/edits", wanted, files, wait, webhook)

    def check(self, picture: Picture, channels: Sequence[str], *, fix: bool = False, language: str = "en",
              wait: bool = True, webhook: str = "") -> Job:  # fmt: skip
        """Check a picture by channels' rules, and repair it; `result["reports"]`; errors are those of `generate`."""
        wanted = {"channels": list(channels), "fix": fix, "language": language}
        return self._made("/v1/checks", wanted, [("picture", picture)], wait, webhook)

    def verify(self, picture: Picture, *, original: Picture | None = None, certificate: Picture | None = None,
               wait: bool = True, webhook: str = "") -> Job:  # fmt: skip
        """Read a picture's labels, and compute its certificate again; errors are those of `generate`."""
        given = [("picture", picture), ("original", original), ("certificate", certificate)]
        return self._made("/v1/verify", {}, [(name, one) for name, one in given if one is not None], wait, webhook)

    def listing(
        self, table: str | Path, channels: Sequence[str], *, photos: Sequence[str | Path] = (), wait: bool = False,
        webhook: str = "", **wishes: Any,
    ) -> Job:  # fmt: skip
        """Make the pictures of a catalogue; `photos` is one ZIP, or pictures; errors are those of `generate`."""
        fields = [("channels", name) for name in channels]
        fields += [(name, _text(value)) for name, value in wishes.items()]
        files = [("table", *content_of(table)), *(("photos", *content_of(photo)) for photo in photos)]
        headers = self._headers(False, webhook)
        return self._waited(Job.of(self._sent("/v1/listings", headers, fields=fields, files=files), self), wait)

    def train(self, name: str, *, minutes: float, catalogue: File | None = None, source: str = "",
              kinds: File | None = None, wait: bool = False, webhook: str = "", **wishes: Any) -> Job:  # fmt: skip
        """Train a pack on a catalogue, a ZIP, or on a folder that the operator lends; errors as of `generate`.

        `kinds` is a TOML file of kinds of product of one's own.
        """
        fields = [("name", name), ("minutes", _text(minutes)), ("source", source)]
        fields += [(key, _text(value)) for key, value in wishes.items()]
        given: list[tuple[str, File | None]] = [("catalogue", catalogue), ("kinds", kinds)]
        files = [(field, *content_of(file)) for field, file in given if file is not None]
        headers = self._headers(False, webhook)
        return self._waited(Job.of(self._sent("/v1/trainings", headers, fields=fields, files=files), self), wait)

    # ---- Jobs ---------------------------------------------------------------------------------------------------

    def job(self, job: Job | str) -> Job:
        """As it is now."""
        return Job.of(self._calls.ask("GET", f"/v1/jobs/{_id(job)}").json(), self)

    def jobs(self, *, kind: Sequence[str] = (), status: Sequence[str] = (), before: str = "", limit: int = 50
             ) -> Page[Job]:  # fmt: skip
        """The newest first."""
        query = {"kind": list(kind) or None, "status": list(status) or None, "before": before, "limit": limit}
        page = self._calls.ask("GET", "/v1/jobs", query=query).json()
        return Page([Job.of(row, self) for row in page["jobs"]], page["next"])

    def follow(self, job: Job | str) -> Iterator[Job]:
        """The job whenever it changes, until it has ended; by server-sent events, gone on with where they break off."""
        seen, failures = "", 0
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": seen} if seen else {})}
            try:
                for event in _events(self._calls.stream(f"/v1/jobs/{_id(job)}/events", headers=headers)):
                    if event.get("event") != "job":
                        continue
                    seen, failures = event.get("id", seen), 0
                    now = Job.of(json.loads(event["data"]), self)
                    yield now
                    if now.ended:
                        return
                raise ClientError(f"no more of {_id(job)}, which has not ended")
            except ClientError as error:
                failures += 1
                if failures > _BREAKS or getattr(error, "status", 500) < 500:
                    raise
                time.sleep(0.2 * failures)

    def wait(self, job: Job | str) -> Job:
        """The job once it is done.

        Raises:
            JobFailedError: it failed, or was cancelled.
        """
        return self._waited(self.job(job), True)

    def cancel(self, job: Job | str) -> Job:
        """At once where it waits, soon where it runs."""
        return Job.of(self._calls.ask("POST", f"/v1/jobs/{_id(job)}/cancel").json(), self)

    def retry(self, job: Job | str) -> Job:
        """A new job with the request of a failed or cancelled one."""
        return Job.of(self._calls.ask("POST", f"/v1/jobs/{_id(job)}/retry").json(), self)

    # ---- Assets -------------------------------------------------------------------------------------------------

    def upload(self, picture: File) -> Asset:
        """Keep a picture on the server."""
        answer = self._calls.ask("POST", "/v1/assets", files=[("file", *content_of(picture))])
        return Asset.of(answer.json(), self)

    def asset(self, identity: str) -> Asset:
        """What is known of it."""
        return Asset.of(self._calls.ask("GET", f"/v1/assets/{identity}").json(), self)

    def assets(self, words: str = "", *, kind: Sequence[str] = (), favourite: bool = False, before: str = "",
               limit: int = 50) -> Page[Asset]:  # fmt: skip
        """Those that hold all of the words, the newest first."""
        query = {"q": words, "kind": list(kind) or None, "favourite": _text(favourite), "before": before,
                 "limit": limit}  # fmt: skip
        page = self._calls.ask("GET", "/v1/assets", query=query).json()
        return Page([Asset.of(row, self) for row in page["assets"]], page["next"])

    def content(self, identity: str) -> bytes:
        """Bytes of an asset."""
        return self._calls.ask("GET", f"/v1/assets/{identity}/content").data

    def delete(self, asset: Asset | str) -> None:
        """Forget an asset."""
        self._calls.ask("DELETE", f"/v1/assets/{asset.id if isinstance(asset, Asset) else asset}")

    # ---- Listings, and what there is ----------------------------------------------------------------------------

    def pictures(self, listing: Job | str) -> Iterator[dict[str, Any]]:
        """Lines of a listing's manifest, with `url`, `passed` and `rejected`."""
        return self._rows(f"/v1/listings/{_id(listing)}/pictures", "pictures")

    def failures(self, listing: Job | str) -> Iterator[dict[str, Any]]:
        """What was not made, and why."""
        return self._rows(f"/v1/listings/{_id(listing)}/failures", "failures")

    def reject(self, listing: Job | str, keys: Sequence[str], *, rejected: bool = True) -> int:
        """Leave pictures out of the archive, or take them back; how many are out now."""
        document = {"keys": list(keys), "rejected": rejected}
        answer = self._calls.ask("POST", f"/v1/listings/{_id(listing)}/rejections", document=document)
        return int(answer.json()["rejected"])

    def archive(self, listing: Job | str, path: str | Path) -> Path:
        """Write a listing's ZIP to a file, piece by piece."""
        target = Path(path)
        partial = target.with_name(f"{target.name}.partial")
        with partial.open("wb") as file:
            for piece in self._calls.stream(f"/v1/listings/{_id(listing)}/archive"):
                file.write(piece)
        partial.replace(target)
        return target

    def fetch(self, url: str) -> bytes:
        """Bytes at a path of the server's, such as a picture's `url`."""
        return self._calls.ask("GET", url).data

    def packs(self) -> list[Pack]:
        """Packs with what was measured of them."""
        return [Pack.of(row, self) for row in self._calls.ask("GET", "/v1/packs").json()["packs"]]

    def delete_pack(self, name: str) -> None:
        """Delete a pack that was trained on the server, by this client's key or for the scope `admin`.

        Raises:
            ServerError: it was not, another key trained it, or a job needs it (`code` is `in_use`).
        """
        self._calls.ask("DELETE", f"/v1/packs/{quote(name, safe='')}")

    def channels(self) -> list[dict[str, Any]]:
        """Channels with their rules."""
        return list(self._calls.ask("GET", "/v1/channels").json()["channels"])

    def operations(self) -> list[dict[str, Any]]:
        """Operations with their parameters."""
        return list(self._calls.ask("GET", "/v1/operations").json()["operations"])

    def understand(self, prompt: str, *, pack: str = "") -> dict[str, Any]:
        """How a prompt is understood, where a pack with kinds of product of its own is to draw it."""
        wanted = {"prompt": prompt, "pack": pack}
        document: dict[str, Any] = self._calls.ask("POST", "/v1/understand", document=wanted).json()
        return document

    # ---- Inside -------------------------------------------------------------------------------------------------

    def _made(self, path: str, wanted: Mapping[str, Any], pictures: Sequence[tuple[str, Picture | None]], wait: bool,
              webhook: str) -> Job:  # fmt: skip
        headers = self._headers(wait, webhook)
        files = [(name, *content_of(one)) for name, one in pictures if one is not None and not isinstance(one, Asset)]
        ids = {name: one.id for name, one in pictures if isinstance(one, Asset)}
        if not files:
            return self._waited(Job.of(self._sent(path, headers, document={**wanted, **ids}), self), wait)
        wanted = {**wanted, **ids}
        fields = [
            (name, item if isinstance(item, str) else _text(item))
            for name, value in wanted.items() if value is not None
            for item in (value if name == "channels" else [value])
        ]  # fmt: skip
        return self._waited(Job.of(self._sent(path, headers, fields=fields, files=files), self), wait)

    def _sent(self, path: str, headers: Mapping[str, str], **body: Any) -> dict[str, Any]:
        document: dict[str, Any] = self._calls.ask("POST", path, headers=headers, **body).json()
        return document

    def _headers(self, wait: bool, webhook: str) -> dict[str, str]:
        """With an idempotency key, so that a request whose answer is lost can be made again."""
        hook = {"Packshot-Webhook": webhook} if webhook else {}
        return {"Idempotency-Key": secrets.token_hex(16), **(_WAIT if wait else {}), **hook}

    def _waited(self, job: Job, wait: bool) -> Job:
        if not wait:
            return job
        if not job.ended:
            for now in self.follow(job):
                job = now
        if job.status != "done":
            raise JobFailedError(job)
        return job

    def _rows(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._calls.ask("GET", path, query={"offset": offset, "limit": 500}).json()
            yield from page[name]
            offset += len(page[name])
            if offset >= page["total"] or not page[name]:
                return


def _events(pieces: Iterator[bytes]) -> Iterator[dict[str, str]]:
    """Server-sent events (WHATWG HTML, 9.2) of a stream."""
    waiting, event = b"", dict[str, str]()
    for piece in pieces:
        *lines, waiting = (waiting + piece).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if not line and event:
                yield event
                event = {}
            elif line and not line.startswith(b":"):
                name, _, value = line.decode().partition(":")
                value = value.removeprefix(" ")
                event[name] = f"{event[name]}\n{value}" if name in event else value


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
