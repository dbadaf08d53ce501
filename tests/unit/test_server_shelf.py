"""Deleting packs that were trained here: whose they are, which stay, and that their names are free afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")

from guarded import WORKING, Guarded
from server_tasks import context
from starlette.testclient import TestClient
from trained_packs import put_pack

from packshot.errors import RequestError
from packshot.lexicon import lexicon
from packshot.lexicon.kinds import only_kinds, parse_kinds
from packshot.packs import SEARCH_VARIABLE, available
from packshot.server.ids import new_id
from packshot.server.queue import NewJob, Room
from packshot.server.tasks import generate, training

WISH = {"recipe": "trial", "minutes": 1.0, "kinds": [], "source": "", "overrides": {}, "note": "", "licence": ""}


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    monkeypatch.setenv(SEARCH_VARIABLE, "")
    yield Guarded(tmp_path)


def trained(guarded: Guarded, owner: TestClient, name: str) -> str:
    """A pack of a training that a key began and an administrator went on with; the training."""
    queue, folder = guarded.app.state.services.queue, new_id("training")
    for key in (owner.key.id, "key_" + "0" * 31):  # type: ignore[attr-defined]
        job, _ = queue.submit(NewJob("training", "slow", {"folder": folder, "name": name}, 1.0, key), Room(1))
        queue.cancel(job.id)
    put_pack(guarded.settings.home, name, folder)
    return folder


def listed(client: TestClient) -> dict[str, bool]:
    return {pack["name"]: pack["removable"] for pack in client.get("/v1/packs").json()["packs"]}


def test_a_pack_is_deleted_by_the_key_that_trained_it_or_an_administrator(guarded: Guarded) -> None:
    first, second, admin = guarded.client(*WORKING), guarded.client(*WORKING), guarded.client("admin")
    reader = guarded.client("read")
    for name in ("firsts", "anothers"):
        trained(guarded, first, name)
    assert listed(first) == {**dict.fromkeys(available(), False), "firsts": True, "anothers": True}
    assert listed(admin) == listed(first) and not any({**listed(second), **listed(reader)}.values())
    refused = second.delete("/v1/packs/firsts")
    assert (refused.status_code, refused.json()["code"]) == (403, "anothers")
    assert reader.delete("/v1/packs/firsts").json()["code"] == "scope"
    assert (guarded.settings.home / "packs" / "firsts" / "pack.json").is_file()
    assert first.delete("/v1/packs/firsts").status_code == 204 and admin.delete("/v1/packs/anothers").status_code == 204
    assert not {"firsts", "anothers"} & listed(first).keys()
    assert first.delete("/v1/packs/firsts").status_code == 404
    assert [*(guarded.settings.home / "deleted").iterdir()] == []


def test_a_pack_that_no_known_training_made_is_the_administrators(guarded: Guarded) -> None:
    put_pack(guarded.settings.home, "copied-here", new_id("training"))
    damaged = guarded.settings.home / "packs" / "damaged"
    damaged.mkdir()
    (damaged / "pack.json").write_text("{", "utf-8")
    worker, admin = guarded.client(*WORKING), guarded.client("admin")
    for name in ("copied-here", "damaged"):
        assert worker.delete(f"/v1/packs/{name}").status_code == 403
        assert admin.delete(f"/v1/packs/{name}").status_code == 204


def test_packs_that_ship_and_what_is_no_pack_are_refused_in_one_line(guarded: Guarded) -> None:
    put_pack(guarded.settings.home)
    admin = guarded.client("admin")
    answer = admin.delete("/v1/packs/base")
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "pack: got 'base', which was not trained on this server; accepted: one that was: our-shop"
    )
    for name in ("gone", "..", "%2e%2e", "..%2fpacks%2four-shop", "our-shop%00", "our-shop%2f", "x" * 3000):
        assert admin.delete(f"/v1/packs/{name}").status_code in (400, 404, 405), name
    assert {"base", "our-shop"} <= listed(admin).keys()


@pytest.mark.parametrize(
    ("kind", "lane", "request_"),
    [
        ("generation", "quick", {"pack": "our-shop", "steps": 8}),
        ("listing", "slow", {"pack": "our-shop"}),
        ("edit", "quick", {"steps": [{"op": "flip"}, {"op": "cutout", "pack": "our-shop"}]}),
        ("training", "slow", {"name": "our-shop", "folder": "x"}),
    ],
)
def test_a_pack_stays_while_a_job_needs_it(guarded: Guarded, kind: Any, lane: Any, request_: dict[str, Any]) -> None:
    put_pack(guarded.settings.home)
    queue, admin = guarded.app.state.services.queue, guarded.client("admin")
    queue.submit(NewJob("generation", "quick", {"pack": ""}, 1.0), Room(1))  # by the server's own pack
    job, _ = queue.submit(NewJob(kind, lane, request_, 1.0), Room(1))
    refused = admin.delete("/v1/packs/our-shop")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert f"1 job ({kind})" in refused.json()["detail"] and "our-shop" in listed(admin)
    queue.cancel(job.id)
    assert admin.delete("/v1/packs/our-shop").status_code == 204 and "our-shop" not in listed(admin)


def test_the_servers_own_pack_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEARCH_VARIABLE, "")
    put_pack(tmp_path)
    guarded = Guarded(tmp_path, pack="our-shop")
    admin = guarded.client("admin")
    refused = admin.delete("/v1/packs/our-shop")
    assert (refused.status_code, refused.json()["code"]) == (409, "default_pack")
    assert listed(admin)["our-shop"] is False


def test_a_name_is_free_afterwards_and_the_old_training_does_not_take_it_back(guarded: Guarded) -> None:
    pytest.importorskip("torch")
    home, admin = guarded.settings.home, guarded.client("admin")
    old, new = new_id("training"), new_id("training")
    put_pack(home, training=old)
    request = {**WISH, "name": "our-shop", "source": "lent"}
    with pytest.raises(RequestError, match="a pack that is there"):
        training.understood(request, guarded.settings)
    assert admin.delete("/v1/packs/our-shop").status_code == 204
    with pytest.raises(RequestError, match="the operator lends none"):  # the name is no reason any more
        training.understood(request, guarded.settings)
    put_pack(home, training=new)
    (home / "trainings" / old).mkdir(parents=True)
    with pytest.raises(RequestError, match="a pack that is there by now"):
        training.train({**request, "folder": old}, context(home))
    assert (home / "packs" / "our-shop" / "pack.json").is_file()


@pytest.mark.parametrize(
    ("minutes", "compiler", "begun", "compiles"),
    [
        (5.0, "/usr/bin/c++", None, "false"),  # it would take most of the time
        (10.0, "/usr/bin/c++", None, "true"),
        (10.0, None, None, "false"),
        (60.0, "/usr/bin/c++", "false", "false"),  # went on with: another recipe would be refused
        (60.0, None, "true", "true"),
    ],
)
def test_long_trainings_are_compiled_and_go_on_as_they_began(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, minutes: float, compiler: str | None, begun: str | None,
    compiles: str,
) -> None:  # fmt: skip
    pytest.importorskip("torch")
    commands: list[list[str]] = []
    monkeypatch.setattr(training, "run", lambda command, *_: commands.append([*command.words]))
    monkeypatch.setattr(training.shutil, "which", lambda name: compiler)
    request = {**WISH, "name": "our-shop", "folder": new_id("training"), "recipe": "from-scratch", "minutes": minutes}
    folder = guarded.settings.home / "trainings" / str(request["folder"])
    (folder / "run").mkdir(parents=True)
    if begun is not None:
        (folder / "run" / "recipe.toml").write_text(f"[loop]\ncompile = {begun}\n", "utf-8")
    training.train(request, context(guarded.settings.home))
    (words,) = (words for words in commands if words[0] == "train")
    assert f"--set=loop.compile={compiles}" in words


KETTLE = {"key": "kettle", "en": ["kettle"], "zh": ["水壶"], "value": 47}
POT = {"key": "kettle", "en": ["tea pot"], "zh": ["茶壶"], "value": 46}


def test_kinds_of_one_name_mean_in_each_pack_what_it_has_learned(guarded: Guarded) -> None:
    """Whichever of them was used before."""
    for name, kind in (("kettles", KETTLE), ("pots", POT)):
        card = {"categories": ["kettle", "watch"], "kinds": [kind], "guidance": 1.0}
        put_pack(guarded.settings.home, name, generation=card)
    admin = guarded.client("admin")

    def kind_of(prompt: str, pack: str) -> Any:
        return admin.post("/v1/understand", json={"prompt": prompt, "pack": pack}).json().get("category")

    for _ in range(2):
        for pack, prompt, other in (("kettles", "红色水壶", "red tea pot"), ("pots", "red tea pot", "红色水壶")):
            assert (kind_of(prompt, pack), kind_of(other, pack), kind_of(prompt, "")) == ("kettle", None, None)
            settings = replace(guarded.settings, backend="embedded")
            services = guarded.app.state.services
            understood = generate.understood({"prompt": prompt, "pack": pack}, services.assets, settings)
            assert understood["category"] == "kettle"
            with pytest.raises(RequestError, match="prompt"):
                generate.understood({"prompt": prompt}, services.assets, settings)
    change = {"slot": "colour", "value": "black"}
    words = admin.post("/v1/reword", json={"prompt": "red tea pot", "pack": "pots", "change": change}).json()
    assert words["prompt"] == "black tea pot"
    rows = admin.get("/v1/vocabulary", params={"pack": "pots"}).json()["slots"]["category"]
    assert rows[-1] == {"key": "kettle", "en": "tea pot", "zh": "茶壶", "drawn": True}
    assert "kettle" not in {row["key"] for row in admin.get("/v1/vocabulary").json()["slots"]["category"]}
    (listed,) = (pack for pack in admin.get("/v1/packs").json()["packs"] if pack["name"] == "pots")
    assert listed["kinds"] == [
        {"key": "kettle", "en": "tea pot", "zh": "茶壶", "own": True},
        {"key": "watch", "en": "watch", "zh": "手表", "own": False},
    ]
    assert lexicon().own == frozenset()


def test_the_pages_example_of_kinds_is_one() -> None:
    rows = parse_kinds(resources.files("packshot.server").joinpath("page/kinds-example.toml").read_bytes(), "example")
    with only_kinds(rows, "example"):
        assert lexicon().own == {"kettle", "phone_case"}


def test_a_pack_that_is_being_written_is_none_yet(guarded: Guarded) -> None:
    put_pack(guarded.settings.home, "our-shop.partial")
    assert "our-shop.partial" not in available() and "our-shop.partial" not in listed(guarded.client("admin"))
