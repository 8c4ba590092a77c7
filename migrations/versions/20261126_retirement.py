"""ends of models, told and answered by successors

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.walls import build_wall

revision: str = 'a0000008retirement'
down_revision: str | None = 'a0000007imports'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('events', sa.Column('dedupe_key', sa.String(), nullable=True))
    op.create_unique_constraint(op.f('uq_events_project_id_dedupe_key'), 'events', ['project_id', 'dedupe_key'])

    op.create_table('model_mappings',
    sa.Column('model', sa.String(), nullable=False),
    sa.Column('successor', sa.String(), nullable=False),
    sa.Column('always', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_model_mappings_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_model_mappings')),
    sa.UniqueConstraint('position', name=op.f('uq_model_mappings_position')),
    sa.UniqueConstraint('project_id', 'model', name=op.f('uq_model_mappings_project_id_model'))
    )
    op.create_index(op.f('ix_model_mappings_project_id'), 'model_mappings', ['project_id'], unique=False)
    build_wall(op, 'model_mappings')

    # Whoever has tuned models already is told of their ends too; the work goes on from day to day by itself. The login
    # owns the tables, but forced row-level security binds it as well.
    for table in ('tuned_models', 'work_items'):
        op.execute(f"alter table {table} no force row level security")
    op.execute("""
        insert into work_items (id, project_id, kind, queue, subject)
        select 'work_' || md5(project_id || 'catalog.announce_retirement'), project_id, 'catalog.announce_retirement',
               'io', project_id
        from (select distinct project_id from tuned_models where deleted_at is null) owners
        on conflict do nothing
    """)
    for table in ('tuned_models', 'work_items'):
        op.execute(f"alter table {table} force row level security")


def downgrade() -> None:
    op.execute("alter table work_items no force row level security")
    op.execute("delete from work_items where kind = 'catalog.announce_retirement'")
    op.execute("alter table work_items force row level security")
    op.drop_table('model_mappings')
    op.drop_constraint(op.f('uq_events_project_id_dedupe_key'), 'events', type_='unique')
    op.drop_column('events', 'dedupe_key')
