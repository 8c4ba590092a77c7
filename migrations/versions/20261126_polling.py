"""who polls a remote job now

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from service.kit.database import DISPATCH_ROLE

revision: str = 'a0000009polling'
down_revision: str | None = 'a0000008retirement'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('remote_jobs', sa.Column('poll_lease', sa.String(), nullable=True))
    op.create_index('ix_remote_jobs_polled', 'remote_jobs', ['credential_id', 'next_poll_at'], unique=False,
                    postgresql_where=sa.text('next_poll_at is not null'))
    op.execute(f"grant update (poll_lease) on remote_jobs to {DISPATCH_ROLE}")


def downgrade() -> None:
    op.drop_index('ix_remote_jobs_polled', table_name='remote_jobs',
                  postgresql_where=sa.text('next_poll_at is not null'))
    op.drop_column('remote_jobs', 'poll_lease')
