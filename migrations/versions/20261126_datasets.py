"""data sets and their versions

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall

revision: str = 'a0000002datasets'
down_revision: str | None = 'a0000001reports'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('files', sa.Column('kept_for', sa.String(), nullable=True))
    op.add_column('jobs', sa.Column('training_version', sa.String(), nullable=True))
    op.add_column('jobs', sa.Column('validation_version', sa.String(), nullable=True))
    op.create_index(op.f('ix_jobs_training_file'), 'jobs', ['project_id', 'training_file'])
    op.create_index(op.f('ix_jobs_validation_file'), 'jobs', ['project_id', 'validation_file'])
    op.create_table('datasets',
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('description', sa.String(), nullable=True),
    sa.Column('metadata', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('created_by', sa.String(), nullable=True),
    sa.Column('last_number', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_datasets_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_datasets')),
    sa.UniqueConstraint('position', name=op.f('uq_datasets_position'))
    )
    op.create_index(op.f('ix_datasets_project_id'), 'datasets', ['project_id'], unique=False)
    op.create_index('uq_datasets_project_id_name', 'datasets', ['project_id', 'name'], unique=True,
                    postgresql_where=sa.text('deleted_at is null'))
    op.create_table('dataset_versions',
    sa.Column('dataset_id', sa.String(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('status', sa.String(), server_default='building', nullable=False),
    sa.Column('error', sa.String(), nullable=True),
    sa.Column('note', sa.String(), nullable=True),
    sa.Column('created_by', sa.String(), nullable=True),
    sa.Column('source', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('parents', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('counts', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('recipe', sa.String(), nullable=False),
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('sha256', sa.String(), nullable=True),
    sa.Column('bytes', sa.BigInteger(), nullable=True),
    sa.Column('examples', sa.BigInteger(), nullable=True),
    sa.Column('same_as', sa.String(), nullable=True),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status in ('building', 'ready', 'failed')", name=op.f('ck_dataset_versions_status')),
    sa.ForeignKeyConstraint(['dataset_id'], ['datasets.id'], name=op.f('fk_dataset_versions_dataset_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_dataset_versions_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset_versions')),
    sa.UniqueConstraint('position', name=op.f('uq_dataset_versions_position')),
    sa.UniqueConstraint('project_id', 'dataset_id', 'number',
                        name=op.f('uq_dataset_versions_project_id_dataset_id_number'))
    )
    op.create_index(op.f('ix_dataset_versions_project_id'), 'dataset_versions', ['project_id'], unique=False)
    op.create_index(op.f('ix_dataset_versions_dataset_id'), 'dataset_versions', ['dataset_id'], unique=False)
    op.create_index(op.f('ix_dataset_versions_file_id'), 'dataset_versions', ['file_id'], unique=False)
    op.create_index('ix_dataset_versions_recipe', 'dataset_versions', ['project_id', 'dataset_id', 'recipe'])
    op.create_index('ix_dataset_versions_sha256', 'dataset_versions', ['project_id', 'sha256'])
    op.create_index('ix_dataset_versions_parents', 'dataset_versions', ['parents'], postgresql_using='gin')
    op.create_table('dataset_previews',
    sa.Column('version_id', sa.String(), nullable=False),
    sa.Column('model', sa.String(), nullable=False),
    sa.Column('lines', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('status', sa.String(), server_default='pending', nullable=False),
    sa.Column('error', sa.String(), nullable=True),
    sa.Column('examples', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status in ('pending', 'completed', 'failed')", name=op.f('ck_dataset_previews_status')),
    sa.ForeignKeyConstraint(['version_id'], ['dataset_versions.id'], name=op.f('fk_dataset_previews_version_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_dataset_previews_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset_previews')),
    sa.UniqueConstraint('position', name=op.f('uq_dataset_previews_position'))
    )
    op.create_index(op.f('ix_dataset_previews_project_id'), 'dataset_previews', ['project_id'], unique=False)
    op.create_index(op.f('ix_dataset_previews_version_id'), 'dataset_previews', ['version_id'], unique=False)
    for table in ('datasets', 'dataset_versions', 'dataset_previews'):
        build_wall(op, table)


def downgrade() -> None:
    for table in ('dataset_previews', 'dataset_versions', 'datasets'):
        op.drop_table(table)
    op.drop_index(op.f('ix_jobs_validation_file'), table_name='jobs')
    op.drop_index(op.f('ix_jobs_training_file'), table_name='jobs')
    op.drop_column('jobs', 'validation_version')
    op.drop_column('jobs', 'training_version')
    op.drop_column('files', 'kept_for')
