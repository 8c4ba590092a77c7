"""provider credentials, their data keys

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import IN_ORGANIZATION, IN_PROJECT, build_wall
from service.kit.database import APP_ROLE

revision: str = 'a0000005credentials'
down_revision: str | None = 'a0000004preflights'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OF_MY_ORGANIZATION = ("(project_id is null and organization_id = (select p.organization_id from projects p"
                       " where p.id = nullif(current_setting('app.project_id', true), '')))")
_MINE = f"{IN_PROJECT} or {IN_ORGANIZATION} or {_OF_MY_ORGANIZATION}"


def upgrade() -> None:
    op.create_table('data_keys',
    sa.Column('organization_id', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=True),
    sa.Column('wrapped', sa.LargeBinary(), nullable=False),
    sa.Column('kek', sa.String(), nullable=False),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_data_keys_organization_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_data_keys_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_data_keys')),
    sa.UniqueConstraint('position', name=op.f('uq_data_keys_position'))
    )
    op.create_index(op.f('ix_data_keys_organization_id'), 'data_keys', ['organization_id'], unique=False)
    op.create_index(op.f('ix_data_keys_project_id'), 'data_keys', ['project_id'], unique=False)
    op.create_index('uq_data_keys_project', 'data_keys', ['project_id'], unique=True,
                    postgresql_where=sa.text('retired_at is null and project_id is not null'))
    op.create_index('uq_data_keys_organization', 'data_keys', ['organization_id'], unique=True,
                    postgresql_where=sa.text('retired_at is null and project_id is null'))
    op.create_table('credentials',
    sa.Column('organization_id', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=True),
    sa.Column('provider', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('base_url', sa.String(), nullable=True),
    sa.Column('options', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('data_key_id', sa.String(), nullable=True),
    sa.Column('secret', sa.LargeBinary(), nullable=False),
    sa.Column('hint', sa.String(), server_default='', nullable=False),
    sa.Column('webhook_secret', sa.LargeBinary(), nullable=True),
    sa.Column('status', sa.String(), server_default='unchecked', nullable=False),
    sa.Column('status_details', sa.String(), nullable=True),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('models', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('created_by', sa.String(), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("provider in ('openai', 'azure', 'compatible', 'bedrock')", name=op.f('ck_credentials_provider')),
    sa.CheckConstraint("status in ('unchecked', 'valid', 'refused', 'unreachable')", name=op.f('ck_credentials_status')),
    sa.ForeignKeyConstraint(['data_key_id'], ['data_keys.id'], name=op.f('fk_credentials_data_key_id')),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_credentials_organization_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_credentials_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credentials')),
    sa.UniqueConstraint('position', name=op.f('uq_credentials_position'))
    )
    op.create_index(op.f('ix_credentials_data_key_id'), 'credentials', ['data_key_id'], unique=False)
    op.create_index(op.f('ix_credentials_organization_id'), 'credentials', ['organization_id'], unique=False)
    op.create_index(op.f('ix_credentials_project_id'), 'credentials', ['project_id'], unique=False)
    op.create_index('uq_credentials_project_name', 'credentials', ['project_id', 'name'], unique=True,
                    postgresql_where=sa.text('deleted_at is null and project_id is not null'))
    op.create_index('uq_credentials_organization_name', 'credentials', ['organization_id', 'name'], unique=True,
                    postgresql_where=sa.text('deleted_at is null and project_id is null'))
    build_wall(op, 'data_keys', rows=_MINE)
    build_wall(op, 'credentials', rows=_MINE, rights='select, insert, update')

    # A project sees what belongs to its organization, and may note there how a check went, but changes nothing else.
    op.execute("""
        create function keep_shared_row() returns trigger language plpgsql set search_path = public, pg_temp as $$
        declare
            noted text[] := coalesce(tg_argv, '{}');
            before jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
            after jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
        begin
            if coalesce(current_setting('app.organization_id', true), '') = ''
               and (before->>'project_id' is null and tg_op <> 'INSERT'
                    or after->>'project_id' is null and tg_op <> 'DELETE')
               and (tg_op <> 'UPDATE' or (before - noted) is distinct from (after - noted)) then
                raise exception 'a project does not change what belongs to its organization'
                    using errcode = 'insufficient_privilege';
            end if;
            return case when tg_op = 'DELETE' then old else new end;
        end $$""")
    for table, noted in (('data_keys', ''), ('credentials', "'status', 'status_details', 'checked_at', 'models'")):
        op.execute(f"create trigger keep_shared before insert or update or delete on {table} for each row"
                   f" execute function keep_shared_row({noted})")

    # A provider's webhook brings no key of ours: this door shows the one credential it names, and only what the
    # signature is checked with, which is of no use without the key-encryption key.
    for table in ('credentials', 'data_keys'):
        op.execute(f"create policy signing on {table} for select to current_user"
                   f" using (id = nullif(current_setting('app.signing_{table}', true), ''))")
    op.execute("""
        create function credential_signing(credential_id text)
        returns table (id text, organization_id text, project_id text, webhook_secret bytea, data_key_id text,
                       wrapped bytea, kek text)
        language plpgsql security definer set search_path = public, pg_temp as $$
        declare key_id text;
        begin
            perform set_config('app.signing_credentials', credential_id, true);
            select c.data_key_id into key_id from credentials c where c.id = credential_id;
            perform set_config('app.signing_data_keys', coalesce(key_id, ''), true);
            return query
                select c.id::text, c.organization_id::text, c.project_id::text, c.webhook_secret, k.id::text,
                       k.wrapped, k.kek::text
                from credentials c join data_keys k on k.id = c.data_key_id
                where c.id = credential_id and c.deleted_at is null and c.webhook_secret is not null;
            perform set_config('app.signing_credentials', '', true), set_config('app.signing_data_keys', '', true);
        end $$""")
    op.execute("revoke all on function credential_signing from public")
    op.execute(f"grant execute on function credential_signing to {APP_ROLE}")


def downgrade() -> None:
    op.execute("drop function credential_signing")
    op.drop_table('credentials')
    op.drop_table('data_keys')
    op.execute("drop function keep_shared_row")
