"""Who asked for a job, how much a key may still ask, sessions of browsers, and indexes for owners and metrics."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add them."""
    op.add_column("jobs", sa.Column("request_id", sa.String(64), nullable=False, server_default=""))
    op.create_index("jobs_owner", "jobs", ["owner", "id"])
    op.create_index("assets_owner", "assets", ["owner", "id"])
    op.add_column("keys", sa.Column("tokens", sa.Float, nullable=False, server_default="0"))
    op.add_column("keys", sa.Column("used", sa.Float))
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_index("sessions_key", "sessions", ["key_id"])
