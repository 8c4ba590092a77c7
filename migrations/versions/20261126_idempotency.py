"""what was made under which Idempotency-Key

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall

revision: str = 'a0000010idempotency'
down_revision: str | None = 'a0000009polling'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('idempotency_keys',
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('route', sa.String(), nullable=False),
    sa.Column('fingerprint', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('made', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_idempotency_keys_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_idempotency_keys')),
    sa.UniqueConstraint('position', name=op.f('uq_idempotency_keys_position')),
    sa.UniqueConstraint('project_id', 'key', name=op.f('uq_idempotency_keys_project_id_key'))
    )
    op.create_index(op.f('ix_idempotency_keys_project_id'), 'idempotency_keys', ['project_id'], unique=False)
    build_wall(op, 'idempotency_keys')


def downgrade() -> None:
    op.execute("alter table work_items no force row level security")
    op.execute("delete from work_items where kind = 'idempotency.forget'")
    op.execute("alter table work_items force row level security")
    op.drop_table('idempotency_keys')
