"""The Python client and OpenAI's, against a server that asks for keys: one clear error each; rates are waited for."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")

import openai
from keyed import Keyed, keyed
from PIL import Image

from packshot.client import Client, ServerError
from packshot.server.tables import keys

NOBODYS = "packshot_" + "a" * 43
WISH = {"count": 1, "size": 64}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed(tmp_path_factory.mktemp("home")) as running:
        yield running


def client(shop: Keyed, key: str, **wishes: Any) -> Client:
    return Client(shop.server.url, key=key, **wishes)


# ---- packshot.client -------------------------------------------------------------------------------------------------


def test_a_key_draws_follows_and_fetches(shop: Keyed, tmp_path: Path) -> None:
    _, key = shop.key()
    file = tmp_path / "key"
    file.write_text(f"{key}\n", "utf-8")  # as `packshot keys create shop > key` leaves it
    with client(shop, file.read_text("utf-8")) as mine:
        job = mine.generate("red shoe", **WISH)
        (asset,) = job.assets
        with Image.open(asset.save(tmp_path / "shoe.png")) as picture:
            assert picture.size == (64, 64)
        assert [now.status for now in mine.follow(job)] == ["done"] and mine.fetch(f"/v1/assets/{asset.id}/content")


@pytest.mark.parametrize(("key", "said"), [
    ("", "401 no_valid_key: no key; accepted: Authorization: Bearer KEY"),
    (NOBODYS, "401 no_valid_key: a key that is none, or no more"),
    ("sk-of-another-service", "401 no_valid_key: a key that is none, or no more"),
])  # fmt: skip
def test_no_key_and_a_wrong_one(shop: Keyed, key: str, said: str) -> None:
    with client(shop, key) as mine:
        for asked in (lambda: mine.generate("red shoe"), lambda: mine.upload(b"x" * 3_000_000), mine.packs):
            with pytest.raises(ServerError) as refused:
                asked()
            assert str(refused.value).startswith(said) and "\n" not in str(refused.value)
        with pytest.raises(ServerError, match="401 no_valid_key"):
            [*mine.follow("job_" + "0" * 31)]


@pytest.mark.parametrize("key", ["packshot_ab\ncd", "密钥", "two words", NOBODYS + "\r\nX-Other: 1"])
def test_what_can_be_no_key_is_said_at_once_and_not_told(key: str) -> None:
    with pytest.raises(ValueError, match="no API key") as refused:
        Client("http://127.0.0.1:1", key=key)
    assert key not in str(refused.value)


def test_a_revoked_key_ends_in_the_middle(shop: Keyed) -> None:
    name, key = shop.key()
    with client(shop, key) as mine:
        job = mine.generate("red shoe", **WISH)
        shop.revoke(name)
        with pytest.raises(ServerError, match="401 no_valid_key: a key that is none, or no more"):
            mine.job(job)


def test_a_missing_scope_is_named(shop: Keyed) -> None:
    name, key = shop.key("read")
    with client(shop, key) as mine, pytest.raises(ServerError) as refused:
        mine.generate("red shoe")
    assert str(refused.value) == f"403 scope: the key '{name}' may read; accepted: one that may generate"
    assert refused.value.document["scopes"] == ["generate"]


def test_a_rate_is_waited_for_as_long_as_the_server_says(shop: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where events begin, which are read as they come. Waiting is a minute that passes at once."""
    name, key = shop.key("admin", per_minute=1)
    waited: list[float] = []

    def pass_a_minute(seconds: float) -> None:
        waited.append(seconds)
        with shop.keys.database.write() as connection:
            connection.execute(keys.update().where(keys.c.name == name).values(tokens=1.0))

    job = shop.server.http.post("/v1/generations", json={"prompt": "red shoe", **WISH}, headers={"Prefer": "wait=30"})
    monkeypatch.setattr("packshot.client.calls.time.sleep", pass_a_minute)
    with client(shop, key) as mine, client(shop, key, tries=1) as impatient:
        assert impatient.packs()
        with pytest.raises(ServerError) as refused:
            impatient.packs()
        assert str(refused.value).startswith(f"429 too_often: the key '{name}' may ask 1 times a minute; try again in")
        assert mine.packs() and len(waited) == 1
        assert [now.status for now in mine.follow(job.json()["id"])] == ["done"] and len(waited) == 2
    assert all(30 <= seconds <= 60 for seconds in waited)  # the longest that this client waits at once


# ---- OpenAI's client -------------------------------------------------------------------------------------------------


def others(shop: Keyed, key: str) -> Any:
    return openai.OpenAI(base_url=f"{shop.server.url}/v1", api_key=key, max_retries=0, timeout=60)


def test_openais_client_draws_with_a_key(shop: Keyed) -> None:
    _, key = shop.key()
    with others(shop, key) as theirs:
        (row,) = theirs.images.generate(model="packshot", prompt="red shoe", size="64x64").data
        assert Image.open(io.BytesIO(base64.b64decode(row.b64_json))).size == (64, 64)
        assert "packshot" in [model.id for model in theirs.models.list()]
    assert shop.server.http.get(row.url, headers={"Authorization": ""}).status_code == 401
    assert shop.server.http.get(row.url, headers={"Authorization": f"Bearer {key}"}).status_code == 200


@pytest.mark.parametrize("key", ["none", NOBODYS])
def test_openais_client_with_a_wrong_key(shop: Keyed, key: str) -> None:
    with others(shop, key) as theirs:
        for asked in (lambda: theirs.images.generate(prompt="red shoe"), theirs.models.list, _edit(theirs)):
            with pytest.raises(openai.AuthenticationError) as refused:
                asked()
            assert refused.value.body["code"] == "no_valid_key" and refused.value.type == "authentication_error"


def test_openais_client_without_the_scope(shop: Keyed) -> None:
    name, key = shop.key("read")
    with others(shop, key) as theirs:
        assert theirs.models.list()
        for asked, scope in ((lambda: theirs.images.generate(prompt="red shoe"), "generate"), (_edit(theirs), "edit")):
            with pytest.raises(openai.PermissionDeniedError) as refused:
                asked()
            assert refused.value.body["message"] == f"the key '{name}' may read; accepted: one that may {scope}"
            assert refused.value.type == "permission_error"


def test_openais_client_beyond_its_rate(shop: Keyed) -> None:
    _, key = shop.key(per_minute=1)
    with client(shop, key) as mine:
        assert mine.packs()
    with others(shop, key) as theirs, pytest.raises(openai.RateLimitError) as refused:
        theirs.models.list()
    assert int(refused.value.response.headers["retry-after"]) >= 1 and refused.value.body["code"] == "too_often"


def _edit(theirs: Any) -> Any:
    return lambda: theirs.images.edit(image=("bag.png", b"x", "image/png"), prompt="white background")
