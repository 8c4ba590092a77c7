"""jobs at remote providers, the spend ledger

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall
from service.kit.database import DISPATCH_ROLE

revision: str = 'a0000006remote'
down_revision: str | None = 'a0000005credentials'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OPEN = "state in ('intended', 'sending', 'unknown', 'live')"


def upgrade() -> None:
    op.add_column('jobs', sa.Column('credential_id', sa.String(), nullable=True))
    op.add_column('jobs', sa.Column('resume_requested_at', sa.DateTime(timezone=True), nullable=True))
    for table in ('job_events', 'job_checkpoints'):
        op.add_column(table, sa.Column('alias', sa.String(), nullable=True))
        op.create_index(f'ix_{table}_alias', table, ['project_id', 'alias'], unique=False)
    op.alter_column('job_checkpoints', 'artifact_prefix', nullable=True)
    op.alter_column('tuned_models', 'artifact_prefix', nullable=True)
    op.add_column('tuned_models', sa.Column('remote_name', sa.String(), nullable=True))
    op.add_column('tuned_models', sa.Column('credential_id', sa.String(), nullable=True))
    op.drop_constraint(op.f('ck_tuned_models_kind'), 'tuned_models', type_='check')
    op.create_check_constraint(op.f('ck_tuned_models_kind'), 'tuned_models', "kind in ('adapter', 'model', 'remote')")
    op.create_check_constraint(op.f('ck_tuned_models_artifact'), 'tuned_models',
                               "(kind = 'remote') = (artifact_prefix is null)")
    op.create_check_constraint(op.f('ck_tuned_models_remote'), 'tuned_models',
                               "(kind = 'remote') = (remote_name is not null)")
    _make_attempts()
    _make_files()
    _make_ledger()


def _make_attempts() -> None:
    op.create_table('remote_jobs',
    sa.Column('job_id', sa.String(), nullable=False),
    sa.Column('credential_id', sa.String(), nullable=False),
    sa.Column('provider', sa.String(), nullable=False),
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('state', sa.String(), server_default='intended', nullable=False),
    sa.Column('remote_id', sa.String(), nullable=True),
    sa.Column('discarded', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('remote_status', sa.String(), nullable=True),
    sa.Column('status_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('stuck_told', sa.String(), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sends', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('key_seen', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('looks', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('next_look_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('estimated_cost', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('polled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('next_poll_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('poll_failures', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('followed_until', sa.String(), nullable=True),
    sa.Column('next_follow_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('missing_since', sa.DateTime(timezone=True), nullable=True),
    *_row(),
    sa.CheckConstraint("state in ('intended', 'sending', 'unknown', 'live', 'ended', 'released')",
                       name=op.f('ck_remote_jobs_state')),
    sa.CheckConstraint("state <> 'live' or remote_id is not null", name=op.f('ck_remote_jobs_live')),
    sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_remote_jobs_job_id')),
    sa.UniqueConstraint('project_id', 'key', name=op.f('uq_remote_jobs_project_id_key')),
    *_keys('remote_jobs')
    )
    op.create_index(op.f('ix_remote_jobs_job_id'), 'remote_jobs', ['job_id'], unique=False)
    op.create_index('uq_remote_jobs_open', 'remote_jobs', ['project_id', 'job_id'], unique=True,
                    postgresql_where=sa.text(_OPEN))
    op.create_index('ix_remote_jobs_due', 'remote_jobs', ['next_poll_at'], unique=False,
                    postgresql_where=sa.text('next_poll_at is not null'))
    op.create_index('ix_remote_jobs_credential', 'remote_jobs', ['project_id', 'credential_id'], unique=False)
    op.create_index(op.f('ix_remote_jobs_project_id'), 'remote_jobs', ['project_id'], unique=False)
    build_wall(op, 'remote_jobs', rights='select, insert, update')
    # The poller sees which jobs are due, of all projects, and moves their times; nothing in these columns is secret.
    op.execute(f"create policy dispatch on remote_jobs to {DISPATCH_ROLE} using (true) with check (true)")
    op.execute(f"grant select on remote_jobs to {DISPATCH_ROLE}")
    op.execute(f"grant update (polled_at, next_poll_at, poll_failures) on remote_jobs to {DISPATCH_ROLE}")


def _make_files() -> None:
    op.create_table('remote_files',
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('credential_id', sa.String(), nullable=False),
    sa.Column('sha256', sa.String(), nullable=False),
    sa.Column('upload_id', sa.String(), nullable=True),
    sa.Column('part_ids', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('remote_file_id', sa.String(), nullable=True),
    sa.Column('state', sa.String(), server_default='uploading', nullable=False),
    *_row(),
    sa.CheckConstraint("state in ('uploading', 'uploaded', 'gone')", name=op.f('ck_remote_files_state')),
    sa.UniqueConstraint('project_id', 'file_id', 'credential_id',
                        name=op.f('uq_remote_files_project_id_file_id_credential_id')),
    *_keys('remote_files')
    )
    op.create_index(op.f('ix_remote_files_project_id'), 'remote_files', ['project_id'], unique=False)
    build_wall(op, 'remote_files')


def _make_ledger() -> None:
    op.create_table('ledger_entries',
    sa.Column('job_id', sa.String(), nullable=False),
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('micro_dollars', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.String(), nullable=True),
    *_row(),
    sa.CheckConstraint("kind in ('hold', 'settle', 'release', 'extra')", name=op.f('ck_ledger_entries_kind')),
    sa.CheckConstraint("micro_dollars >= 0", name=op.f('ck_ledger_entries_amount')),
    sa.UniqueConstraint('project_id', 'key', 'kind', name=op.f('uq_ledger_entries_project_id_key_kind')),
    *_keys('ledger_entries')
    )
    op.create_index(op.f('ix_ledger_entries_job_id'), 'ledger_entries', ['job_id'], unique=False)
    op.create_index(op.f('ix_ledger_entries_project_id'), 'ledger_entries', ['project_id'], unique=False)
    op.create_index('uq_ledger_entries_end', 'ledger_entries', ['project_id', 'key'], unique=True,
                    postgresql_where=sa.text("kind <> 'hold'"))
    build_wall(op, 'ledger_entries', rights='select, insert')


def _row() -> list[sa.Column[object]]:
    return [
        sa.Column('project_id', sa.String(), nullable=False),
        sa.Column('id', sa.String(), nullable=False),
        sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False)]


def _keys(table: str) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f(f'fk_{table}_project_id')),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('position', name=op.f(f'uq_{table}_position'))]


def downgrade() -> None:
    for table in ('ledger_entries', 'remote_files', 'remote_jobs'):
        op.drop_table(table)
    op.execute("delete from tuned_models where kind = 'remote'")
    op.execute("delete from job_checkpoints where artifact_prefix is null")
    op.drop_constraint(op.f('ck_tuned_models_remote'), 'tuned_models', type_='check')
    op.drop_constraint(op.f('ck_tuned_models_artifact'), 'tuned_models', type_='check')
    op.drop_constraint(op.f('ck_tuned_models_kind'), 'tuned_models', type_='check')
    op.create_check_constraint(op.f('ck_tuned_models_kind'), 'tuned_models', "kind in ('adapter', 'model')")
    op.drop_column('tuned_models', 'credential_id')
    op.drop_column('tuned_models', 'remote_name')
    op.alter_column('tuned_models', 'artifact_prefix', nullable=False)
    op.alter_column('job_checkpoints', 'artifact_prefix', nullable=False)
    for table in ('job_checkpoints', 'job_events'):
        op.drop_index(f'ix_{table}_alias', table_name=table)
        op.drop_column(table, 'alias')
    op.drop_column('jobs', 'resume_requested_at')
    op.drop_column('jobs', 'credential_id')
