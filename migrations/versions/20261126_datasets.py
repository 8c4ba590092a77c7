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


def _common() -> list[sa.Column[object]]:
    return [sa.Column('project_id', sa.String(), nullable=False), sa.Column('id', sa.String(), nullable=False),
            sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
            sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False)]


def upgrade() -> None:
    op.create_table('datasets', sa.Column('name', sa.String(), nullable=False),
    sa.Column('created_by', sa.String(), nullable=True),
    sa.Column('last_number', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True), *_common(),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_datasets_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_datasets')),
    sa.UniqueConstraint('position', name=op.f('uq_datasets_position')))
    op.create_index(op.f('ix_datasets_project_id'), 'datasets', ['project_id'])
    op.create_table('dataset_versions', sa.Column('dataset_id', sa.String(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False), sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('created_by', sa.String(), nullable=True), sa.Column('examples', sa.BigInteger(), nullable=True),
    sa.Column('source', postgresql.JSONB(), nullable=False), sa.Column('error', sa.String(), nullable=True),
    sa.Column('status', sa.String(), server_default='building', nullable=False),
    sa.Column('parents', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('recipe', sa.String(), nullable=False), sa.Column('sha256', sa.String(), nullable=True),
    sa.Column('bytes', sa.BigInteger(), nullable=True),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True), *_common(),
    sa.ForeignKeyConstraint(['dataset_id'], ['datasets.id'], name=op.f('fk_dataset_versions_dataset_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_dataset_versions_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset_versions')),
    sa.UniqueConstraint('position', name=op.f('uq_dataset_versions_position')),
    sa.UniqueConstraint('project_id', 'dataset_id', 'number', name=op.f('uq_dataset_versions_project_id_dataset_id_number')))
    for column in ('dataset_id', 'file_id', 'project_id'):
        op.create_index(op.f(f'ix_dataset_versions_{column}'), 'dataset_versions', [column])
    build_wall(op, "datasets")
    build_wall(op, "dataset_versions")


def downgrade() -> None:
    op.drop_table('dataset_versions')
    op.drop_table('datasets')
