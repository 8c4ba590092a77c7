"""events in order for streams, and webhooks that a process of their own sends

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.walls import build_wall
from service.kit.database import DISPATCH_ROLE

revision: str = 'a0000011events'
down_revision: str | None = 'a0000010idempotency'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TRANSACTION = sa.text('pg_current_xact_id()::text::bigint')
_TOUCHED = ('events', 'work_items', 'webhook_deliveries')


def upgrade() -> None:
    op.add_column('projects', sa.Column('spend_thresholds', postgresql.JSONB(astext_type=sa.Text()),
                                        server_default=sa.text("'[]'"), nullable=False))
    _events()
    _endpoints()
    _deliveries()
    _attempts()
    _carry_over()
    _let_the_sender_in()


def _events() -> None:
    for table in ('events', 'job_events'):
        op.add_column(table, sa.Column('transaction_id', sa.BigInteger(), server_default=_TRANSACTION, nullable=False))
    op.create_index('ix_job_events_streamed', 'job_events', ['project_id', 'job_id', 'transaction_id', 'position'])
    op.add_column('events', sa.Column('sequence', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('events', sa.Column('told_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index('ix_events_streamed', 'events', ['project_id', 'transaction_id', 'position'])
    op.create_index('ix_events_untold', 'events', ['position'], postgresql_where=sa.text('told_at is null'))
    op.create_table('event_sequences',
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_event_sequences_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_event_sequences')),
    sa.UniqueConstraint('position', name=op.f('uq_event_sequences_position')),
    sa.UniqueConstraint('project_id', 'subject', name=op.f('uq_event_sequences_project_id_subject'))
    )
    op.create_index(op.f('ix_event_sequences_project_id'), 'event_sequences', ['project_id'], unique=False)


def _endpoints() -> None:
    op.add_column('webhook_endpoints', sa.Column('kind', sa.String(), server_default='webhook', nullable=False))
    op.add_column('webhook_endpoints', sa.Column('payload', sa.String(), server_default='thin', nullable=False))
    for name in ('failing_since', 'last_failure_at'):
        op.add_column('webhook_endpoints', sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column('webhook_endpoints', sa.Column('disabled_reason', sa.String(), nullable=True))
    op.add_column('webhook_endpoints', sa.Column('older_secrets', postgresql.JSONB(astext_type=sa.Text()),
                                                 server_default=sa.text("'[]'"), nullable=False))
    op.create_check_constraint(op.f('ck_webhook_endpoints_kind'), 'webhook_endpoints', "kind in ('webhook', 'slack')")
    op.create_check_constraint(op.f('ck_webhook_endpoints_payload'), 'webhook_endpoints', "payload in ('thin', 'full')")


def _deliveries() -> None:
    op.add_column('webhook_deliveries', sa.Column('tries', sa.Integer(), server_default=sa.text('0'), nullable=False))
    op.add_column('webhook_deliveries', sa.Column('lease', sa.String(), nullable=True))
    op.add_column('webhook_deliveries', sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True))
    op.execute('alter table webhook_deliveries set (fillfactor = 70)')  # room for leases beside what they are of
    op.add_column('webhook_deliveries', sa.Column('error_class', sa.String(), nullable=True))
    op.create_index(op.f('ix_webhook_deliveries_event_id'), 'webhook_deliveries', ['event_id'], unique=False)
    op.create_index('ix_webhook_deliveries_due', 'webhook_deliveries', ['endpoint_id', 'next_attempt_at'],
                    postgresql_where=sa.text("state = 'pending'"))


def _attempts() -> None:
    op.create_table('webhook_attempts',
    sa.Column('delivery_id', sa.String(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status_code', sa.Integer(), nullable=True),
    sa.Column('latency_ms', sa.Integer(), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('error_class', sa.String(), nullable=True),
    sa.Column('request_headers', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"),
              nullable=False),
    sa.Column('response_headers', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('response_body', sa.Text(), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['webhook_deliveries.id'], name=op.f('fk_webhook_attempts_delivery_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_webhook_attempts_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_attempts')),
    sa.UniqueConstraint('position', name=op.f('uq_webhook_attempts_position'))
    )
    op.create_index(op.f('ix_webhook_attempts_project_id'), 'webhook_attempts', ['project_id'], unique=False)
    op.create_index(op.f('ix_webhook_attempts_delivery_id'), 'webhook_attempts', ['delivery_id'], unique=False)


def _carry_over() -> None:
    """What workers had still to plan or to send is the sender's now, and subjects get their numbers."""
    for table in _TOUCHED:
        op.execute(f"alter table {table} no force row level security")
    op.execute("""
        update events set sequence = counted.number,
            told_at = case when exists (select 1 from work_items item where item.kind = 'webhooks.fan_out'
                                        and item.subject = events.id) then null else events.created_at end
        from (select id, row_number() over (partition by project_id, subject order by position) as number from events)
            as counted where counted.id = events.id""")
    op.execute("insert into event_sequences (id, project_id, subject, last)"
               " select 'seq_' || md5(random()::text || subject), project_id, subject, max(sequence)"
               " from events group by project_id, subject")
    op.execute("update webhook_deliveries set tries = attempts,"
               " next_attempt_at = coalesce(next_attempt_at, now()) where state = 'pending'")
    op.execute("delete from work_items where kind in ('webhooks.fan_out', 'webhooks.deliver')")
    for table in _TOUCHED:
        op.execute(f"alter table {table} force row level security")


