"""human review and training policies

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall
from service.kit.database import APP_ROLE

revision: str = 'a0000003reviews'
down_revision: str | None = 'a0000002datasets'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column('files', sa.Column('created_by', sa.String(), nullable=True))
    op.add_column('uploads', sa.Column('created_by', sa.String(), nullable=True))
    op.add_column('projects', sa.Column('training_policy', postgresql.JSONB(), nullable=True))

    op.create_table('reviews',
    sa.Column('version_id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=True),
    sa.Column('instructions', sa.Text(), nullable=True),
    sa.Column('status', sa.String(), server_default='preparing', nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('wanted', postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('seed', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('reviewers_per_item', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('lines', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('created_by', sa.String(), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_by', sa.String(), nullable=True),
    sa.Column('approved', sa.Boolean(), nullable=True),
    sa.Column('closing_comment', sa.Text(), nullable=True),
    *_row(),
    sa.CheckConstraint("status in ('preparing', 'open', 'closed', 'failed')", name=op.f('ck_reviews_status')),
    *_keys('reviews', ('version_id', 'dataset_versions'))
    )
    op.create_index(op.f('ix_reviews_version_id'), 'reviews', ['version_id'], unique=False)
    op.create_table('review_items',
    sa.Column('review_id', sa.String(), nullable=False),
    sa.Column('line', sa.BigInteger(), nullable=False),
    sa.Column('start', sa.BigInteger(), nullable=False),
    sa.Column('length', sa.BigInteger(), nullable=False),
    sa.Column('flags', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('suspicion', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('chosen_as', sa.String(), server_default='sampled', nullable=False),
    sa.Column('status', sa.String(), server_default='open', nullable=False),
    sa.Column('assignee', sa.String(), nullable=True),
    sa.Column('leased_to', sa.String(), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    *_row(),
    sa.CheckConstraint("status in ('open', 'approved', 'rejected', 'edited', 'conflict')",
                       name=op.f('ck_review_items_status')),
    sa.CheckConstraint("chosen_as in ('flagged', 'sampled')", name=op.f('ck_review_items_chosen_as')),
    sa.UniqueConstraint('project_id', 'review_id', 'line', name=op.f('uq_review_items_project_id_review_id_line')),
    *_keys('review_items', ('review_id', 'reviews'))
    )
    op.create_index('ix_review_items_queue', 'review_items', ['review_id', 'status', 'position'], unique=False)
    op.create_table('review_decisions',
    sa.Column('item_id', sa.String(), nullable=False),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('decision', sa.String(), nullable=False),
    sa.Column('example', sa.Text(), nullable=True),
    sa.Column('comment', sa.Text(), nullable=True),
    *_row(),
    sa.CheckConstraint("decision in ('approve', 'reject', 'edit')", name=op.f('ck_review_decisions_decision')),
    sa.CheckConstraint("(decision = 'edit') = (example is not null)", name=op.f('ck_review_decisions_example')),
    *_keys('review_decisions', ('item_id', 'review_items'))
    )
    op.create_index(op.f('ix_review_decisions_item_id'), 'review_decisions', ['item_id'], unique=False)
    op.create_table('review_comments',
    sa.Column('item_id', sa.String(), nullable=False),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    *_row(),
    *_keys('review_comments', ('item_id', 'review_items'))
    )
    op.create_index(op.f('ix_review_comments_item_id'), 'review_comments', ['item_id'], unique=False)
    for table in ('reviews', 'review_items', 'review_decisions', 'review_comments'):
        op.create_index(op.f(f'ix_{table}_project_id'), table, ['project_id'], unique=False)

    build_wall(op, "reviews")
    build_wall(op, "review_items")
    build_wall(op, "review_decisions", rights="select, insert")
    build_wall(op, "review_comments", rights="select, insert")
    _replace_door(owner=True)


def downgrade() -> None:
    _replace_door(owner=False)
    for table in ('review_comments', 'review_decisions', 'review_items', 'reviews'):
        op.drop_table(table)
    op.drop_column('projects', 'training_policy')
    op.drop_column('uploads', 'created_by')
    op.drop_column('files', 'created_by')


def _row() -> list[sa.Column[object]]:
    return [
        sa.Column('project_id', sa.String(), nullable=False),
        sa.Column('id', sa.String(), nullable=False),
        sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False)]


def _keys(table: str, parent: tuple[str, str]) -> list[sa.Constraint]:
    column, target = parent
    return [
        sa.ForeignKeyConstraint([column], [f'{target}.id'], name=op.f(f'fk_{table}_{column}'), ondelete='cascade'),
        sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f(f'fk_{table}_project_id')),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('position', name=op.f(f'uq_{table}_position'))]


def _replace_door(*, owner: bool) -> None:
    """The function through which keys are recognised, telling the key's service account or (as before) not.

    What a function returns cannot be changed in place; callers wait for this transaction and then find the new one.
    """
    column, value = ("service_account_id text, ", "k.service_account_id::text, ") if owner else ("", "")
    op.execute("drop function authenticate_key")
    op.execute(f"""
        create function authenticate_key(key_hash bytea)
        returns table (key_id text, organization_id text, project_id text, slug text, {column}
                       expires_at timestamptz, last_used_at timestamptz)
        language plpgsql security definer set search_path = public, pg_temp as $$
        declare found_project text;
        begin
            perform set_config('app.key_hash', encode(key_hash, 'hex'), true);
            select k.project_id into found_project from api_keys k where k.hash = key_hash;
            perform set_config('app.key_project', coalesce(found_project, ''), true);
            return query
                select k.id::text, k.organization_id::text, k.project_id::text, p.slug::text, {value}
                       k.expires_at, k.last_used_at
                from api_keys k left join projects p on p.id = k.project_id
                where k.hash = key_hash and k.revoked_at is null
                  and (k.expires_at is null or k.expires_at > now()) and p.archived_at is null;
            perform set_config('app.key_hash', '', true), set_config('app.key_project', '', true);
        end $$""")
    op.execute("revoke all on function authenticate_key from public")
    op.execute(f"grant execute on function authenticate_key to {APP_ROLE}")
