"""What ships beside the package is what its tools accept: Dockerfiles, compose file, Kubernetes manifests."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from packshot.cli import app

MANIFESTS = ("packshot.yaml", "admin.yaml", "ingress.yaml", "raycluster.yaml")
KUBERNETES = "1.33"
"""Of the schemas that manifests are held against: old enough for clusters that run."""


def options(*path: str) -> tuple[set[str], set[str]]:
    """Long options of a command, and environment variables that it reads."""
    command: Any = get_command(app)
    for name in path:
        command = command.commands[name]
    return (
        {one for parameter in command.params for one in parameter.opts},
        {parameter.envvar for parameter in command.params if isinstance(parameter.envvar, str)},
    )


def manifests(repository: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in MANIFESTS:
        text = (repository / "deploy" / "kubernetes" / name).read_text(encoding="utf-8")
        for document in yaml.safe_load_all(text):
            yield name, document


def pods(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Specifications of pods anywhere in a manifest."""
    if document.get("kind") == "Pod":
        yield document["spec"]
        return
    for value in document.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                if "containers" in inner:
                    yield inner
                else:
                    yield from pods(inner)


# ---- Dockerfile ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/ray/Dockerfile"])
def test_hadolint_finds_nothing(repository: Path, name: str) -> None:
    program = Path(sys.executable).with_name("hadolint")
    run = subprocess.run([program, repository / name], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_the_image_runs_as_nobody_and_installs_extras_that_exist(repository: Path) -> None:
    text = (repository / "Dockerfile").read_text(encoding="utf-8")
    settings = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    built_from = settings["tool"]["hatch"]["build"]["targets"]["wheel"].get("force-include", {})
    for name in ("Dockerfile", "deploy/ray/Dockerfile"):
        one = (repository / name).read_text(encoding="utf-8")
        (wanted,) = re.findall(r"ARG EXTRAS=(\S+)", one)
        assert set(wanted.split(",")) <= settings["project"]["optional-dependencies"].keys()
        assert all(re.search(rf"^COPY {path} {path}$", one, re.MULTILINE) for path in built_from)
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:", final, re.MULTILINE) and "HEALTHCHECK" in final
    assert 'ENTRYPOINT ["' in final and final.rstrip().endswith('CMD ["serve"]')
    assert set(re.findall(r"PACKSHOT_\w+", final)) <= options("serve")[1]
    ignored = (repository / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {part for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for part in line.split()[:-1]}
    assert ignored[0] == "*" and {f"!{part}" for part in copied} == {line for line in ignored if line.startswith("!")}


def test_trimming_takes_what_is_never_read_and_nothing_else(repository: Path, tmp_path: Path) -> None:
    for name in (
        *("c2pa/libs/libc2pa_c.rlib", "onnxruntime/capi/libonnxruntime.so.1", "numpy/_core/tests/test_a.py"),
        *("packshot/packs/flow/pack.json", "botocore/data/ec2/x.json", "bin/packshot"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    kept = (
        *("c2pa/libs/libc2pa_c.so", "onnxruntime/capi/onnxruntime_pybind11_state.so", "botocore/data/s3/x.json"),
        *("packshot/packs/base/pack.json", "botocore/data/endpoints.json", "numpy/testing/__init__.py"),
    )
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    code = "import sys, pathlib, trim_image as t; print(t.trim(pathlib.Path(sys.argv[1])))"
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=repository / "tools",
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == 30
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)


# ---- Compose ---------------------------------------------------------------------------------------------------------


def test_the_compose_file_is_valid_and_keeps_to_itself(repository: Path) -> None:
    text = (repository / "compose.yaml").read_text(encoding="utf-8")
    services = compose_spec.PyCompose.from_yaml(text).to_spec().services
    assert services is not None and set(services) == {"packshot", "database", "storage"}
    plain = yaml.safe_load(text)["services"]
    ours = plain["packshot"]
    assert ours["read_only"] and ours["cap_drop"] == ["ALL"] and "no-new-privileges:true" in ours["security_opt"]
    assert all(port["host_ip"] == "127.0.0.1" for one in plain.values() for port in one.get("ports", ()))
    assert plain["database"]["networks"] == ["back"] == plain["storage"]["networks"]
    (port,) = ours["ports"]
    first, last = map(int, port["published"].split("-"))
    assert last > first and port["target"] == 8333 and "container_name" not in ours  # --scale packshot=2
    assert {name for name in ours["environment"] if name.startswith("PACKSHOT_")} <= options("serve")[1]
    for one in plain.values():
        for name, value in one.get("environment", {}).items():
            if "PASSWORD" in name or "SECRET" in name or "DATABASE" in name:
                assert "${" in value, name  # comes from the operator's .env


# ---- Kubernetes ------------------------------------------------------------------------------------------------------


def test_manifests_are_valid_by_kubernetes_own_schemas(repository: Path) -> None:
    checked = 0
    for name, document in manifests(repository):
        if document["apiVersion"].startswith("ray.io/"):  # KubeRay's own kind: what it holds of Kubernetes' is checked
            for spec in pods(document):
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
                kubernetes_validate.validate(pod, KUBERNETES, strict=True)
                checked += 1
            continue
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        checked += 1
        assert name
    assert checked >= 8


def test_the_schemas_do_find_mistakes(repository: Path) -> None:
    document = next(one for _, one in manifests(repository) if one["kind"] == "Deployment")
    document["spec"]["replicas"] = "two"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_pods_have_no_more_rights_than_they_need(repository: Path) -> None:
    version = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name, document in manifests(repository):
        for spec in pods(document):
            assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"], name
            for container in spec["containers"]:
                rights = container["securityContext"]
                assert rights["allowPrivilegeEscalation"] is False and rights["capabilities"] == {"drop": ["ALL"]}
                assert rights.get("readOnlyRootFilesystem") or name == "raycluster.yaml"
                assert container["image"] in (f"packshot:{version}", f"packshot-ray:{version}")
                assert "memory" in container["resources"]["limits"]
                read = options("serve")[1] | options("keys", "create")[1]
                given = {one["name"] for one in container.get("env", ()) if one["name"].startswith("PACKSHOT_")}
                assert given <= read
                arguments = [one for one in container.get("args", ()) if one.startswith("--")]
                assert set(arguments) <= options("serve")[0]


def test_replicas_share_nothing_but_the_database_and_the_bucket(repository: Path) -> None:
    documents = [document for _, document in manifests(repository)]
    text = "".join(path.read_text("utf-8") for path in (repository / "deploy").rglob("*.yaml"))
    assert "PersistentVolumeClaim" not in text and "ReadWriteMany" not in text
    (server,) = (one for one in documents if one["kind"] == "Deployment")
    spec, pod = server["spec"], server["spec"]["template"]["spec"]
    assert spec["replicas"] >= 2 and spec["strategy"]["type"] == "RollingUpdate"
    assert all(volume.keys() == {"name", "emptyDir"} for volume in pod["volumes"])
    (container,) = pod["containers"]
    given = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one}
    assert given["PACKSHOT_DATABASE"]["key"] == "database" and given["PACKSHOT_ASSETS"]["key"] == "assets"
    (budget,) = (one for one in documents if one["kind"] == "PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] < spec["replicas"]
    assert budget["spec"]["selector"] == spec["selector"]
    commands = (repository / "docs" / "deploy.md").read_text(encoding="utf-8").replace("\\\n", " ")
    for name in {one["name"] for one in given.values()}:  # whoever follows the document has every secret with every key
        keys = {one["key"] for one in given.values() if one["name"] == name}
        (made,) = re.findall(rf"^kubectl create secret generic {name} (.*)$", commands, re.MULTILINE)
        assert keys <= set(re.findall(r"--from-literal=(\w+)=", made))
    stopped = pod["terminationGracePeriodSeconds"] - container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert stopped > 10 + 10  # of open answers, then of workers


def test_raycluster_has_what_kuberay_asks_for(repository: Path) -> None:
    (cluster,) = (one for _, one in manifests(repository) if one["kind"] == "RayCluster")
    assert cluster["apiVersion"] == "ray.io/v1"
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    assert all({"rayStartParams", "template"} <= group.keys() for group in groups)
    assert all({"groupName", "replicas", "minReplicas", "maxReplicas"} <= group.keys() for group in groups[1:])
    version = cluster["spec"]["rayVersion"]
    assert f":{version}-" in (repository / "deploy/ray/Dockerfile").read_text(encoding="utf-8")
    for name in ("pyproject.toml", "constraints.txt"):
        pinned = re.findall(r"\bray==([\d.]+)", (repository / name).read_text(encoding="utf-8"))
        assert set(pinned) <= {version}  # a cluster takes no other version
