"""reports of whole files, their segments, counts by other tokenizers

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall

revision: str = 'a0000001reports'
down_revision: str | None = 'f74819f37e90'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for column in (
        sa.Column('status', sa.String(), server_default='completed', nullable=False),
        sa.Column('verdict', sa.String(), nullable=True),
        sa.Column('score', sa.Integer(), nullable=True),
        sa.Column('body', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column('infos', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
        sa.Column('bytes_done', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
        sa.Column('bytes_total', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
        sa.Column('segments_done', sa.Integer(), server_default=sa.text('0'), nullable=False),
        sa.Column('segments_total', sa.Integer(), server_default=sa.text('0'), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    ):
        op.add_column('dataset_reports', column)
    op.alter_column('dataset_reports', 'completed_at', nullable=True, server_default=None)
    op.create_check_constraint(op.f('ck_dataset_reports_status'), 'dataset_reports',
                               "status in ('running', 'completed', 'failed')")
    op.create_check_constraint(op.f('ck_dataset_reports_verdict'), 'dataset_reports',
                               "verdict in ('go', 'warn', 'block')")
    op.drop_constraint(op.f('ck_dataset_findings_severity'), 'dataset_findings')
    op.create_check_constraint(op.f('ck_dataset_findings_severity'), 'dataset_findings',
                               "severity in ('error', 'warning', 'info')")

    op.create_table('dataset_segments',
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('start_byte', sa.BigInteger(), nullable=False),
    sa.Column('end_byte', sa.BigInteger(), nullable=False),
    sa.Column('bytes_done', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('object_key', sa.String(), nullable=True),
    *_common('dataset_segments'),
    sa.UniqueConstraint('project_id', 'file_id', 'number',
                        name=op.f('uq_dataset_segments_project_id_file_id_number'))
    )
    op.create_index(op.f('ix_dataset_segments_project_id'), 'dataset_segments', ['project_id'], unique=False)

    op.create_table('dataset_token_counts',
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('tokenizer', sa.String(), nullable=False),
    sa.Column('state', sa.String(), server_default='pending', nullable=False),
    sa.Column('bytes_done', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('problem', sa.String(), nullable=True),
    sa.Column('body', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    *_common('dataset_token_counts'),
    sa.CheckConstraint("state in ('pending', 'completed', 'unavailable', 'failed')",
                       name=op.f('ck_dataset_token_counts_state')),
    sa.UniqueConstraint('project_id', 'file_id', 'tokenizer',
                        name=op.f('uq_dataset_token_counts_project_id_file_id_tokenizer'))
    )
    op.create_index(op.f('ix_dataset_token_counts_project_id'), 'dataset_token_counts', ['project_id'], unique=False)
    for table in ('dataset_segments', 'dataset_token_counts'):
        build_wall(op, table)


def _common(table: str) -> list[sa.schema.SchemaItem]:
    """Columns and constraints of every row of a file."""
    return [
        sa.Column('project_id', sa.String(), nullable=False),
        sa.Column('id', sa.String(), nullable=False),
        sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(['file_id'], ['files.id'], name=op.f(f'fk_{table}_file_id')),
        sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f(f'fk_{table}_project_id')),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('position', name=op.f(f'uq_{table}_position')),
    ]


def downgrade() -> None:
    op.drop_table('dataset_token_counts')
    op.drop_table('dataset_segments')
    op.execute("delete from dataset_findings where severity = 'info'")
    op.drop_constraint(op.f('ck_dataset_findings_severity'), 'dataset_findings')
    op.create_check_constraint(op.f('ck_dataset_findings_severity'), 'dataset_findings',
                               "severity in ('error', 'warning')")
    op.execute("delete from dataset_reports where status <> 'completed'")
    op.drop_constraint(op.f('ck_dataset_reports_verdict'), 'dataset_reports')
    op.drop_constraint(op.f('ck_dataset_reports_status'), 'dataset_reports')
    op.execute("update dataset_reports set completed_at = now() where completed_at is null")
    op.alter_column('dataset_reports', 'completed_at', nullable=False, server_default=sa.text('now()'))
    for name in ('status', 'verdict', 'score', 'body', 'infos', 'bytes_done', 'bytes_total', 'segments_done',
                 'segments_total', 'started_at'):
        op.drop_column('dataset_reports', name)
