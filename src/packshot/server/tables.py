"""The tables of jobs, assets and keys. `migrations/` makes them; a test holds the two together."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("lane", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("result", sa.JSON),
    sa.Column("error", sa.JSON),
    sa.Column("done", sa.Float, nullable=False),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("stage", sa.String(400), nullable=False),
    sa.Column("expected_seconds", sa.Float, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("worker", sa.String(80)),
    sa.Column("lease", sa.Float),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("webhook", sa.String(80), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False, server_default=""),
    sa.Index("jobs_next", "lane", "status", "priority", "id"),
    sa.Index("jobs_lease", "status", "lease"),
    sa.Index("jobs_recent", "lane", "finished"),
    sa.Index("jobs_owner", "owner", "id"),
)
"""Times are seconds since 1970 (UTC). `version` grows with every change, so that waiting is comparing numbers."""

assets = sa.Table(
    "assets",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("media_type", sa.String(80), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("job_id", sa.String(40)),
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("favourite", sa.Boolean, nullable=False),
    sa.Index("assets_kind", "kind", "id"),
    sa.Index("assets_sha256", "sha256"),
    sa.Index("assets_job", "job_id"),
    sa.Index("assets_owner", "owner", "id"),
)
"""Files by their content, below `home/assets`; several assets may share one file."""

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("owner", sa.String(40), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("job_id", sa.String(40), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("per_minute", sa.Integer, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("revoked", sa.Float),
    sa.Column("tokens", sa.Float, nullable=False, server_default="0"),
    sa.Column("used", sa.Float),
)
"""`tokens` were left of a key's requests at the time `used`."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("key_id", sa.String(40), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    sa.Index("sessions_key", "key_id"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("lane", sa.String(16), nullable=False),
    sa.Column("beat", sa.Float, nullable=False),
    sa.Column("ready", sa.Boolean, nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("job_id", sa.String(40), nullable=False),
    sa.Column("hook", sa.String(80), nullable=False),
    sa.Column("due", sa.Float),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("delivered", sa.Float),
    sa.Column("error", sa.String(200), nullable=False),
    sa.Index("deliveries_due", "due"),
    sa.Index("deliveries_job", "job_id"),
)
"""Ends of jobs to tell a webhook: recorded with the job, due from its end on, null once told or given up."""
