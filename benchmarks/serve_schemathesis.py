"""A longer look of schemathesis at a server that runs: `python benchmarks/serve_schemathesis.py http://127.0.0.1:8333`."""

from __future__ import annotations

import argparse
import subprocess
import sys

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--key", default="")
    given = parser.parse_args()
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
        f"{given.url}/openapi.json", "--checks", CHECKS, "--max-examples", str(given.examples),
        "--phases", "examples,coverage,fuzzing,stateful", "--request-timeout", "120", "--warnings", "off",
        "--exclude-path-regex", "/events$",
    ]  # fmt: skip
    command += ["--header", f"Authorization: Bearer {given.key}"] if given.key else []
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
