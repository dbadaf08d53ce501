"""API keys: shown once, kept as hashes, limited in rate by one bucket for all servers, ended at once."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from command_line import packshot

from packshot.errors import RequestError
from packshot.server.database import Database
from packshot.server.security.failures import Failures
from packshot.server.security.keys import Keys
from packshot.server.security.scopes import SCOPES, parsed
from packshot.server.tables import keys as table


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'keys.sqlite'}"


@pytest.fixture
def keys(url: str) -> Keys:
    database = Database(url)
    database.migrate()
    return Keys(database)


def test_a_key_is_found_by_its_text_and_kept_as_a_hash_alone(keys: Keys, tmp_path: Path) -> None:
    key, text = keys.create("shop", ("read",), 60)
    assert re.fullmatch(r"packshot_[A-Za-z0-9_-]{43}", text)
    assert keys.found(text) == key and keys.found(text[:-1] + "!") is None
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert keys.found(other) is None and keys.found("") is None and keys.found(text + "\n") is None
    token = keys.begin_session(key.id)
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert text.encode() not in content and token.encode() not in content
    with keys.database.read() as connection:
        assert connection.execute(sa.select(table.c.sha256)).scalar() == hashlib.sha256(text.encode()).hexdigest()


def test_two_keys_differ_and_names_in_force_are_unique(keys: Keys) -> None:
    assert keys.create("a", ("read",), 60)[1] != keys.create("b", ("read",), 60)[1]
    with pytest.raises(RequestError, match="NAME: got 'a', which a key has"):
        keys.create("a", ("read",), 60)
    keys.revoke("a")
    keys.create("a", ("read",), 60)


@pytest.mark.parametrize(("name", "rate"), [("", 60), (" ", 60), ("x" * 81, 60), ("a\nb", 60), ("a", 0), ("a", 10**7)])
def test_odd_names_and_rates_are_refused(keys: Keys, name: str, rate: int) -> None:
    with pytest.raises(RequestError):
        keys.create(name, ("read",), rate)
    assert not keys.any_ever()


def test_revoking_ends_a_key_and_its_sessions_and_is_not_forgotten(keys: Keys) -> None:
    key, text = keys.create("shop", ("read",), 60)
    token = keys.begin_session(key.id)
    assert keys.of_session(token) == key
    assert keys.revoke("shop").id == key.id
    assert keys.found(text) is None and keys.of_session(token) is None
    assert keys.any_ever() and not keys.any_in_force()
    with pytest.raises(RequestError, match="NAME"):
        keys.revoke("shop")


def test_rotating_changes_the_text_and_keeps_the_id(keys: Keys) -> None:
    key, old = keys.create("shop", ("read",), 60)
    token = keys.begin_session(key.id)
    again, new = keys.rotate(key.id)
    assert again.id == key.id and keys.found(old) is None and keys.of_session(token) is None
    found = keys.found(new)
    assert found is not None and found.id == key.id


def test_sessions_end(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = keys.create("shop", ("read",), 60)
    token, other = keys.begin_session(key.id), keys.begin_session(key.id)
    keys.end_session(token)
    assert keys.of_session(token) is None and keys.of_session(other) == key
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 8 * 86_400)
    assert keys.of_session(other) is None


def test_a_bucket_is_shared_by_servers_and_fills_evenly(keys: Keys, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    key, _ = keys.create("shop", ("read",), 6)
    other = Keys(Database(url))
    granted = [(keys if turn % 2 else other).take(key) for turn in range(7)]
    assert [one.granted for one in granted] == [True] * 6 + [False]
    assert [one.left for one in granted] == [5, 4, 3, 2, 1, 0, 0]
    assert granted[0].seconds == pytest.approx(10) and granted[6].seconds == pytest.approx(10)
    now += 10.5
    assert keys.take(key).granted and not other.take(key).granted
    now += 3_600
    assert keys.take(key).left == 5  # no more than a minute's requests gather
    now -= 1_000  # another server's clock
    assert keys.take(key).left == 4


def test_scopes_are_checked_and_in_order() -> None:
    assert parsed("generate, read") == ("read", "generate")
    for text in ("", ",", "read,write"):
        with pytest.raises(RequestError, match="--scopes"):
            parsed(text)
    assert parsed(",".join(SCOPES)) == tuple(SCOPES)


def test_an_address_may_fail_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    failures = Failures(per_minute=3, most=5)
    assert [failures.count("10.0.0.1") for _ in range(4)] == [0, 0, 0, 20]
    assert failures.count("10.0.0.2") == 0
    now += 20
    assert failures.count("10.0.0.1") == 0 and failures.count("10.0.0.1") > 0
    assert [failures.count(f"2001:db8::{n:x}") for n in range(4)] == [0, 0, 0, 20]  # one customer's network
    for n in range(50):
        failures.count(f"10.1.0.{n}")
    assert len(failures._buckets) <= 5


def test_the_command_shows_a_key_once(tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))
    made = packshot("keys", "create", "shop", "--scopes", "read,generate", "--per-minute", "30", *home)
    assert made.returncode == 0 and re.fullmatch(r"packshot_[\w-]{43}\n", made.stdout)
    assert "may read, generate; 30 requests a minute" in made.stderr and made.stdout.strip() not in made.stderr
    listed = packshot("keys", "list", "--json", *home)
    (row,) = json.loads(listed.stdout)
    assert row["name"] == "shop" and row["used"] is None and made.stdout.strip() not in listed.stdout
    renewed = packshot("keys", "rotate", "shop", *home)
    assert re.fullmatch(r"packshot_[\w-]{43}\n", renewed.stdout) and renewed.stdout != made.stdout
    assert packshot("keys", "revoke", row["id"], *home).returncode == 0
    again = packshot("keys", "revoke", "shop", *home)
    assert again.returncode == 2 and again.stderr.startswith("packshot: NAME: got 'shop'")
    assert "revoked" in packshot("keys", "list", *home).stdout
    refused = packshot("keys", "create", "other", "--scopes", "everything", *home)
    assert refused.returncode == 2 and "--scopes: got everything; accepted: read, upload" in refused.stderr


def test_other_addresses_are_refused_until_there_is_a_key(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.5"):
        answer = packshot("serve", "--host", host, "--home", str(tmp_path), "--backend", "fake")
        assert answer.returncode == 2
        assert f"--host: got {host}; accepted: 127.0.0.1, until there is a key: packshot keys create" in answer.stderr
