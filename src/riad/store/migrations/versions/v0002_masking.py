"""What a project does with persons' data that crosses a border, and in answers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("projects", sa.Column("masking", sa.Text, nullable=False, server_default="placeholders"))
    op.add_column("projects", sa.Column("answers", sa.Text, nullable=False, server_default="report"))