def _let_the_sender_in() -> None:
    build_wall(op, 'event_sequences')
    build_wall(op, 'webhook_attempts')
    for table in ('events', 'job_events', 'webhook_endpoints', 'webhook_deliveries', 'webhook_attempts'):
        op.execute(f"create policy dispatch on {table} to {DISPATCH_ROLE} using (true) with check (true)")
    op.execute("grant select (id, project_id, position, transaction_id, type, subject, sequence, created_at, told_at,"
               f" dedupe_key), update (told_at, transaction_id), delete on events to {DISPATCH_ROLE}")
    op.execute(f"grant select (transaction_id), update (transaction_id) on job_events to {DISPATCH_ROLE}")
    op.execute("grant select (id, project_id, kind, payload, event_types, updated_at, failing_since, last_failure_at,"
               f" disabled_at, deleted_at), update (failing_since, last_failure_at) on webhook_endpoints to"
               f" {DISPATCH_ROLE}")
    op.execute(f"grant select, insert, update, delete on webhook_deliveries, webhook_attempts to {DISPATCH_ROLE}")


def downgrade() -> None:
    op.execute(f"revoke all on events, job_events, webhook_endpoints, webhook_deliveries from {DISPATCH_ROLE}")
    for table in ('events', 'job_events', 'webhook_endpoints', 'webhook_deliveries'):
        op.execute(f"drop policy dispatch on {table}")
    op.drop_table('webhook_attempts')
    op.drop_index(op.f('ix_webhook_deliveries_event_id'), table_name='webhook_deliveries')
    op.drop_index('ix_webhook_deliveries_due', table_name='webhook_deliveries',
                  postgresql_where=sa.text("state = 'pending'"))
    op.execute('alter table webhook_deliveries reset (fillfactor)')
    for name in ('tries', 'lease', 'leased_until', 'error_class'):
        op.drop_column('webhook_deliveries', name)
    for name in ('kind', 'payload'):
        op.drop_constraint(op.f(f'ck_webhook_endpoints_{name}'), 'webhook_endpoints', type_='check')
    for name in ('older_secrets', 'kind', 'payload', 'failing_since', 'last_failure_at', 'disabled_reason'):
        op.drop_column('webhook_endpoints', name)
    op.drop_table('event_sequences')
    op.drop_index('ix_events_untold', table_name='events', postgresql_where=sa.text('told_at is null'))
    op.drop_index('ix_events_streamed', table_name='events')
    op.drop_index('ix_job_events_streamed', table_name='job_events')
    for name in ('sequence', 'told_at', 'transaction_id'):
        op.drop_column('events', name)
    op.drop_column('job_events', 'transaction_id')
    op.drop_column('projects', 'spend_thresholds')
