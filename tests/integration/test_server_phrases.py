"""Whatever the page's forms can bring the server to refuse, it says in Chinese, too: asked for real."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from messages import is_chinese
from PIL import Image
from servers import RunningServer, serving
from studio import photo_bytes, upload


def _drawn(**wishes: Any) -> dict[str, Any]:
    return {"prompt": "red shoe", **wishes}


def _edited(*steps: dict[str, Any], **wishes: Any) -> dict[str, Any]:
    return {"steps": [*steps], **wishes}


CUTOUT = {"op": "cutout"}
FORMS: dict[str, list[dict[str, Any]]] = {
    "/v1/generations": [
        {}, {"prompt": ""}, {"prompt": "qwertz"}, {"prompt": "x" * 3000}, {"prompt": "nike shoe"},
        _drawn(count=0), _drawn(count=999), _drawn(size=9999), _drawn(size="wide"), _drawn(seed=-1),
        _drawn(pack="none-such"), _drawn(background="§"), _drawn(format="bmp"), _drawn(odd=1), _drawn(variety=99),
        _drawn(format="jpg", background="transparent"), _drawn(guidance=999), _drawn(emphasis=-5), _drawn(change=7),
        _drawn(like="§"), _drawn(negative="blue"), _drawn(towards="§"),
    ],
    "/v1/edits": [
        _edited(), _edited(CUTOUT, photo="§"), _edited({"op": "cutot"}), _edited({}), _edited(CUTOUT, format="bmp"),
        _edited(CUTOUT, quality=0), _edited(*[CUTOUT] * 41), _edited(colourways={"to": ["red", "red"]}),
        _edited(colourways={"to": ["§"]}), _edited({"op": "background", "to": "nike store"}),
        _edited({"op": "background", "to": "picture:§"}), _edited({"op": "erase", "mask": "900,900,5,5"}),
        _edited({"op": "background", "to": "transparent"}, {"op": "shadow", "kind": "reflection"}),
        _edited({"op": "dimensions", "size": "30x20x10cm"}), _edited({"op": "crop", "box": "0,0,9000,10"}),
        _edited({"op": "fit", "size": "100x100", "scale": "1"}), _edited(*[{"op": "enlarge", "times": 4}] * 6),
    ],
    "/v1/checks": [
        {"channels": ["§"]}, {"channels": []}, {"channels": ["shopify"] * 30}, {"picture": "§", "channels": ["ebay"]},
    ],
    "/v1/verify": [{"picture": "§"}],
    "/v1/trainings": [
        {"name": "§", "minutes": 1, "source": "x"}, {"name": "base", "minutes": 1, "source": "x"},
        {"name": "a", "minutes": 0}, {"name": "a", "minutes": 99_999, "source": "x"}, {"minutes": 1},
        {"name": "a", "minutes": 1, "recipe": "§", "source": "x"}, {"name": "a", "minutes": 1},
        {"name": "a", "minutes": 1, "source": "none-such"},
    ],
    "/v1/reword": [{"prompt": "red shoe", "change": {"slot": "§", "value": "x"}}, {"prompt": "qwertz"}],
    "/v1/understand": [{"prompt": 3}],
    "/v1/session": [{}],
}  # fmt: skip
"""Bodies that are wrong; photos and pictures that are left out are filled in."""
FILLED = {"/v1/edits": "photo", "/v1/checks": "picture"}

TABLES = {
    "empty.csv": "", "header.csv": "货号,品名,图片\n", "columns.csv": "a,b\n1,2\n", "old.xls": "\x00" * 40,
    "odd.xyz": "hello", "list.jsonl": "[1]\n",
}  # fmt: skip
NAMES = re.compile(r"[^\s,]+(, [^\s,]+)*")
SHOP = (
    "货号,品名,图片,尺寸\nA-1,红色手提包,bag.png,\nA-2,女士手提包,gone.png,\n,没有货号,bag.png,\nA-1,又一次,bag.png,\n"
    "A-3,,bag.png,\nA-4,小包,small.png,30x20x10cm\nA-5,两个包,two.png,\nA-6,坏的,torn.png,\nA-7,包,../bag.png,\n"
    "A-8,包,https://x/y.png,\n1.23E+15,包,bag.png,\nA-9,包\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), "--backend", "fake", "--workers", "2") as running:
        yield running


@pytest.fixture(scope="module")
def photo(server: RunningServer) -> str:
    identity: str = upload(server, photo_bytes((240, 180)))["id"]
    return identity


def insist(document: dict[str, Any]) -> None:
    """A problem, or a job's error, has its whole line in Chinese; a list of names to type is in no language."""
    words = {key: document["zh"][key] for key in ("detail", "got", "accepted") if document.get(key)}
    for key, text in words.items():
        assert is_chinese(text) or (key != "detail" and NAMES.fullmatch(text)), (document[key], text)


