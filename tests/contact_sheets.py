"""Lines of manifests and failures as listing runs write them, for tests of the page that shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from packshot.listing.contact_sheet import ContactSheet

Line = dict[str, Any]


def made(
    sku: str = "A",
    channel: str = "shopify",
    role: str = "main",
    number: int = 1,
    *,
    path: str = "identity",
    request: str = "brown bag",
    unsure: bool = False,
    name: str = "",
) -> Line:
    """A line of the manifest."""
    verdicts = [{"rule": "format", "status": "pass", "measured": "JPEG", "accepted": "JPEG"}]
    if unsure:
        soft = {"measured": "1.9 px", "accepted": "edges up to 2.2 px wide", "why": "look at it"}
        verdicts.append({"rule": "blur", "status": "unsure", **soft})
    file = name or f"{sku}/{channel}/{role}-{number}.jpg"
    return {
        "key": hashlib.sha256(f"{sku}{channel}{role}{number}".encode()).hexdigest(),
        "name": file,
        "sku": sku,
        "channel": channel,
        "role": role,
        "number": number,
        "means": "words" if path == "generative" else "photo",
        "take": 0,
        "path": path,
        "colour": "",
        "request": request,
        "certificate": f"{file}.certificate.json",
        "verdicts": verdicts,
        "labels": {
            "origin": {"kind": "edited", "source_type": "algorithmicallyEnhanced"},
            "labels": [{"label": "iptc", "done": True}, {"label": "aigc", "done": False}],
        },
    }


def failure(sku: str = "A", role: str = "scene", kind: str = "refused", reason: str = "too small") -> Line:
    """A line of the failures."""
    return {**made(sku, role=role), "kind": kind, "reason": reason}


def sheet_of(made: Iterable[Line], failed: Iterable[Line], titles: Mapping[str, tuple[str, str]]) -> ContactSheet:
    """A page of these lines."""
    sheet = ContactSheet(titles)
    for line in made:
        sheet.add(line)
    for line in failed:
        sheet.lack(line)
    return sheet


def contact_sheet(made: Iterable[Line], failed: Iterable[Line], titles: Mapping[str, tuple[str, str]]) -> bytes:
    """Its bytes."""
    return sheet_of(made, failed, titles).page()
