"""A longer look of schemathesis at a server that runs: `python benchmarks/serve_schemathesis.py http://127.0.0.1:8333`.

Every phase: examples, every boundary of every schema (coverage), random requests (fuzzing), and sequences that go on
with ids out of answers (stateful). Without ids that are there, most routes only ever say 404: --known names some.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,unsupported_method,allow_header_conformance,use_after_free,"
    "ensure_resource_availability"
)
PHASES = "examples,coverage,fuzzing,stateful"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--key", default="", help="of the scope admin; then it is also looked at who is let in")
    parser.add_argument("--known", nargs="*", default=[], metavar="NAME=ID", help="asset_id=…, job_id=…, key=…")
    parser.add_argument("--out", type=Path, help="file for the numbers, as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(_command(given, Path(folder)), check=False, cwd=folder)
        found = counted(Path(folder) / "events.ndjson") | {"exit": done.returncode}
    print(json.dumps(found, indent=1))
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return done.returncode


def _command(given: argparse.Namespace, folder: Path) -> list[str]:
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
        f"{given.url}/openapi.json", "--checks", CHECKS + (",ignored_auth" if given.key else ""),
        "--max-examples", str(given.examples), "--phases", PHASES, "--request-timeout", "120", "--warnings", "off",
        "--exclude-path-regex", "/events$", "--continue-on-failure",
        "--report", "ndjson", "--report-ndjson-path", str(folder / "events.ndjson"),
    ]  # fmt: skip
    command += ["--header", f"Authorization: Bearer {given.key}"] if given.key else []
    if given.known:
        known = dict(part.split("=", 1) for part in given.known)
        lines = [f"{json.dumps(f'path.{name}')} = {json.dumps(value)}" for name, value in known.items()]
        (folder / "schemathesis.toml").write_text("\n".join(["[parameters]", *lines, ""]), encoding="utf-8")
        command += ["--exclude-method", "DELETE"]
    return command


def counted(events: Path) -> dict[str, Any]:
    """Requests by phase and by status of the answer; checks that failed, by operation and name."""
    phases: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    failures: set[str] = set()
    for line in events.read_text("utf-8").splitlines():
        scenario = json.loads(line).get("ScenarioFinished")
        if scenario is None:
            continue
        recorder = scenario["recorder"]
        for answered in recorder.get("interactions", {}).values():
            phases[scenario["phase"]] += 1
            statuses[str((answered.get("response") or {}).get("status_code"))] += 1
        failed = [one for checks in recorder.get("checks", {}).values() for one in checks if one["status"] == "failure"]
        failures |= {f"{recorder['label']}: {one['name']}" for one in failed}
    return {
        "requests": sum(phases.values()), "phases": dict(phases), "statuses": dict(sorted(statuses.items())),
        "failures": sorted(failures),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