@pytest.mark.parametrize("path", FORMS)
def test_what_a_form_refuses_is_said_in_chinese(server: RunningServer, photo: str, path: str) -> None:
    jobs, refused = [], 0
    for body in FORMS[path]:
        given = {FILLED[path]: photo, **body} if path in FILLED else body
        answer = server.http.post(path, json=given)
        document = answer.json()
        if answer.status_code < 300:
            jobs.append(document)
            continue
        assert answer.status_code < 500 or document["code"] == "missing_extra", document
        insist(document)
        refused += 1
    failed = [insist_on_failure(server, job) for job in jobs]
    assert refused + sum(failed) >= len(FORMS[path]) - 4


def insist_on_failure(server: RunningServer, job: dict[str, Any]) -> bool:
    """Whether a job failed; then it says why, in Chinese."""
    if "id" not in job or ended(server, job)["status"] != "failed":
        return False
    error = ended(server, job)["error"]
    assert error["code"] == "refused", error
    insist(error)
    return True


def test_every_value_of_every_operation_is_refused_in_chinese(server: RunningServer, photo: str) -> None:
    operations = server.http.get("/v1/operations").json()["operations"]
    jobs, refused = [], 0
    for operation in operations:
        required = {one["name"]: _fitting(one) for one in operation["parameters"] if one["required"]}
        for one in operation["parameters"]:
            step = {"op": operation["name"], **required, one["name"]: _wrong(one)}
            wish = {"photo": photo, "steps": [step], "format": "jpg"}
            answer = server.http.post("/v1/edits", json=wish, headers={"Prefer": "wait=60"})  # one after the other
            assert answer.status_code != 429
            if answer.status_code < 300:
                jobs.append(answer.json())
            else:
                refused += 1
                insist(answer.json())
        for name in required:
            lacking = {"op": operation["name"], **{key: value for key, value in required.items() if key != name}}
            insist(server.http.post("/v1/edits", json={"photo": photo, "steps": [lacking]}).json())
    failed = sum(insist_on_failure(server, job) for job in jobs)
    assert refused + failed > 60


def _wrong(parameter: dict[str, Any]) -> Any:
    return -1e9 if parameter["type"] in ("number", "integer") else "§"


def _fitting(parameter: dict[str, Any]) -> Any:
    return 2 if parameter["type"] in ("number", "integer") else "red"


def test_a_listing_says_in_chinese_how_it_read_the_table_and_what_it_could_not_make(server: RunningServer) -> None:
    photos = {"bag.png": photo_bytes((900, 900)), "small.png": photo_bytes((60, 60)), "two.png": two()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in (photos | {"torn.png": b"\x89PNG" + b"x" * 50}).items():
            archive.writestr(name, data)
    files = {"table": ("shop.csv", SHOP.encode(), "text/csv"), "photos": ("photos.zip", packed.getvalue())}
    job = server.http.post("/v1/listings", data={"channels": ["taobao-main", "amazon-main"]}, files=files).json()
    assert ended(server, job)["status"] == "done"
    told = server.http.get(f"/v1/listings/{job['id']}").json()
    assert len(told["lines"]) >= 3
    assert [line for line in told["zh"]["lines"] if not is_chinese(line)] == []
    rows = server.http.get(f"/v1/listings/{job['id']}/failures?limit=500").json()["failures"]
    assert {row["kind"] for row in rows} >= {"row", "set", "refused"}
    assert [(row["reason"], row["zh"]["reason"]) for row in rows if not is_chinese(row["zh"]["reason"])] == []
    for picture in server.http.get(f"/v1/listings/{job['id']}/pictures?limit=500").json()["pictures"]:
        for verdict in picture["verdicts"]:
            assert all(is_chinese(text) for text in verdict["zh"].values()), verdict


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_can_not_be_read_is_refused_in_chinese(server: RunningServer, name: str) -> None:
    photo = ("photos", ("bag.png", photo_bytes(), "image/png"))
    files = [("table", (name, TABLES[name].encode("latin-1", "ignore") or b"", "text/csv")), photo]
    answer = server.http.post("/v1/listings", data={"channels": ["shopify"]}, files=files)
    if answer.status_code >= 400:
        insist(answer.json())
    else:
        job = ended(server, answer.json())
        assert job["status"] == "failed", job
        insist(job["error"])


BAG = ("bag.png", photo_bytes(), "image/png")
TORN = ("a.zip", b"PK\x03\x04" + b"x" * 60, "application/zip")
WHOLE = {"table": ("t.csv", SHOP.encode(), "text/csv"), "photos": BAG}
SENT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("assets", {}, {"file": ("a.png", b"no picture", "image/png")}),
    ("assets", {}, {"file": ("a.png", photo_bytes()[:400], "image/png")}),
    ("assets", {"x": "y"}, {"other": BAG}),
    ("listings", {"channels": ["shopify"]}, {"photos": BAG}),
    ("listings", {"channels": ["§"]}, WHOLE),
    ("listings", {"channels": ["shopify"], "words_only": "true"}, WHOLE),
    ("listings", {"channels": ["shopify"], "columns": "§"}, WHOLE),
    ("listings", {"channels": ["shopify"], "columns": "title="}, WHOLE),
    ("listings", {"channels": ["shopify"], "template": "x"}, WHOLE),
    ("listings", {"channels": ["shopify"]}, {**WHOLE, "photos": TORN}),
    ("listings", {"channels": ["shopify"]}, {**WHOLE, "photos": ("a.txt", b"hello", "text/plain")}),
    ("trainings", {"name": "a-b", "minutes": "1"}, {"catalogue": TORN}),
    ("trainings", {"name": "a-b", "minutes": "1"}, {"catalogue": BAG}),
]


