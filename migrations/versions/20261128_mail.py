"""mail to people: subscriptions, what is to be told to them, and the mails that tell it

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall
from service.kit.database import APP_ROLE, DISPATCH_ROLE

revision: str = 'a0000012mail'
down_revision: str | None = 'a0000011events'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _common(table: str) -> list[sa.Column[object] | sa.Constraint]:
    return [
        sa.Column('project_id', sa.String(), nullable=False),
        sa.Column('id', sa.String(), nullable=False),
        sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
        sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f(f'fk_{table}_project_id')),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('position', name=op.f(f'uq_{table}_position')),
    ]


def upgrade() -> None:
    _subscriptions()
    _mails()
    _notices()
    _let_the_sender_in()
    _open_doors()


def _subscriptions() -> None:
    op.create_table('mail_subscriptions',
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('address', sa.String(), nullable=False),
    sa.Column('event_types', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('digest', sa.String(), server_default='immediate', nullable=False),
    sa.Column('status', sa.String(), server_default='unconfirmed', nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=False),
    sa.Column('bounces', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('unsubscribed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('disabled_reason', sa.String(), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    *_common('mail_subscriptions'),
    sa.CheckConstraint("status in ('unconfirmed', 'active', 'unsubscribed', 'disabled')",
                       name=op.f('ck_mail_subscriptions_status')),
    sa.CheckConstraint("digest in ('immediate', 'hourly', 'daily')", name=op.f('ck_mail_subscriptions_digest')),
    )
    op.create_index(op.f('ix_mail_subscriptions_project_id'), 'mail_subscriptions', ['project_id'], unique=False)
    op.create_index('ix_mail_subscriptions_address', 'mail_subscriptions', ['project_id', sa.text('lower(address)')],
                    unique=False)


def _mails() -> None:
    op.create_table('mails',
    sa.Column('subscription_id', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('address', sa.String(), nullable=False),
    sa.Column('state', sa.String(), server_default='pending', nullable=False),
    sa.Column('attempts', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    *_common('mails'),
    sa.ForeignKeyConstraint(['subscription_id'], ['mail_subscriptions.id'], name=op.f('fk_mails_subscription_id')),
    sa.CheckConstraint("kind in ('confirmation', 'test', 'event', 'digest')", name=op.f('ck_mails_kind')),
    sa.CheckConstraint("state in ('pending', 'sent', 'failed', 'dropped')", name=op.f('ck_mails_state')),
    )
    op.create_index(op.f('ix_mails_project_id'), 'mails', ['project_id'], unique=False)
    op.create_index(op.f('ix_mails_subscription_id'), 'mails', ['subscription_id'], unique=False)
    op.create_index('ix_mails_confirmations', 'mails', [sa.text('lower(address)'), 'created_at'], unique=False,
                    postgresql_where=sa.text("kind = 'confirmation'"))


def _notices() -> None:
    op.create_table('mail_notices',
    sa.Column('subscription_id', sa.String(), nullable=False),
    sa.Column('event_id', sa.String(), nullable=False),
    sa.Column('mail_id', sa.String(), nullable=True),
    *_common('mail_notices'),
    sa.ForeignKeyConstraint(['subscription_id'], ['mail_subscriptions.id'],
                            name=op.f('fk_mail_notices_subscription_id')),
    sa.ForeignKeyConstraint(['event_id'], ['events.id'], name=op.f('fk_mail_notices_event_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['mail_id'], ['mails.id'], name=op.f('fk_mail_notices_mail_id'), ondelete='CASCADE'),
    sa.UniqueConstraint('project_id', 'subscription_id', 'event_id', name=op.f('uq_mail_notices_project_id_subscription_id_event_id')),
    )
    op.create_index(op.f('ix_mail_notices_project_id'), 'mail_notices', ['project_id'], unique=False)
    op.create_index(op.f('ix_mail_notices_event_id'), 'mail_notices', ['event_id'], unique=False)
    op.create_index(op.f('ix_mail_notices_mail_id'), 'mail_notices', ['mail_id'], unique=False)
    op.create_index('ix_mail_notices_waiting', 'mail_notices', ['subscription_id', 'position'], unique=False,
                    postgresql_where=sa.text('mail_id is null'))


def _let_the_sender_in() -> None:
    """It plans who is to be told of what; it sees no address."""
    for table in ('mail_subscriptions', 'mails', 'mail_notices'):
        build_wall(op, table)
        op.execute(f"create policy dispatch on {table} to {DISPATCH_ROLE} using (true) with check (true)")
    op.execute("grant select (id, project_id, event_types, digest, status, deleted_at) on mail_subscriptions to"
               f" {DISPATCH_ROLE}")
    op.execute(f"grant select, insert on mail_notices to {DISPATCH_ROLE}")
    # update: what is deleted is locked first
    op.execute("grant select (id, project_id, state, created_at, position), update (state), delete on mails to"
               f" {DISPATCH_ROLE}")


def _open_doors() -> None:
    """A link in a mail brings no key: one door tells whose the subscription is that it names, and nothing else.

    The other tells how often an address was asked to confirm in the last day, by whichever tenants.
    """
    op.execute("create policy linking on mail_subscriptions for select to current_user"
               " using (id = nullif(current_setting('app.mail_subscription', true), ''))")
    op.execute("""
        create function mail_subscription_project(subscription_id text) returns text
        language plpgsql security definer set search_path = public, pg_temp as $$
        declare found_project text;
        begin
            perform set_config('app.mail_subscription', subscription_id, true);
            select s.project_id into found_project from mail_subscriptions s where s.id = subscription_id;
            perform set_config('app.mail_subscription', '', true);
            return found_project;
        end $$""")
    op.execute("create policy counting on mails for select to current_user using"
               " (kind = 'confirmation' and lower(address) = nullif(current_setting('app.mail_address', true), ''))")
    op.execute("""
        create function mail_confirmations_lately(asked text) returns integer
        language plpgsql security definer set search_path = public, pg_temp as $$
        declare found integer;
        begin
            perform set_config('app.mail_address', lower(asked), true);
            select count(*) into found from mails m where m.kind = 'confirmation' and lower(m.address) = lower(asked)
                and m.state = 'sent' and m.sent_at > now() - interval '1 day';
            perform set_config('app.mail_address', '', true);
            return found;
        end $$""")
    for function in ('mail_subscription_project', 'mail_confirmations_lately'):
        op.execute(f"revoke all on function {function} from public")
        op.execute(f"grant execute on function {function} to {APP_ROLE}")


def downgrade() -> None:
    op.execute("drop function mail_subscription_project")
    op.execute("drop function mail_confirmations_lately")
    op.execute("alter table work_items no force row level security")
    op.execute("delete from work_items where kind in ('mail.gather', 'mail.send')")
    op.execute("alter table work_items force row level security")
    for table in ('mail_notices', 'mails', 'mail_subscriptions'):
        op.drop_table(table)
