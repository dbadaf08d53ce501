"""From what a user asks of a listing run to the job: tables read, rules and policy opened, pictures planned."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from packshot.errors import RequestError
from packshot.listing.channels import Channel, find_channel, load_channels
from packshot.listing.columns import read_choice
from packshot.listing.drawn import packs_of
from packshot.listing.intake import Catalogue, open_products, read_products
from packshot.listing.making import Setting, cutting_pack
from packshot.listing.names import TEMPLATE
from packshot.listing.plan import Target, plan
from packshot.listing.products import Problem, Product
from packshot.listing.remote import RemoteStore
from packshot.listing.run import Job, digest_of, split
from packshot.listing.sets import load_sets
from packshot.listing.signing import Signing
from packshot.listing.store import LocalStore, open_store
from packshot.listing.tables import open_table
from packshot.provenance.labelling import UNNAMED
from packshot.provenance.policy import load_policy
from packshot.safety import Choice

OWN_RULES = "PACKSHOT_CHANNELS"
"""Variable that names a file of rules; see `channels`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user asks for, as typed; see `packshot listing --help`."""

    catalogue: str
    channels: tuple[str, ...]
    out: str
    photos: str | None = None
    words_only: bool = False
    columns: str = ""
    sheet: str | None = None
    query: str | None = None
    sets: Path | None = None
    rules: Path | None = None
    policy: Path | None = None
    producer: str = ""
    template: str = ""
    backend: str = "embedded"
    pack: str = "base"
    cert: Path | None = None
    key: Path | None = None
    algorithm: str = "es256"
    safety: Choice = field(default_factory=Choice.read)


def prepare(wanted: Wanted) -> tuple[Job, list[str]]:
    """The job, and lines for people on how the catalogue was read.

    Raises:
        PackshotError: what the user has to mend before anything can be made.
    """
    out = open_store(wanted.out)
    known = load_channels(wanted.rules)
    channels = {name: _portable(find_channel(name, known)) for name in wanted.channels}
    policy = load_policy(wanted.policy)
    for name in channels:
        policy.decide(name, "edited")  # a channel without a policy is said before anything is made
    sets = load_sets(wanted.sets)
    signing = _signing(wanted)
    catalogue = open_products(
        open_table(wanted.catalogue, sheet=wanted.sheet, query=wanted.query),
        choice=read_choice(wanted.columns) if wanted.columns else None,
        photos=None if wanted.photos is None else _folder(wanted.photos),
        words_only=wanted.words_only,
    )
    _apart(out, catalogue)
    products: list[Product] = []
    problems: list[Problem] = []
    for item in read_products(catalogue):
        products.append(item) if isinstance(item, Product) else problems.append(item)
    draws = any(not product.photos for product in products)
    producer = wanted.producer.strip() or UNNAMED
    setting = Setting(channels, policy, producer, wanted.backend, wanted.pack, signing, wanted.safety)
    items = plan(
        products,
        [Target(name, _refuses_synthetic(channel), not channel.takes_text) for name, channel in channels.items()],
        sets,
        template=wanted.template or TEMPLATE,
        recipe=_recipe(wanted, setting, draws),
    )
    planned, refused = split(items)
    return Job(out, setting, planned, [*problems, *refused]), catalogue.lines()


def _portable(channel: Channel) -> Channel:
    """The channel in plain dicts, which go to other processes."""
    rules = {name: replace(rule, values=dict(rule.values)) for name, rule in channel.rules.items()}
    return replace(channel, rules=rules)


def _signing(wanted: Wanted) -> Signing | None:
    if (wanted.cert is None) != (wanted.key is None):
        raise RequestError("--cert", "only one of --cert and --key", "both, or none")
    return (
        None if wanted.cert is None or wanted.key is None else Signing.open(wanted.cert, wanted.key, wanted.algorithm)
    )


def _refuses_synthetic(channel: Channel) -> bool:
    rule = channel.rules.get("generated")
    return rule is not None and not rule.values.get("allowed", True)


def _recipe(wanted: Wanted, setting: Setting, draws: bool) -> dict[str, object]:
    """What all pictures depend on beyond their product; a change of it makes them anew."""
    shipped = resources.files("packshot")
    ours = [shipped.joinpath("listing", name) for name in ("channels.toml", "places.toml")]
    ours += [shipped.joinpath("editing", "references.toml"), shipped.joinpath("provenance", "labels.toml")]
    own = wanted.rules or (Path(os.environ[OWN_RULES]) if os.environ.get(OWN_RULES) else None)
    return {
        "packs": cutting_pack() | (packs_of(wanted.backend, wanted.pack) if draws else {}),
        "backend": wanted.backend if draws else None,
        "rules": digest_of(*(Path(str(file)) for file in ours), own, wanted.policy),
        "producer": setting.producer,
        **({} if setting.signing is None else {"signer": setting.signing.as_recipe()}),
    }


def _folder(photos: str) -> Path | RemoteStore:
    store = open_store(photos, "--photos")
    return store.folder if isinstance(store, LocalStore) else store


def _apart(out: LocalStore | RemoteStore, catalogue: Catalogue) -> None:
    """Refuse to write among the photos, where the next run would take pictures for photos."""
    root = None if catalogue.photos is None else catalogue.photos.root
    if isinstance(out, LocalStore) and isinstance(root, Path):
        inside, shown = out.folder.resolve().is_relative_to(root.resolve()), str(root)
    elif isinstance(out, RemoteStore) and isinstance(root, RemoteStore):
        inside, shown = f"{out.url}/".startswith(f"{root.url}/"), root.url
    else:
        return
    if inside:
        raise RequestError("--out", f"{out.shown()}, inside the folder of the photos {shown}", "one outside")
