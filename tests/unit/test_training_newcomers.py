"""Own kinds of product that a pack has never seen start as the kind most like them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tiny_packs import write_tiny_flow_pack  # noqa: E402

from packshot.lexicon import lexicon, set_own_kinds  # noqa: E402
from packshot.lexicon.kinds import install_kinds, own_kinds_as_rows  # noqa: E402
from packshot.packs import write_manifest  # noqa: E402
from packshot.training.networks.conditioner import Conditioner, ConditionerSpec  # noqa: E402
from packshot.training.newcomers import introduce, nearest_kinds  # noqa: E402

EYELINER = {"key": "eyeliner", "en": ["eyeliner", "eye pencil"], "zh": ["眼线笔"]}
TUMBLER = {"key": "tumbler", "en": ["tumbler", "water bottle"], "zh": ["水杯"]}


@pytest.fixture(autouse=True)
def only_shipped() -> Iterator[None]:
    set_own_kinds({})
    yield
    set_own_kinds({})


def conditioner() -> Conditioner:
    torch.manual_seed(0)
    return Conditioner(ConditionerSpec((48, 4), 8, 512, 16))


def value(key: str) -> int:
    return lexicon().values["category"][key]


def test_without_new_kinds_no_words_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.training.newcomers.embed", lambda texts: pytest.fail("asked for meanings"))
    assert introduce(conditioner(), "base") == {}


def test_a_new_kind_gets_the_row_of_the_nearest_and_every_other_stays() -> None:
    install_kinds([EYELINER], "test")
    network = conditioner()
    before = network.slots[0].weight.detach().clone()
    assert introduce(network, "base") == {"eyeliner": "lipstick"}
    after = network.slots[0].weight
    assert torch.equal(after[value("eyeliner")], before[value("lipstick")])
    others = [row for row in range(48) if row != value("eyeliner")]
    assert torch.equal(after[others], before[others])


def test_only_kinds_that_were_learnt_are_candidates() -> None:
    install_kinds([EYELINER, TUMBLER], "test")
    found = nearest_kinds({"watch", "perfume"}, ["eyeliner", "tumbler"])
    assert set(found.values()) <= {"watch", "perfume"} and set(found) == {"eyeliner", "tumbler"}
    assert nearest_kinds(set(), ["eyeliner"]) == {}


def test_a_kind_that_the_pack_has_learnt_keeps_its_row(tmp_path: Path) -> None:
    install_kinds([EYELINER], "test")
    pack = write_tiny_flow_pack(tmp_path / "own")
    categories = ["lipstick", "eyeliner"]
    generation = {**pack.manifest["generation"], "categories": categories, "kinds": own_kinds_as_rows(["eyeliner"])}
    write_manifest(pack.folder, {**pack.manifest, "generation": generation})
    install_kinds([TUMBLER], "test")
    network = conditioner()
    before = network.slots[0].weight.detach().clone()
    assert set(introduce(network, str(pack.folder))) == {"tumbler"}
    assert torch.equal(network.slots[0].weight[value("eyeliner")], before[value("eyeliner")])
