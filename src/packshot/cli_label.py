"""`packshot label`: the labels that a channel's policy decides on; and what `packshot verify` reads back."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from packshot.cli_shared import dump, writable_folder
from packshot.errors import InputError, OutputError, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from packshot.provenance.origin import Origin
    from packshot.provenance.reading import Labels

CERTIFICATE_SUFFIX = ".certificate.json"
KEPT = 255
"""Of the map of regions in a certificate: the product's own pixels."""


def add_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(label)


def label(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="JPEG, PNG or WebP files.")],
    channel: Annotated[str, typer.Option(help="Where the pictures go, for instance taobao-main or shopify.")],
    out: Annotated[Path, typer.Option(help="Folder for the labelled pictures; the ones given stay as they are.")],
    producer: Annotated[
        str, typer.Option(help="Your name or code: ContentProducer of the AIGC label.", envvar="PACKSHOT_PRODUCER")
    ] = "",
    propagator: Annotated[str, typer.Option(help="Name or code of whoever spreads the pictures.")] = "",
    policy: Annotated[
        Path | None, typer.Option(help="TOML file of your own rules, read after ours; see docs/labels.md.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="generated, composite or edited, where neither recipe nor certificate tells.")
    ] = "",
    original: Annotated[
        Path | None, typer.Option(help="Of one edited picture: what it was made from, whose own labels count, too.")
    ] = None,
    words: Annotated[str, typer.Option(help="Of the visible label.")] = "AI生成",
    cert: Annotated[
        Path | None, typer.Option(help="PEM: your certificate for content credentials and its chain.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="PEM: its private key.")] = None,
    algorithm: Annotated[str, typer.Option(help="Of the key: es256, es384, es512, ps256, ed25519 …")] = "es256",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Label pictures as the channel's policy decides, and say what was decided and why.

    Decisions and outcomes stand in labels.jsonl in the folder, too.
    """
    from packshot.provenance.credentials import Signer
    from packshot.provenance.labelling import Wish
    from packshot.provenance.policy import load_policy

    if (cert is None) != (key is None):
        raise RequestError("--cert", "only one of --cert and --key", "both, or none")
    if original is not None and len(pictures) > 1:
        raise RequestError("--original", f"{len(pictures)} pictures", "one")
    _separate(pictures, out)
    rules = load_policy(policy)
    rules.decide(channel, "generated")  # an unknown channel is said before anything is written
    signer = None if cert is None or key is None else Signer.open(cert, key, algorithm)
    wish = Wish(producer, propagator=propagator, words=words, signer=signer)
    writable_folder(out)
    records: list[dict[str, Any]] = []
    failures: list[str] = []
    for picture in pictures:
        try:
            records.append(_label_one(picture, out / picture.name, wish, rules, channel, kind, original))
        except InputError as error:  # one damaged picture of many keeps no other from its labels
            if len(pictures) == 1:
                raise
            failures.append(str(error))
            typer.echo(f"packshot: {error}", err=True)
        else:
            typer.echo("" if as_json else _told(records[-1]), nl=not as_json)
    _append(out / "labels.jsonl", records)
    if as_json:
        typer.echo(dump({"channel": channel, "pictures": records, "failures": failures}))
    if failures:
        raise typer.Exit(1)


def _label_one(
    picture: Path, target: Path, wish: Any, rules: Any, channel: str, kind: str, original: Path | None
) -> dict[str, Any]:
    from dataclasses import replace

    from packshot.images import read_file, write_atomically
    from packshot.provenance.labelling import label as set_labels

    data, certificate = read_file(picture), _certificate(picture)
    origin = origin_of(data, picture, certificate, kind, original)
    mask = None if certificate is None else _product(certificate, picture)
    decisions = rules.decide(channel, origin.kind)
    parent = None if original is None else read_file(original)
    labelled = set_labels(data, picture.name, origin, decisions, replace(wish, protect=mask, parent=parent))
    write_atomically(target, labelled.data)
    return {"picture": str(target), "channel": channel, **labelled.record}


def origin_of(
    data: bytes, picture: Path, certificate: Mapping[str, Any] | None, kind: str, original: Path | None
) -> Origin:
    """How a picture came about: the most that its recipe, certificate, labels, original and user say.

    Raises:
        RequestError: nothing tells.
        InputError: a picture or certificate cannot be read.
    """
    from packshot.images import read_file, read_recipe
    from packshot.provenance import origin, xmp
    from packshot.provenance.metadata import properties_of

    told: list[Origin | None] = [origin.of_kind(kind) if kind else None, origin.of_certificate(certificate)]
    for name, content in ((picture, data), *([] if original is None else [(original, read_file(original))])):
        found = properties_of(content, str(name)).get(xmp.SOURCE_TYPE)
        told += [origin.of_recipe(read_recipe(content, where=str(name))), origin.of_source_type(found)]
    return origin.strongest(told)


def labels_of(picture: Path, trust: Path | None) -> Labels:
    """What a picture says of itself; `trust` is a PEM file of roots.

    Raises:
        InputError: a file cannot be read.
    """
    from packshot.images import read_file
    from packshot.provenance.reading import read_labels

    anchors = None if trust is None else read_file(trust).decode("ascii", errors="replace")
    return read_labels(read_file(picture), picture.name, anchors=anchors)


def _separate(pictures: list[Path], out: Path) -> None:
    """Refuse what would overwrite a picture that was given, or one labelled picture with another."""
    targets: dict[str, Path] = {}
    for picture in pictures:
        if picture.is_dir():
            raise InputError(picture, "a folder", "JPEG, PNG or WebP files")
        target = out / picture.name
        if target.resolve() == picture.resolve():
            raise OutputError(target, "the picture itself", "a folder of its own for labelled pictures")
        if picture.name in targets:
            raise OutputError(target, f"{targets[picture.name]} and {picture}", "pictures of different names")
        targets[picture.name] = picture


def _certificate(picture: Path) -> Mapping[str, Any] | None:
    import json

    from packshot.images import read_file

    path = picture.with_name(picture.name + CERTIFICATE_SUFFIX)
    if not path.exists():
        return None
    try:
        document = json.loads(read_file(path))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InputError(path, "no JSON object", "a certificate that packshot edit wrote")
    return document


def _product(certificate: Mapping[str, Any], picture: Path) -> NDArray[np.bool_]:
    """Where the product is, True, outline and all: every region of the certificate's map but what lies outside."""
    import numpy as np
    from PIL import Image

    try:
        data = base64.b64decode(certificate["regions"]["png"], validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return np.array(image) > 0
    except (KeyError, TypeError, ValueError, OSError):
        raise InputError(f"certificate of {picture}", "another form", "one that packshot edit wrote") from None


def _append(path: Path, records: list[dict[str, Any]]) -> None:
    import json

    from packshot.images import read_file, write_atomically

    before = read_file(path) if path.exists() else b""
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    write_atomically(path, before + lines.encode())


def _told(record: Mapping[str, Any]) -> str:
    rows = [f"{record['picture']}: {record['origin']['kind']} ({record['origin']['why']})"]
    rows += [f"    {row['label']}: {row['outcome']} [{row['rule']}] {row['why']}" for row in record["labels"]]
    return "\n".join(rows)
