"""pre-flights, measured throughput, machines

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall, open_to_the_house

revision: str = 'a0000004preflights'
down_revision: str | None = 'a0000003reviews'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('training_machines',
    sa.Column('host', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('device', sa.String(), nullable=False),
    sa.Column('devices', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('memory_bytes', sa.BigInteger(), nullable=False),
    sa.Column('cores', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('gflops', sa.Float(), nullable=True),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("kind in ('cpu', 'cuda')", name=op.f('ck_training_machines_kind')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_training_machines')),
    sa.UniqueConstraint('host', 'kind', 'device', name=op.f('uq_training_machines_host_kind_device')),
    sa.UniqueConstraint('position', name=op.f('uq_training_machines_position'))
    )
    op.create_table('training_rates',
    sa.Column('base_model', sa.String(), nullable=False),
    sa.Column('tuning', sa.String(), nullable=False),
    sa.Column('device', sa.String(), nullable=False),
    sa.Column('tokens_per_second', sa.Float(), nullable=False),
    sa.Column('tokens', sa.BigInteger(), nullable=False),
    sa.Column('seconds', sa.Float(), nullable=False),
    sa.Column('measured_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_training_rates')),
    sa.UniqueConstraint('position', name=op.f('uq_training_rates_position'))
    )
    op.create_index('ix_training_rates_model', 'training_rates', ['base_model', 'tuning'], unique=False)
    open_to_the_house(op, 'training_machines', rights='select, insert, update')
    open_to_the_house(op, 'training_rates', rights='select, insert')
    op.create_table('preflights',
    sa.Column('status', sa.String(), server_default='pending', nullable=False),
    sa.Column('verdict', sa.String(), nullable=True),
    sa.Column('request', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('training_file', sa.String(), nullable=False),
    sa.Column('validation_file', sa.String(), nullable=True),
    sa.Column('leakage', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('body', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status in ('pending', 'completed')", name=op.f('ck_preflights_status')),
    sa.CheckConstraint("verdict in ('go', 'warn', 'block')", name=op.f('ck_preflights_verdict')),
    sa.CheckConstraint("(status = 'completed') = (verdict is not null)", name=op.f('ck_preflights_completed')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_preflights_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_preflights')),
    sa.UniqueConstraint('position', name=op.f('uq_preflights_position'))
    )
    op.create_index(op.f('ix_preflights_project_id'), 'preflights', ['project_id'], unique=False)
    build_wall(op, 'preflights', rights='select, insert, update')
    op.execute("""
        create function keep_preflight() returns trigger language plpgsql set search_path = public, pg_temp as $$
        begin
            raise exception 'a completed pre-flight does not change' using errcode = 'check_violation';
        end $$""")
    op.execute("create trigger keep before update on preflights for each row when (old.status = 'completed')"
               " execute function keep_preflight()")
    op.add_column('jobs', sa.Column('preflight', sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column('jobs', 'preflight')
    op.drop_table('preflights')
    op.execute("drop function keep_preflight")
    op.drop_table('training_rates')
    op.drop_table('training_machines')
