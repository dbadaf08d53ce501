"""The same server on a Ray cluster: replicas that share one database, one store of pictures and one queue.

A replica is a whole server with workers of its own. Since jobs and assets live in the database, any replica answers for
any job, and what a lost replica held is done by the others. The one file of the server that knows Ray.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packshot.errors import MissingExtraError, OutputError, RequestError
from packshot.server.settings import Settings

NAME = "packshot"
MOST_ONGOING = 200
"""Requests that one replica holds at a time, most of them waiting for a job."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where replicas run.

    Attributes:
        address: of a Ray cluster; empty for one of this machine that ends with the command.
        replicas: servers.
        cpus: that each takes of the cluster, for its workers.
    """

    address: str = ""
    replicas: int = 2
    cpus: float = 2.0


def deploy(settings: Settings, cluster: Cluster, environment: Mapping[str, str] | None = None) -> None:
    """Start the replicas, or bring running ones to another number; returns when all are healthy.

    Args:
        settings: of each; `database` is PostgreSQL, and `assets`, or else `home`, reaches all machines.
        cluster: where.
        environment: variables for the replicas, such as keys of the store.

    Raises:
        RequestError: a database that machines can't share.
        MissingExtraError: Ray Serve is not installed.
        OutputError: there is no cluster at the address.
    """
    if not settings.database.startswith("postgresql"):
        raise RequestError("--database", settings.database or "SQLite", "postgresql://…, which replicas can share")
    if cluster.replicas < 1:
        raise RequestError("--replicas", cluster.replicas, "1 or more")
    ray, serve = _ray()
    try:
        ray.init(
            address=cluster.address or None, ignore_reinit_error=True, include_dashboard=False, log_to_driver=False
        )
    except (ConnectionError, ValueError) as error:
        raise OutputError("--ray-address", str(error).splitlines()[0], "the address of a running Ray cluster") from None
    serve.start(proxy_location="HeadOnly", http_options={"host": settings.host, "port": settings.port})
    replica = serve.deployment(
        name=NAME,
        num_replicas=cluster.replicas,
        max_ongoing_requests=MOST_ONGOING,
        ray_actor_options={"num_cpus": cluster.cpus, "runtime_env": {"env_vars": dict(environment or {})}},
        health_check_period_s=2.0,
        health_check_timeout_s=10.0,
    )(serve.ingress(_builder(settings))())
    serve.run(replica.bind(), name=NAME)


def stop() -> None:
    """End the replicas, and the cluster of this machine if there is one."""
    ray, serve = _ray()
    serve.shutdown()
    ray.shutdown()


def _builder(settings: Settings) -> Any:
    def build() -> Any:
        from packshot.server.app import create_app

        return create_app(settings)

    return build


def _ray() -> tuple[Any, Any]:
    try:
        import ray
        from ray import serve
    except ModuleNotFoundError as error:
        install = "pip install 'packshot[server,ray]' 'ray[serve]==2.60.0'"
        raise MissingExtraError("--replicas", f"no module {error.name}", install) from None
    return ray, serve
