"""Content credentials (C2PA 2.2): signed with the user's certificate, and verified. The one file that imports c2pa.

Nothing goes over the network: no timestamp is fetched, no remote manifest, no certificate status.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import packshot
from packshot.errors import InputError, MissingExtraError, RequestError
from packshot.provenance.origin import TERMS, Origin
from packshot.provenance.xmp import kind_of

ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")

_MIME = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_MARKERS = {"jpeg": b"jumb", "png": b"caBX", "webp": b"C2PA"}
_ACTIONS = {  # C2PA 2.2, section 18.15.2
    "crop": "c2pa.cropped",
    "fit": "c2pa.resized",
    "enlarge": "c2pa.resized",
    "straighten": "c2pa.orientation",
    "flip": "c2pa.orientation",
    "white_balance": "c2pa.color_adjustments",
    "exposure": "c2pa.color_adjustments",
    "recolour": "c2pa.color_adjustments",
    "text": "c2pa.drawing",
    "badge": "c2pa.drawing",
}
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


class SigningError(RequestError):
    """Credentials that cannot be signed: with this certificate and key none can."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A user's certificate and key.

    Attributes:
        chain: PEM, the signer's own certificate first, then those that vouch for it, without the root.
        key: PEM, PKCS#8.
        algorithm: one of `ALGORITHMS`, the one that the key is for.
    """

    chain: str
    key: str
    algorithm: str = "es256"

    def __repr__(self) -> str:
        """Without the key."""
        return f"Signer(algorithm={self.algorithm!r})"

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of each certificate of the chain in DER, as `openssl x509 -fingerprint -sha256` prints it."""
        found = [base64.b64decode(text) for text in _CERTIFICATE.findall(self.chain)]
        return tuple(hashlib.sha256(der).hexdigest() for der in found)

    @classmethod
    def open(cls, certificate: Path, key: Path, algorithm: str = "es256") -> Signer:
        """Read both files.

        Raises:
            InputError: one cannot be read, or is no PEM.
            RequestError: another algorithm.
        """
        if algorithm not in ALGORITHMS:
            raise RequestError("--algorithm", f"'{algorithm}'", ", ".join(ALGORITHMS))
        signer = cls(_pem(certificate, "CERTIFICATE"), _pem(key, "PRIVATE KEY"), algorithm)
        try:
            whole = bool(signer.fingerprints)
        except binascii.Error:
            whole = False
        if not whole:
            raise InputError(certificate, "a damaged CERTIFICATE", "a PEM file with a CERTIFICATE")
        return signer


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a picture's content credentials say.

    Attributes:
        state: `Trusted`, `Valid` (intact, its signer in no list that was given) or `Invalid`.
        signer: common name or organisation; empty where the manifest is damaged.
        actions: names of C2PA actions, of all manifests of the picture.
        source_types: names of IPTC's vocabulary that the actions state.
        manifests: how many there are; more than one where a picture that had credentials was labelled again.
        problems: codes of what does not agree.
    """

    state: str
    signer: str
    actions: tuple[str, ...]
    source_types: tuple[str, ...]
    manifests: int
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "state": self.state,
            "signer": self.signer,
            "actions": list(self.actions),
            "source_types": list(self.source_types),
            "manifests": self.manifests,
            "problems": list(self.problems),
        }


def are_in(data: bytes, where: object) -> bool:
    """Whether a file seems to hold credentials; needs no package, and does not look whether they are sound."""
    return _MARKERS[kind_of(data, where)] in data and b"c2pa" in data


def sign(data: bytes, signer: Signer, origin: Origin, *, title: str, parent: bytes | None = None) -> bytes:
    """The file with credentials that say how the picture came about.

    Args:
        data: a JPEG, PNG or WebP file.
        signer: the user's.
        origin: what is said.
        title: of the picture, for instance its file's name.
        parent: the file as it was before labelling; its own credentials are kept as those of an ingredient.

    Raises:
        SigningError: certificate, key and algorithm don't fit, or the certificate is not for signing content.
        MissingExtraError: c2pa-python is not installed.
    """
    library = _library()
    mime = _MIME[kind_of(data, title)]
    context = library.Context(library.Settings.from_dict(_settings(None)))
    manifest = {
        "claim_generator_info": [{"name": "packshot", "version": packshot.__version__}],
        "title": title,
        "format": mime,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": _actions(origin, parent is not None)}}],
    }
    out = io.BytesIO()
    try:
        info = library.C2paSignerInfo(signer.algorithm.encode(), signer.chain.encode(), signer.key.encode(), None)
        with library.Signer.from_info(info) as own, library.Builder(json.dumps(manifest), context) as builder:
            if parent is not None:
                ingredient = {"title": title, "relationship": "parentOf", "instance_id": _PARENT}
                builder.add_ingredient(json.dumps(ingredient), _MIME[kind_of(parent, title)], io.BytesIO(parent))
            builder.sign(own, mime, io.BytesIO(data), out)
    except library.C2paError as error:
        accepted = "a certificate for signing content (C2PA 2.2, section 14.5), its chain, its key and its algorithm"
        raise SigningError("--cert", f"credentials that cannot be signed ({_line(error)})", accepted) from None
    return out.getvalue()


def verify(data: bytes, *, where: object, anchors: str | None = None) -> Credentials | None:
    """Read and check a file's credentials; None where it has none.

    Args:
        data: a JPEG, PNG or WebP file.
        where: what to call it in error messages.
        anchors: PEM of the roots that are trusted; None where only soundness is asked.

    Raises:
        MissingExtraError: c2pa-python is not installed.
    """
    library = _library()
    context = library.Context(library.Settings.from_dict(_settings(anchors)))
    try:
        with library.Reader(_MIME[kind_of(data, where)], io.BytesIO(data), context=context) as reader:
            document, state = json.loads(reader.json()), reader.get_validation_state()
    except library.C2paError as error:
        if "ManifestNotFound" in str(error):
            return None
        return Credentials("Invalid", "", (), (), 0, (_line(error),))
    manifests = document.get("manifests", {})
    active = manifests.get(document.get("active_manifest"), {})
    signature = active.get("signature_info") or {}
    rows = [action for manifest in manifests.values() for action in _actions_in(manifest)]
    types = (str(row.get("digitalSourceType", "")).rpartition("/")[2] for row in rows)
    return Credentials(
        str(state),
        str(signature.get("common_name") or signature.get("issuer") or ""),
        tuple(str(row.get("action")) for row in rows),
        tuple(dict.fromkeys(name for name in types if name)),
        len(manifests),
        tuple(_problems(document)),
    )


_PARENT = "packshot:parent"


def _actions(origin: Origin, has_parent: bool) -> list[dict[str, Any]]:
    """`c2pa.created` or `c2pa.opened` first, as the specification demands, then what was done."""
    term = TERMS + origin.source_type
    first: list[dict[str, Any]]
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}
    edits = [step for step in origin.steps if step != "generate"]
    if has_parent:
        first = [opened, {"action": "c2pa.edited", "digitalSourceType": term}]
    elif origin.kind == "edited":
        captured = {"action": "c2pa.created", "digitalSourceType": TERMS + "digitalCapture"}
        first = [captured, {"action": "c2pa.edited", "digitalSourceType": term}]
    else:
        first = [{"action": "c2pa.created", "digitalSourceType": term}]
    done = [{"action": _ACTIONS.get(step, "c2pa.edited"), "description": f"packshot {step}"} for step in edits]
    return [*first, *done]


def _actions_in(manifest: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for assertion in manifest.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            found += assertion.get("data", {}).get("actions", [])
    return found


def _problems(document: Mapping[str, Any]) -> list[str]:
    """Codes of failures, of the picture itself and of its ingredients, without distrust: `state` says that."""
    results = (document.get("validation_results") or {}).get("activeManifest") or {}
    codes = [str(row.get("code")) for row in results.get("failure", [])]
    return [code for code in dict.fromkeys(codes) if code != "signingCredential.untrusted"]


def _settings(anchors: str | None) -> dict[str, Any]:
    verify = dict(_OFFLINE["verify"])
    if anchors is None:
        return {"verify": {**verify, "verify_trust": False}, "builder": {"thumbnail": {"enabled": False}}}
    return {"verify": {**verify, "verify_trust": True}, "trust": {"user_anchors": anchors}}


def _library() -> Any:
    try:
        import c2pa
    except ImportError:
        raise MissingExtraError("content credentials", "no c2pa-python", "pip install 'packshot[provenance]'") from None
    return c2pa


def _pem(path: Path, what: str) -> str:
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, getattr(error, "strerror", None) or "no text", f"a PEM file with a {what}") from None
    if what not in text:
        raise InputError(path, f"no {what}", f"a PEM file with a {what}")
    return text


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