@pytest.mark.parametrize("number", range(len(SENT)))
def test_a_file_that_does_not_fit_is_refused_in_chinese(server: RunningServer, number: int) -> None:
    path, fields, files = SENT[number]
    answer = server.http.post(f"/v1/{path}", data=fields, files=files)
    assert answer.status_code >= 400, answer.text
    insist(answer.json())


def test_what_is_not_there_is_said_in_chinese(server: RunningServer, photo: str) -> None:
    asked = [server.http.get(f"/v1/{path}") for path in ("jobs/x", "assets/x", "listings/x", "trainings/x", "nowhere")]
    asked.append(server.http.post("/v1/verify", json={"picture": photo, "original": photo}))
    asked.append(server.http.post("/v1/edits", content=b"{", headers={"Content-Type": "application/json"}))
    asked.append(server.http.post("/v1/edits", content=b"x", headers={"Content-Type": "text/plain"}))
    for answer in asked:
        assert answer.status_code >= 400, (answer.url, answer.text)
        insist(answer.json())


def test_what_verify_reads_is_said_in_chinese(server: RunningServer, photo: str) -> None:
    edited = ended(
        server,
        server.http.post("/v1/edits", json={"photo": photo, "steps": [{"op": "crop", "box": "10,10,90,90"}]}).json(),
    )
    [picture] = edited["result"]["pictures"]
    found = ended(server, server.http.post("/v1/verify", json={"picture": picture["asset"]}).json())["result"]
    assert [line for line in found["zh"]["lines"] if not is_chinese(line)] == []
    assert is_chinese(found["certificate"]["zh"]["proof"]), found["certificate"]["zh"]["proof"]
    other = upload(server, photo_bytes((240, 180), "#203090"))["id"]
    body = {"picture": picture["asset"], "original": other, "certificate": picture["certificate"]}
    wrong = ended(server, server.http.post("/v1/verify", json=body).json())["result"]["certificate"]
    assert wrong["disagreements"] and [line for line in wrong["zh"]["disagreements"] if not is_chinese(line)] == []


def test_what_stands_on_the_models_screen_is_chinese(server: RunningServer) -> None:
    for pack in server.http.get("/v1/packs").json()["packs"]:
        assert is_chinese(pack["zh"]["summary"]), pack["summary"]
        assert all(is_chinese(name) for name in pack["zh"]["quality"].values()), pack["zh"]["quality"]
    for recipe in server.http.get("/v1/trainings/options").json()["recipes"]:
        assert all(is_chinese(text) for text in recipe["zh"].values()), recipe


def ended(server: RunningServer, job: dict[str, Any]) -> dict[str, Any]:
    """A job when it has ended, by its events."""
    with server.http.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=120) as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                job = json.loads(line[5:])
                assert is_chinese(job["zh"]["stage"]), job["stage"]
    return job


def two() -> bytes:
    picture = Image.new("RGB", (1200, 1200), "white")
    for left in (100, 800):
        picture.paste(Image.new("RGB", (300, 500), "#803010" if left < 500 else "#106030"), (left, 300))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
