"""Jobs, assets, idempotency keys, API keys and workers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "jobs",
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
    )
    op.create_index("jobs_next", "jobs", ["lane", "status", "priority", "id"])
    op.create_index("jobs_lease", "jobs", ["status", "lease"])
    op.create_index("jobs_recent", "jobs", ["lane", "finished"])
    op.create_table(
        "assets",
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
    )
    op.create_index("assets_kind", "assets", ["kind", "id"])
    op.create_index("assets_sha256", "assets", ["sha256"])
    op.create_index("assets_job", "assets", ["job_id"])
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.String(40), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("per_minute", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("revoked", sa.Float),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("beat", sa.Float, nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
    )
