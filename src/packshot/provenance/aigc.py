"""The implicit label of GB 45438-2025, annex E: the JSON under the key `AIGC` in a file's metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Self

from packshot.errors import InputError, RequestError

IS, MAY_BE, SUSPECTED = "1", "2", "3"
"""Values of `Label`: the content is, may be, is suspected of being made by artificial intelligence."""

_KEYS = {
    "label": "Label",
    "producer": "ContentProducer",
    "produce_id": "ProduceID",
    "reserved1": "ReservedCode1",
    "propagator": "ContentPropagator",
    "propagate_id": "PropagateID",
    "reserved2": "ReservedCode2",
}


@dataclass(frozen=True, slots=True)
class Aigc:
    """What a file says of who made and who spread it.

    Attributes:
        label: `IS`, `MAY_BE` or `SUSPECTED`.
        producer: name or code of the service that made the content.
        produce_id: its own number of this content.
        reserved1: the producer's own, for instance a digest; may be empty.
        propagator: name or code of the service that spreads it; empty before it does.
        propagate_id: that service's number.
        reserved2: the propagator's own.

    Raises:
        RequestError: another value of the label, or no producer or number where it says that AI made it.
    """

    label: str
    producer: str
    produce_id: str
    reserved1: str = ""
    propagator: str = ""
    propagate_id: str = ""
    reserved2: str = ""

    def __post_init__(self) -> None:
        """Check what the standard demands."""
        if self.label not in (IS, MAY_BE, SUSPECTED):
            raise RequestError("AIGC Label", f"'{self.label}'", f"{IS}, {MAY_BE} or {SUSPECTED}")
        if self.label == IS and not (self.producer.strip() and self.produce_id.strip()):
            raise RequestError("AIGC", "no ContentProducer or ProduceID", "both, where Label is 1")

    def as_json(self) -> str:
        """The text of the label, its keys in the standard's order."""
        row = {key: getattr(self, name) for name, key in _KEYS.items()}
        return json.dumps(row, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, where: object) -> Self:
        """Read a label; keys that it lacks are empty, keys that the standard has not are disregarded.

        Raises:
            InputError: no JSON object with a known `Label`.
        """
        accepted = "a JSON object with Label, ContentProducer, ProduceID"
        try:
            row = json.loads(text)
            return cls(**{field.name: str(row.get(_KEYS[field.name], "")) for field in fields(cls)})
        except (ValueError, AttributeError):
            raise InputError(where, "an AIGC label that is no JSON object", accepted) from None
        except RequestError as error:
            raise InputError(where, f"an AIGC label with {error.got}", accepted) from None
