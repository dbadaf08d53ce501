"""Who makes a run's pictures: what a user may ask for, and what every machine has to have."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("cv2")

from listing_shop import shop_in

from packshot.errors import PackError, PackshotError, RequestError
from packshot.listing.executors import Workforce
from packshot.listing.preparing import Wanted, prepare
from packshot.listing.readiness import needs
from packshot.listing.signing import Signing


def test_what_is_not_acceptable_is_refused() -> None:
    for wrong in ({"executor": "spark"}, {"workers": -1}, {"address": "127.0.0.1:6379"}):
        with pytest.raises(RequestError):
            Workforce(**wrong)  # type: ignore[arg-type]
    assert Workforce(workers=3).size() == 3 and Workforce().size() >= 1


def test_errors_arrive_from_other_processes_as_they_were() -> None:
    error = pickle.loads(pickle.dumps(PackError("a", "b", "c")))
    assert type(error) is PackError and error.got == "b" and str(error) == "a: got b; accepted: c"


def test_a_machine_that_lacks_something_is_named(tmp_path: Path) -> None:
    catalogue, photos = shop_in(tmp_path)[1], tmp_path / "photos"
    wanted = Wanted(str(catalogue), ("taobao-main",), str(tmp_path / "out"), str(photos), backend="fake")
    job, _ = prepare(wanted)
    with needs(job.out, job.setting, job.planned) as needed:
        there = pickle.loads(pickle.dumps(needed))
        there.check()
        assert there.draws and set(there.packs) >= {"cutout"}
        photo = there.photo.path
        key = Signing(tmp_path / "chain.pem", tmp_path / "key.pem", "es256", ("0",))
        lacking = {
            "chain.pem": replace(there, setting=replace(there.setting, signing=key)),
            "packshot 0": replace(there, version="0"),
            "another pack cutout": replace(there, packs={"cutout": "0"}),
            "no such folder": replace(there, setting=replace(there.setting, backend="embedded", pack="no such folder")),
            f"another {tmp_path}": replace(there, ticket="another run"),
        }
        for said, other in lacking.items():
            with pytest.raises(PackshotError, match=r"machine \S+: got ") as raised:
                other.check()
            assert said.replace("packshot 0", "accepted: 0") in str(raised.value)
        photo.write_bytes(b"another photo")
        with pytest.raises(RequestError, match=f"no photo {photo}, or another one"):
            there.check()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.endswith(".run")]
    with pytest.raises(RequestError, match="photos in a folder that all machines share"):
        there.check()
