"""Whose content credentials a listing run signs with: files that every process opens for itself.

The key never leaves its file but for the memory of the processes that sign: what goes to workers and into keys of
pictures is where it lies and the certificates' fingerprints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from packshot.errors import InputError
from packshot.images import encode_picture
from packshot.provenance import credentials
from packshot.provenance.credentials import Signer, SigningError
from packshot.provenance.origin import of_kind


@dataclass(frozen=True, slots=True)
class Signing:
    """A certificate and its key, by their files.

    Attributes:
        certificate: PEM, absolute; see `credentials.Signer.chain`.
        key: PEM, absolute.
        algorithm: one of `credentials.ALGORITHMS`.
        fingerprints: SHA-256 of the chain's certificates, the signer's own first.
    """

    certificate: Path
    key: Path
    algorithm: str
    fingerprints: tuple[str, ...]

    @classmethod
    def open(cls, certificate: Path, key: Path, algorithm: str) -> Signing:
        """Read both files and sign a picture of one pixel, so that what can't work is said before any is made.

        Raises:
            InputError: a file cannot be read, or is no PEM.
            RequestError: another algorithm, or nothing can be signed with these.
            MissingExtraError: c2pa-python is not installed.
        """
        signer = Signer.open(certificate, key, algorithm)
        pixel = encode_picture(np.zeros((1, 1, 3), np.uint8), Path("trial.jpg"))
        credentials.sign(pixel, signer, of_kind("edited"), title="trial.jpg")
        return cls(certificate.resolve(), key.resolve(), algorithm, signer.fingerprints)

    def as_recipe(self) -> dict[str, Any]:
        """What signed pictures depend on: another certificate makes them anew, another place of its file does not."""
        return {"certificates": list(self.fingerprints), "algorithm": self.algorithm}


@cache
def signer_of(signing: Signing | None) -> Signer | None:
    """The signer, read once in a process.

    Raises:
        SigningError: a file is gone, or the certificate is no longer the one that the run began with.
    """
    if signing is None:
        return None
    try:
        signer = Signer.open(signing.certificate, signing.key, signing.algorithm)
    except InputError as error:
        raise SigningError(error.where, error.got, error.accepted) from None
    if signer.fingerprints != signing.fingerprints:
        raise SigningError(signing.certificate, "another certificate than when the run began", "the same, or a new run")
    return signer
