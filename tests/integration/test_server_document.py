"""The OpenAPI document says what the server does: schemathesis finds no error and no answer that is not in it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("schemathesis")

from servers import RunningServer

from packshot.generation import GenerationRequest
from packshot.server.api.generations import GenerationIn

EXAMPLES = 8
"""Of each route and kind of data; benchmarks/serve_schemathesis.py takes more, and every boundary of every schema."""

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def document(api: RunningServer) -> dict[str, Any]:
    found: dict[str, Any] = api.http.get("/openapi.json").json()
    return found


def test_every_route_is_described(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("summary") and operation.get("description"), where
            assert operation.get("tags"), where
            for status, response in operation["responses"].items():
                if int(status) < 400:
                    continue
                form = (
                    "application/json" if path.startswith(("/v1/images", "/v1/models")) else "application/problem+json"
                )
                assert list(response["content"]) == [form], (where, status)
            if "429" in operation["responses"]:  # the queue's, or since any key may ask only so often
                assert method == "post" or operation["security"], where
            if "requestBody" in operation and "{" not in path:
                assert {"400", "422"} & set(operation["responses"]), where


def test_bodies_have_examples(document: dict[str, Any]) -> None:
    for path in ("/v1/generations", "/v1/edits", "/v1/checks", "/v1/verify", "/v1/trainings", "/v1/images/generations"):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert content.get("example") or content.get("examples"), path


def test_defaults_exist_once() -> None:
    """The API's, and those of Python and the command line."""
    ours = {name: field.default for name, field in GenerationIn.model_fields.items()}
    theirs = {field.name: field.default for field in dataclasses.fields(GenerationRequest)}
    same = {name for name in ours if name in theirs} - {"prompt", "seed"}  # one is needed, one is drawn
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    assert set(theirs) <= set(ours) and set(ours) - set(theirs) == {"format", "pack"}


@pytest.mark.slow
def test_schemathesis_finds_nothing(api: RunningServer, tmp_path: Path) -> None:
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
        f"{api.url}/openapi.json", "--checks", CHECKS, "--max-examples", str(EXAMPLES), "--seed", "1",
        "--phases", "examples,fuzzing", "--request-timeout", "60", "--no-color", "--warnings", "off",
        "--exclude-path-regex", "/events$",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]


def test_what_the_document_says_of_itself_is_json(document: dict[str, Any]) -> None:
    assert document["info"]["title"] == "packshot" and json.dumps(document)
