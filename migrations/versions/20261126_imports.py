"""imports, original ids, successors

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall

revision: str = 'a0000007imports'
down_revision: str | None = 'a0000006remote'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('files', sa.Column('alias', sa.String(), nullable=True))
    op.create_index('uq_files_alias', 'files', ['project_id', 'alias'], unique=True,
                    postgresql_where=sa.text('deleted_at is null'))
    op.add_column('jobs', sa.Column('alias', sa.String(), nullable=True))
    op.add_column('jobs', sa.Column('original', postgresql.JSONB(), nullable=True))
    op.add_column('jobs', sa.Column('successor_of', sa.String(), nullable=True))
    op.add_column('jobs', sa.Column('successors', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.add_column('jobs', sa.Column('answers_for', sa.String(), nullable=True))
    op.create_unique_constraint(op.f('uq_jobs_project_id_alias'), 'jobs', ['project_id', 'alias'])

    op.create_table('imports',
    sa.Column('credential_id', sa.String(), nullable=False),
    sa.Column('provider', sa.String(), nullable=False),
    sa.Column('status', sa.String(), server_default='queued', nullable=False),
    sa.Column('stage', sa.String(), server_default='files', nullable=False),
    sa.Column('dry_run', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('cursor', sa.String(), nullable=True),
    sa.Column('counts', postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('waits', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('status_details', sa.Text(), nullable=True),
    sa.Column('error', postgresql.JSONB(), nullable=True),
    sa.Column('created_by', sa.String(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    *_row(),
    sa.CheckConstraint("status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
                       name=op.f('ck_imports_status')),
    sa.CheckConstraint("stage in ('files', 'jobs', 'models', 'contents', 'histories', 'done')",
                       name=op.f('ck_imports_stage')),
    *_keys('imports')
    )
    op.create_index('uq_imports_open', 'imports', ['project_id', 'credential_id'], unique=True,
                    postgresql_where=sa.text("status in ('queued', 'running') and not dry_run"))
    op.create_table('import_items',
    sa.Column('import_id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('remote_id', sa.String(), nullable=False),
    sa.Column('state', sa.String(), server_default='pending', nullable=False),
    sa.Column('body', postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('row_id', sa.String(), nullable=True),
    sa.Column('steps', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('tries', sa.Integer(), server_default=sa.text('0'), nullable=False),
    *_row(),
    sa.CheckConstraint("kind in ('file', 'job', 'model')", name=op.f('ck_import_items_kind')),
    sa.CheckConstraint("state in ('pending', 'imported', 'present', 'problem')", name=op.f('ck_import_items_state')),
    sa.UniqueConstraint('project_id', 'import_id', 'kind', 'remote_id',
                        name=op.f('uq_import_items_project_id_import_id_kind_remote_id')),
    *_keys('import_items', ('import_id', 'imports'))
    )
    op.create_index('ix_import_items_next', 'import_items', ['import_id', 'kind', 'state', 'position'], unique=False)
    op.create_table('import_problems',
    sa.Column('import_id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('remote_id', sa.String(), nullable=False),
    sa.Column('code', sa.String(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('filename', sa.String(), nullable=True),
    sa.Column('bytes', sa.BigInteger(), nullable=True),
    *_row(),
    sa.CheckConstraint("kind in ('file', 'job', 'model')", name=op.f('ck_import_problems_kind')),
    sa.UniqueConstraint('project_id', 'import_id', 'kind', 'remote_id', 'code',
                        name=op.f('uq_import_problems_project_id_import_id_kind_remote_id_code')),
    *_keys('import_problems', ('import_id', 'imports'))
    )
    for table in ('imports', 'import_items', 'import_problems'):
        op.create_index(op.f(f'ix_{table}_project_id'), table, ['project_id'], unique=False)
        build_wall(op, table)


def _row() -> list[sa.Column[object]]:
    return [
        sa.Column('project_id', sa.String(), nullable=False),
        sa.Column('id', sa.String(), nullable=False),
        sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False)]


def _keys(table: str, *others: tuple[str, str]) -> list[sa.Constraint]:
    return [
        *(sa.ForeignKeyConstraint([column], [f'{other}.id'], name=op.f(f'fk_{table}_{column}'))
          for column, other in others),
        sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f(f'fk_{table}_project_id')),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('position', name=op.f(f'uq_{table}_position'))]


def downgrade() -> None:
    for table in ('import_problems', 'import_items', 'imports'):
        op.drop_table(table)
    op.drop_constraint(op.f('uq_jobs_project_id_alias'), 'jobs', type_='unique')
    for column in ('answers_for', 'successors', 'successor_of', 'original', 'alias'):
        op.drop_column('jobs', column)
    op.drop_index('uq_files_alias', table_name='files')
    op.drop_column('files', 'alias')
