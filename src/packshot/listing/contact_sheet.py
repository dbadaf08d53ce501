"""The page on which a person looks through a run's pictures: one HTML file out of manifest and failures.

Pictures and certificates are linked by their relative names; the rest, data, style and script, is in the page, whose
policy lets it load nothing else. Everything that came from a table is data of a JSON document, and put on the page as
text: a SKU can hold no markup that a browser would obey.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from packshot.listing.sets import ROLES
from packshot.phrases import chinese, names

PAGE = "index.html"
KEY_DIGITS = 20
"""Of a picture's key on the page, and so in `rejected.txt`: enough to tell any number of pictures apart."""

Line = Mapping[str, Any]


class _Table:
    """Values that stand often, each kept once; pictures name them by their place."""

    def __init__(self, first: Iterable[str] = ()) -> None:
        self.values: list[str] = []
        self.places: dict[str, int] = {}
        for value in first:
            self.place(value)

    def place(self, value: str) -> int:
        """Of a value, which is added where it is new."""
        if value not in self.places:
            self.places[value] = len(self.values)
            self.values.append(value)
        return self.places[value]


class ContactSheet:
    """The page of a run, to which lines are added in any order; of each it keeps what the page shows alone.

    Args:
        titles: English and Chinese title of each channel by name; those without one are shown by their name.
        skus: of products in the order in which they are shown; others come after them.
    """

    def __init__(self, titles: Mapping[str, tuple[str, str]], skus: Iterable[str] = ()) -> None:
        self.titles = titles
        self.order = {sku: place for place, sku in enumerate(dict.fromkeys(skus))}
        self.products: dict[str, dict[str, Any]] = {}
        self.shared: dict[str, str] = {}

    def add(self, line: Line) -> None:
        """A line of the manifest."""
        self._product(line)["pictures"].append(
            [
                str(line["key"])[:KEY_DIGITS],
                str(line["name"]),
                self._once(str(line.get("channel", ""))),
                self._once(str(line.get("role", ""))),
                int(line.get("number", 1)),
                int(line.get("path") == "generative"),
                self._once(_verdicts(line)),
                self._once(_labels(line)),
                _certificate(line),
                str(line.get("colour", "")),
                int(line.get("take", 0)),
            ]
        )

    def lack(self, line: Line) -> None:
        """A line of the failures."""
        self._product(line)["lacks"].append(
            [
                str(line.get("kind", "")),
                self._once(str(line.get("channel", ""))),
                self._once(str(line.get("role", ""))),
                int(line.get("number", line.get("missing", 1))),
                self._once(_reason(line)),
                str(line.get("key", ""))[:KEY_DIGITS],
            ]
        )

    def data(self) -> dict[str, Any]:
        """What the page shows, as plain values: tables, and products with their pictures and what they lack.

        A picture is [key, name, channel, role, number, path, verdicts, labels, certificate, colour, take], a lack
        [kind, channel, role, number, reason, key]; `contact_sheet.js` reads both.
        """
        used = {entry[2] for product in self.products.values() for entry in product["pictures"]}
        used |= {entry[1] for product in self.products.values() for entry in product["lacks"]}
        channels, roles = _Table(sorted(used - {""})), _Table(ROLES)
        verdicts, labels = _Table(), _Table()
        products = []
        for product in sorted(self.products.values(), key=lambda one: self.order.get(one["sku"], len(self.order))):
            pictures = [
                [key, name, channels.place(channel), roles.place(role), number, path, verdict, label, *rest]
                for key, name, channel, role, number, path, verdict, label, *rest in product["pictures"]
            ]
            pictures.sort(key=lambda picture: picture[2:5])
            for picture in pictures:
                picture[6:8] = verdicts.place(picture[6]), labels.place(picture[7])
            lacks = [
                [kind, channels.place(channel) if channel else -1, roles.place(role) if role else -1, *rest]
                for kind, channel, role, *rest in product["lacks"]
            ]
            lacks.sort(key=lambda lack: lack[1:4])
            products.append({**product, "pictures": pictures, "lacks": lacks})
        told = [json.loads(text) for text in verdicts.values]
        return {
            "channels": [[name, *self.titles.get(name, (name, name))] for name in channels.values],
            "roles": roles.values,
            "zh": self._chinese(told),
            "verdicts": told,
            "labels": [json.loads(text) for text in labels.values],
            "products": products,
        }

    def _chinese(self, verdicts: Iterable[Any]) -> dict[str, str]:
        """Of the names of rules, of what was measured, and of reasons: by their English, where it is another."""
        texts = {text for _, telling in verdicts for _, _, *rest in telling for text in rest}
        texts |= {lack[4] for product in self.products.values() for lack in product["lacks"]}
        found = {text: chinese(text) for text in sorted(texts)}
        return {**names("rule"), **{text: said for text, said in found.items() if said != text}}

    def page(self) -> bytes:
        """The page, in UTF-8."""
        script, style = _shipped("contact_sheet.js"), _shipped("contact_sheet.css")
        policy = (
            "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file: data:; "
            f"style-src {_hashed(style)}; script-src {_hashed(script)}"
        )
        parts = {"policy": html.escape(policy), "style": style, "script": script, "data": embedded(self.data())}
        page = _shipped("contact_sheet.html")
        for name, text in parts.items():
            before, found, after = page.partition(f"{{{{{name}}}}}")
            assert found, name
            page = before + text + after
        return page.encode()

    def _once(self, text: str) -> str:
        """The text, kept once however often it stands: a run may have hundreds of thousands of lines."""
        return self.shared.setdefault(text, text)

    def _product(self, line: Line) -> dict[str, Any]:
        sku = str(line.get("sku", ""))
        found = self.products.setdefault(sku, {"sku": sku, "title": "", "pictures": [], "lacks": []})
        if not found["title"] and line.get("role") != "colourway":
            found["title"] = str(line.get("request", ""))
        return found


def embedded(data: object) -> str:
    """JSON that can stand in a script element: nothing in it ends that, or is a line's end to old scripts."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _verdicts(line: Line) -> str:
    """How many rules a picture passes, and what of the others was measured."""
    found = [verdict for verdict in line.get("verdicts", ()) if isinstance(verdict, dict)]
    telling = [
        [verdict.get(key, "") for key in ("status", "rule", "measured", "accepted", "why")]
        for verdict in found
        if verdict.get("status") in ("unsure", "fail")
    ]
    return json.dumps([sum(verdict.get("status") == "pass" for verdict in found), telling], ensure_ascii=False)


def _labels(line: Line) -> str:
    """Origin, source type, and the labels that are in the file."""
    record = line.get("labels") or {}
    origin = record.get("origin") or {}
    done = [label.get("label", "") for label in record.get("labels", ()) if label.get("done")]
    return json.dumps([origin.get("kind", ""), origin.get("source_type", ""), done], ensure_ascii=False)


def _certificate(line: Line) -> str | int:
    """Its name; 1 for the usual one beside the picture, 0 for none."""
    name = line.get("certificate")
    if not name:
        return 0
    return 1 if name == f"{line['name']}.certificate.json" else str(name)


def _reason(line: Line) -> str:
    """Why, and of what, where it is a row or a photo."""
    where = ""
    if "file" in line:
        unit = next((unit for unit in ("line", "row") if unit in line), "")
        where = f"{line['file']}, {unit} {line[unit]}: " if unit else f"{line['file']}: "
    return where + str(line.get("reason", ""))


def _hashed(text: str) -> str:
    """A content security policy's name for this text and no other (CSP level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shipped(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
