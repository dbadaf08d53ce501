"""Whether a worker's machine has what a run needs: the same packshot and packs, its photos, its key, the run's store.

Asked in every worker on other machines before its first picture, since they would else make other pictures than this
machine, or write them where nobody looks.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from packshot import __version__
from packshot.errors import PackshotError, RequestError
from packshot.listing.drawn import packs_of
from packshot.listing.making import Setting, cutting_pack
from packshot.listing.plan import PlannedPicture
from packshot.listing.products import Photo
from packshot.listing.signing import signer_of
from packshot.listing.store import Store

_TICKET = ".packshot-listing.run"


@dataclass(frozen=True, slots=True)
class Needs:
    """What every machine has to have.

    Attributes:
        out: of the run.
        ticket: content of a file in it.
        setting: of the pictures.
        draws: whether products are drawn from words.
        packs: sha256 by name.
        photo: one that the catalogue's photos are judged by; None where there are none.
        version: of packshot.
    """

    out: Store
    ticket: str
    setting: Setting
    draws: bool
    packs: Mapping[str, str]
    photo: Photo | None
    version: str = __version__

    def check(self) -> None:
        """Say what this machine lacks.

        Raises:
            RequestError: in one line, with the machine's name.
        """
        here = f"machine {socket.gethostname()}"
        if self.version != __version__:
            raise RequestError(here, f"packshot {__version__}", f"{self.version}, as where the run was started")
        try:
            photo = None if self.photo is None else _sha256(self.photo)
            ticket, packs = self.out.read(_TICKET), _packs(self.setting, self.draws)
            signer_of(self.setting.signing)
        except PackshotError as error:
            raise RequestError(here, error, "what is there where the run was started") from None
        if self.photo is not None and photo != self.photo.sha256:
            raise RequestError(here, f"no photo {self.photo.path}, or another one", _shared("photos"))
        if ticket != self.ticket.encode():
            raise RequestError(here, f"another {self.out.shown()}, or none", _shared("--out"))
        if wrong := [name for name, sha256 in self.packs.items() if packs.get(name) != sha256]:
            raise RequestError(here, f"another pack {', '.join(wrong)}", "the one of where the run was started")


@contextmanager
def needs(out: Store, setting: Setting, pictures: Sequence[PlannedPicture]) -> Iterator[Needs]:
    """What machines need for these pictures, as long as the run lasts.

    Raises:
        OutputError: the store can't be written to.
        PackError: this machine itself lacks a pack.
    """
    ticket = secrets.token_hex(16)
    photo = next((picture.photo for picture in pictures if picture.photo is not None), None)
    draws = any(picture.photo is None for picture in pictures)
    out.write(_TICKET, ticket.encode())
    try:
        yield Needs(out, ticket, setting, draws, _packs(setting, draws), photo)
    finally:
        out.remove(_TICKET)


def _packs(setting: Setting, draws: bool) -> dict[str, str]:
    return cutting_pack() | (packs_of(setting.backend, setting.pack) if draws else {})


def _sha256(photo: Photo) -> str | None:
    try:
        return hashlib.sha256(photo.path.read_bytes()).hexdigest()
    except OSError:
        return None


def _shared(what: str) -> str:
    return f"{what} in a folder that all machines share under one name"
