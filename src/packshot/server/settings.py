"""What an operator decides of a server. Knows no web framework and no database."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from packshot.errors import RequestError
from packshot.generation.parallel import cores

MEGABYTE = 1_000_000
LogFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class Settings:
    """A server's settings; plain values, since worker processes get them too.

    Attributes:
        home: folder of database, pictures, listings and trainings, and of what this server alone needs.
        database: SQLAlchemy URL; empty for SQLite in `home`.
        assets: URL of a bucket's folder for what several servers share: pictures, listings, trainings, packs; empty
            for `home`.
        host: address that the server listens on.
        port: of it; 0 for a free one.
        quick_workers: processes for what a person waits for: pictures, edits, checks.
        slow_workers: processes for listings and trainings, at lower priority.
        longest_wait_seconds: quick jobs are refused, with 429 and Retry-After, when they would begin later than that.
        most_slow_jobs: waiting listings and trainings, before more are refused likewise.
        quick_job_seconds: a quick job that runs longer is stopped.
        slow_job_seconds: a slow one.
        job_bytes: resident memory of a worker; beyond it, its job is stopped.
        upload_bytes: the largest file that is taken.
        archive_bytes: the largest ZIP of photos or of a catalogue, packed and unpacked.
        slow_job_bytes: memory of a slow job's processes; 0 for four fifths of the machine's.
        backend: that draws.
        pack: of it, where a request names none.
        producer: ContentProducer of AIGC labels.
        diffusers: folder of diffusers pipelines that clients may name in edits; None for none.
        catalogues: folder of folders that clients may name for trainings; None for none.
        log_format: of the log lines: text or json.
        proxies: addresses or networks, with commas between, whose X-Forwarded-For and -Proto are believed.
    """

    home: Path
    database: str = ""
    assets: str = ""
    host: str = "127.0.0.1"
    port: int = 8333
    quick_workers: int = 0
    slow_workers: int = 1
    longest_wait_seconds: float = 1.0
    most_slow_jobs: int = 100
    quick_job_seconds: float = 120.0
    slow_job_seconds: float = 86_400.0
    job_bytes: int = 3_000 * MEGABYTE
    upload_bytes: int = 60 * MEGABYTE
    archive_bytes: int = 2_000 * MEGABYTE
    slow_job_bytes: int = 0
    backend: str = "embedded"
    pack: str = "base"
    producer: str = ""
    diffusers: Path | None = None
    catalogues: Path | None = None
    log_format: LogFormat = "text"
    proxies: str = ""

    def __post_init__(self) -> None:
        """Check what can be out of range.

        Raises:
            RequestError: something is.
        """
        if not 0 <= self.port <= 65_535:
            raise RequestError("--port", self.port, "0 to 65,535")
        for name in ("quick_workers", "slow_workers"):
            if not 0 <= getattr(self, name) <= 256:
                raise RequestError(f"--{name.replace('_', '-')}", getattr(self, name), "0 to 256")
        if self.log_format not in get_args(LogFormat):
            raise RequestError("--log-format", f"'{self.log_format}'", ", ".join(get_args(LogFormat)))
        for proxy in filter(None, self.proxies.split(",")):
            try:
                ipaddress.ip_network(proxy.strip())
            except ValueError:
                raise RequestError("--proxy", f"'{proxy}'", "an IP address or network, as 10.0.0.0/8") from None

    @property
    def database_url(self) -> str:
        """Where jobs and the gallery are kept."""
        return self.database or f"sqlite:///{self.home / 'packshot.sqlite'}"

    @property
    def quick_processes(self) -> int:
        """One for each core, unless said otherwise."""
        return self.quick_workers or cores()

    def told(self, text: object) -> str:
        """What clients may read of a text that names files: nothing of where `home` and the bucket are."""
        told = str(text)
        for place in filter(None, (self.assets.rstrip("/"), str(self.home))):
            told = told.replace(f"{place}/", "").replace(place, "the server's folder")
        return told

    @property
    def slow_bytes(self) -> int:
        """Memory that a slow job's processes may take."""
        pages = os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in os.sysconf_names else 0
        return self.slow_job_bytes or (pages * os.sysconf("SC_PAGE_SIZE") * 4 // 5) or 3 * self.job_bytes

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
