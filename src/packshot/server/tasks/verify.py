"""What a picture says of itself, and whether a certificate holds, as `packshot verify` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packshot.errors import InputError, RequestError
from packshot.phrases import with_chinese
from packshot.server.assets import Asset, Assets
from packshot.server.tasks.desk import Desk
from packshot.server.tasks.interface import Context, Outcome, file_of

SECONDS = 0.6
_OTHER_FORM = (KeyError, TypeError, ValueError, AttributeError)


def understood(request: Mapping[str, Any], assets: Assets) -> dict[str, Any]:
    """Check a request before it is accepted, and say of a picture that was edited here what it was made from.

    Args:
        request: ids: `picture`; `original` and `certificate`, or None.
        assets: where they are looked up.

    Returns:
        The request, complete.

    Raises:
        RequestError: an id is none, or a certificate comes without the original.
    """
    picture, _ = file_of(assets, str(request["picture"]), "picture")
    known = {"original": request["original"] or _known(picture, "photo", assets), "certificate": request["certificate"]}
    if known["original"] is not None and known["certificate"] is None:
        known["certificate"] = _known(picture, "certificate", assets)
    for where in ("original", "certificate"):
        if known[where] is not None:
            file_of(assets, str(known[where]), where)
    if request["certificate"] is not None and known["original"] is None:
        raise RequestError("certificate", "no original", "the photo that the picture was made from, too")
    if request["original"] is not None and known["certificate"] is None:
        raise RequestError("original", "no certificate", "the certificate of the edit, too")
    return {"picture": picture.id, **known}


def verify(request: Mapping[str, Any], context: Context) -> Outcome:
    """Read the labels, and compute the certificate's numbers again where there is one."""
    from packshot.provenance.reading import read_labels

    context.progress(0, 1)
    with Desk(context) as desk:
        asset, picture = desk.named(request["picture"], "picture")
        compared = None
        if request["certificate"] is not None and request["original"] is not None:
            original = desk.file_of(request["original"], "original")
            compared = _compared(picture, original, desk.file_of(request["certificate"], "certificate"))
        labels = read_labels(picture.read_bytes(), asset.name)
    wrong = [*(compared["disagreements"] if compared else []), *labels.problems]
    document = {**labels.as_dict(), "headline": labels.headline()}
    found = {"labels": document, "lines": labels.lines(), "certificate": compared, "fine": not wrong}
    return Outcome({**with_chinese(found, "lines"), "picture": asset.id})


def expected_seconds(request: Mapping[str, Any]) -> float:
    """Of a worker's time."""
    return SECONDS


def _compared(picture: Path, original: Path, path: Path) -> dict[str, Any]:
    from packshot.editing import telling
    from packshot.editing.certificate import read_certificate
    from packshot.editing.certificate import verify as compare

    document = read_certificate(path)
    wrong = compare(picture, original, document)
    try:
        proof = telling.proof(document)
    except _OTHER_FORM:
        raise InputError("certificate", "another form", "one that packshot edit wrote") from None
    found = {"agrees": not wrong, "disagreements": wrong, "promise": document["promise"], "proof": proof}
    return with_chinese(found, "disagreements", "proof")


def _known(picture: Asset, what: str, assets: Assets) -> str | None:
    """The photo or certificate of a picture that was edited here, as long as it is still there."""
    identity = picture.details.get(what)
    return identity if isinstance(identity, str) and assets.get(identity) is not None else None
