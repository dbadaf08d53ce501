"""Pictures against the rules of channels, and their repairs, as `packshot check` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from packshot.errors import RequestError
from packshot.server.assets import Asset, Assets, NewAsset
from packshot.server.tasks.desk import stem_of
from packshot.server.tasks.edit import certificate_asset, told
from packshot.server.tasks.generate import MEDIA_TYPES
from packshot.server.tasks.interface import Context, Outcome, file_of

MOST_CHANNELS = 20
SECONDS_FOR_A_PICTURE, SECONDS_FOR_A_CHANNEL, SECONDS_FOR_A_REPAIR = 0.3, 0.1, 1.5


def understood(request: Mapping[str, Any], assets: Assets) -> None:
    """Check a request before it is accepted.

    Args:
        request: `picture`, an asset's id; `channels`, names; `fix`; `language` of the verdicts.
        assets: where the id is looked up.

    Raises:
        PackshotError: it can't be done; says why.
    """
    file_of(assets, str(request["picture"]), "picture")
    _channels(request)


def check(request: Mapping[str, Any], context: Context) -> Outcome:
    """Judge the picture for each channel, and repair it where that is asked for."""
    from packshot.listing.report import look_at

    asset, content = file_of(context.assets, str(request["picture"]), "picture")
    channels = _channels(request)
    look = look_at(content.read_bytes(), asset.name)
    reports: list[dict[str, Any]] = []
    made: list[NewAsset] = []
    for done, channel in enumerate(channels):
        context.progress(done, len(channels), channel.name)
        report, files = _judged(look, channel, asset, fix=request["fix"], language=request["language"])
        reports.append(report)
        made += files
    return Outcome({"reports": reports, "picture": asset.id}, made)


def expected_seconds(request: Mapping[str, Any]) -> float:
    """Of a worker's time."""
    each = SECONDS_FOR_A_CHANNEL + (SECONDS_FOR_A_REPAIR if request["fix"] else 0.0)
    return SECONDS_FOR_A_PICTURE + each * len(request["channels"])


def _channels(request: Mapping[str, Any]) -> list[Any]:
    from packshot.listing.channels import find_channel, load_channels

    names = list(dict.fromkeys(request["channels"]))
    if not 1 <= len(names) <= MOST_CHANNELS:
        raise RequestError("channels", len(names), f"1 to {MOST_CHANNELS}; GET /v1/channels lists them")
    known = load_channels()
    return [find_channel(name, known) for name in names]


def _judged(
    look: Any, channel: Any, asset: Asset, *, fix: bool, language: Any
) -> tuple[dict[str, Any], list[NewAsset]]:
    """A channel's report, and the repaired picture with its certificate."""
    from packshot.listing.repair import certificate, repair
    from packshot.listing.report import check as judged
    from packshot.listing.report import report_of

    before = judged(look, channel).as_dict(language)
    report = {key: before[key] for key in ("channel", "passed", "verdicts")} | {"fixed": None, "refused": []}
    if not fix:
        return report, []
    mended = repair(look, channel)
    after = report_of(look, channel, mended).as_dict(language)
    if mended.data is None:
        return report | {"refused": after["refused"]}, []
    picture = _kept(mended, asset, channel.name)
    document = certificate(look, mended, picture.name)
    proof = None if document is None else certificate_asset(document, picture)
    said = {} if document is None else told(document)
    details = {"photo": asset.id, "certificate": None if proof is None else proof.id, "channel": channel.name, **said}
    fixed = {"asset": picture.id, "certificate": details["certificate"], "done": after["done"],
             "verdicts": after["verdicts"], "passed": after["passed"]}  # fmt: skip
    return report | {"fixed": fixed}, [replace(picture, details=details), *([] if proof is None else [proof])]


def _kept(mended: Any, asset: Asset, channel: str) -> NewAsset:
    from packshot.images import picture_size

    name = f"{stem_of(asset.name)}-{channel}{mended.suffix}"
    form = "jpg" if mended.suffix in (".jpg", ".jpeg") else mended.suffix[1:]
    media_type = MEDIA_TYPES.get(form, asset.media_type)  # a copy of what passed keeps its own
    size = picture_size(mended.data, where=name)
    return NewAsset("edited", name, media_type, mended.data, size, f"{asset.words} {channel}".casefold())
