"""first tables, their walls, and the one door through which keys are recognised

A migration must not break the code that is running while it is applied: add first, remove one release later.
A new table with a project_id needs `build_wall(op, "<table>")` (see migrations/walls.py).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.walls import IN_ORGANIZATION, IN_PROJECT, build_wall, make_roles
from service.kit.database import APP_ROLE, DISPATCH_ROLE
from sqlalchemy.dialects import postgresql

revision: str = 'f74819f37e90'
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    make_roles(op)
    op.create_table('organizations',
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_organizations')),
    sa.UniqueConstraint('position', name=op.f('uq_organizations_position'))
    )
    op.create_table('projects',
    sa.Column('organization_id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('slug', sa.String(), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_projects_organization_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_projects')),
    sa.UniqueConstraint('organization_id', 'slug', name=op.f('uq_projects_organization_id_slug')),
    sa.UniqueConstraint('position', name=op.f('uq_projects_position'))
    )
    op.create_index(op.f('ix_projects_organization_id'), 'projects', ['organization_id'], unique=False)
    op.create_table('audit_entries',
    sa.Column('organization_id', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=True),
    sa.Column('actor', sa.String(), nullable=False),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('details', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_audit_entries_organization_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_audit_entries_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entries')),
    sa.UniqueConstraint('position', name=op.f('uq_audit_entries_position'))
    )
    op.create_index(op.f('ix_audit_entries_organization_id'), 'audit_entries', ['organization_id'], unique=False)
    op.create_table('events',
    sa.Column('type', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_events_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_events')),
    sa.UniqueConstraint('position', name=op.f('uq_events_position'))
    )
    op.create_index(op.f('ix_events_project_id'), 'events', ['project_id'], unique=False)
    op.create_index('ix_events_subject', 'events', ['project_id', 'subject'], unique=False)
    op.create_table('files',
    sa.Column('filename', sa.String(), nullable=False),
    sa.Column('purpose', sa.String(), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('sha256', sa.String(), nullable=False),
    sa.Column('object_key', sa.String(), nullable=False),
    sa.Column('status', sa.String(), server_default='uploaded', nullable=False),
    sa.Column('status_details', sa.String(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status in ('uploaded', 'processed', 'error')", name=op.f('ck_files_status')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_files_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_files')),
    sa.UniqueConstraint('position', name=op.f('uq_files_position'))
    )
    op.create_index(op.f('ix_files_project_id'), 'files', ['project_id'], unique=False)
    op.create_table('jobs',
    sa.Column('organization_id', sa.String(), nullable=False),
    sa.Column('model', sa.String(), nullable=False),
    sa.Column('base_model', sa.String(), nullable=False),
    sa.Column('provider', sa.String(), nullable=False),
    sa.Column('status', sa.String(length=32), server_default='validating_files', nullable=False),
    sa.Column('method', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('training_file', sa.String(), nullable=False),
    sa.Column('validation_file', sa.String(), nullable=True),
    sa.Column('suffix', sa.String(), nullable=True),
    sa.Column('seed', sa.Integer(), nullable=False),
    sa.Column('metadata', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('integrations', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('cancel_requested_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('pause_requested_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('estimated_finish', sa.DateTime(timezone=True), nullable=True),
    sa.Column('trained_tokens', sa.BigInteger(), nullable=True),
    sa.Column('fine_tuned_model', sa.String(), nullable=True),
    sa.Column('model_code', sa.String(), nullable=False),
    sa.Column('result_files', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
    sa.Column('error', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('handle', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('last_step', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('total_steps', sa.Integer(), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("finished_at is null or status in ('succeeded', 'failed', 'cancelled')", name=op.f('ck_jobs_finished')),
    sa.CheckConstraint("status in ('validating_files', 'queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')", name=op.f('ck_jobs_status')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_jobs_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_jobs')),
    sa.UniqueConstraint('position', name=op.f('uq_jobs_position'))
    )
    op.create_index('ix_jobs_metadata', 'jobs', ['metadata'], unique=False, postgresql_using='gin')
    op.create_index(op.f('ix_jobs_project_id'), 'jobs', ['project_id'], unique=False)
    op.create_table('service_accounts',
    sa.Column('organization_id', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('role', sa.String(), server_default='member', nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("role in ('owner', 'member', 'none')", name=op.f('ck_service_accounts_role')),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_service_accounts_organization_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_service_accounts_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_accounts')),
    sa.UniqueConstraint('position', name=op.f('uq_service_accounts_position'))
    )
    op.create_index(op.f('ix_service_accounts_organization_id'), 'service_accounts', ['organization_id'], unique=False)
    op.create_index(op.f('ix_service_accounts_project_id'), 'service_accounts', ['project_id'], unique=False)
    op.create_table('tuned_models',
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('base_model', sa.String(), nullable=False),
    sa.Column('provider', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('job_id', sa.String(), nullable=False),
    sa.Column('step', sa.Integer(), nullable=False),
    sa.Column('artifact_prefix', sa.String(), nullable=False),
    sa.Column('manifest', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("kind in ('adapter', 'model')", name=op.f('ck_tuned_models_kind')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_tuned_models_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tuned_models')),
    sa.UniqueConstraint('position', name=op.f('uq_tuned_models_position')),
    sa.UniqueConstraint('project_id', 'name', name=op.f('uq_tuned_models_project_id_name'))
    )
    op.create_index('ix_tuned_models_job', 'tuned_models', ['project_id', 'job_id'], unique=False)
    op.create_index(op.f('ix_tuned_models_project_id'), 'tuned_models', ['project_id'], unique=False)
    op.create_table('webhook_endpoints',
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('url', sa.String(), nullable=False),
    sa.Column('event_types', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=False),
    sa.Column('old_secret', sa.LargeBinary(), nullable=True),
    sa.Column('old_secret_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_webhook_endpoints_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_endpoints')),
    sa.UniqueConstraint('position', name=op.f('uq_webhook_endpoints_position'))
    )
    op.create_index(op.f('ix_webhook_endpoints_project_id'), 'webhook_endpoints', ['project_id'], unique=False)
    op.create_table('work_items',
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('queue', sa.String(), nullable=False),
    sa.Column('subject', sa.String(), nullable=False),
    sa.Column('state', sa.String(), server_default='pending', nullable=False),
    sa.Column('again', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('run_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('next_dispatch', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('dispatches', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('fence', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('lease_owner', sa.String(), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('progress', sa.String(), nullable=True),
    sa.Column('progress_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('crashes', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('failures', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("state in ('pending', 'running', 'failed')", name=op.f('ck_work_items_state')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_work_items_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_work_items')),
    sa.UniqueConstraint('position', name=op.f('uq_work_items_position')),
    sa.UniqueConstraint('project_id', 'kind', 'subject', name='uq_work_items_subject')
    )
    op.create_index('ix_work_items_due', 'work_items', ['next_dispatch'], unique=False, postgresql_where=sa.text("state <> 'failed'"))
    op.create_index(op.f('ix_work_items_project_id'), 'work_items', ['project_id'], unique=False)
    op.create_table('api_keys',
    sa.Column('organization_id', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=True),
    sa.Column('service_account_id', sa.String(), nullable=True),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.Column('redacted_value', sa.String(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('(project_id is null) = (service_account_id is null)', name=op.f('ck_api_keys_owner')),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], name=op.f('fk_api_keys_organization_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_api_keys_project_id')),
    sa.ForeignKeyConstraint(['service_account_id'], ['service_accounts.id'], name=op.f('fk_api_keys_service_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_keys')),
    sa.UniqueConstraint('hash', name=op.f('uq_api_keys_hash')),
    sa.UniqueConstraint('position', name=op.f('uq_api_keys_position'))
    )
    op.create_index(op.f('ix_api_keys_organization_id'), 'api_keys', ['organization_id'], unique=False)
    op.create_index(op.f('ix_api_keys_project_id'), 'api_keys', ['project_id'], unique=False)
    op.create_index(op.f('ix_api_keys_service_account_id'), 'api_keys', ['service_account_id'], unique=False)
    op.create_table('dataset_reports',
    sa.Column('file_id', sa.String(), nullable=False),
    sa.Column('format', sa.String(), nullable=True),
    sa.Column('examples', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('lines', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('errors', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('warnings', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('counts', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('completed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], name=op.f('fk_dataset_reports_file_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_dataset_reports_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset_reports')),
    sa.UniqueConstraint('position', name=op.f('uq_dataset_reports_position')),
    sa.UniqueConstraint('project_id', 'file_id', name=op.f('uq_dataset_reports_project_id_file_id'))
    )
    op.create_index(op.f('ix_dataset_reports_project_id'), 'dataset_reports', ['project_id'], unique=False)
    op.create_table('job_checkpoints',
    sa.Column('job_id', sa.String(), nullable=False),
    sa.Column('step_number', sa.Integer(), nullable=False),
    sa.Column('fine_tuned_model_checkpoint', sa.String(), nullable=False),
    sa.Column('metrics', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('artifact_prefix', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_job_checkpoints_job_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_job_checkpoints_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_job_checkpoints')),
    sa.UniqueConstraint('position', name=op.f('uq_job_checkpoints_position')),
    sa.UniqueConstraint('project_id', 'job_id', 'step_number', name=op.f('uq_job_checkpoints_project_id_job_id_step_number'))
    )
    op.create_index(op.f('ix_job_checkpoints_job_id'), 'job_checkpoints', ['job_id'], unique=False)
    op.create_index(op.f('ix_job_checkpoints_project_id'), 'job_checkpoints', ['project_id'], unique=False)
    op.create_table('job_events',
    sa.Column('job_id', sa.String(), nullable=False),
    sa.Column('key', sa.String(), nullable=False),
    sa.Column('level', sa.String(), server_default='info', nullable=False),
    sa.Column('type', sa.String(), server_default='message', nullable=False),
    sa.Column('message', sa.String(), nullable=False),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("level in ('info', 'warn', 'error')", name=op.f('ck_job_events_level')),
    sa.ForeignKeyConstraint(['job_id'], ['jobs.id'], name=op.f('fk_job_events_job_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_job_events_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_job_events')),
    sa.UniqueConstraint('position', name=op.f('uq_job_events_position')),
    sa.UniqueConstraint('project_id', 'job_id', 'key', name=op.f('uq_job_events_project_id_job_id_key'))
    )
    op.create_index(op.f('ix_job_events_job_id'), 'job_events', ['job_id'], unique=False)
    op.create_index(op.f('ix_job_events_project_id'), 'job_events', ['project_id'], unique=False)
    op.create_table('uploads',
    sa.Column('filename', sa.String(), nullable=False),
    sa.Column('purpose', sa.String(), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('mime_type', sa.String(), nullable=False),
    sa.Column('status', sa.String(), server_default='pending', nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('file_expires_after_seconds', sa.Integer(), nullable=True),
    sa.Column('file_id', sa.String(), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("status in ('pending', 'completed', 'cancelled', 'expired')", name=op.f('ck_uploads_status')),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], name=op.f('fk_uploads_file_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_uploads_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_uploads')),
    sa.UniqueConstraint('position', name=op.f('uq_uploads_position'))
    )
    op.create_index(op.f('ix_uploads_project_id'), 'uploads', ['project_id'], unique=False)
    op.create_table('webhook_deliveries',
    sa.Column('event_id', sa.String(), nullable=False),
    sa.Column('endpoint_id', sa.String(), nullable=False),
    sa.Column('state', sa.String(), server_default='pending', nullable=False),
    sa.Column('attempts', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('status_code', sa.Integer(), nullable=True),
    sa.Column('latency_ms', sa.Integer(), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('response_body', sa.Text(), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("state in ('pending', 'delivered', 'failed')", name=op.f('ck_webhook_deliveries_state')),
    sa.ForeignKeyConstraint(['endpoint_id'], ['webhook_endpoints.id'], name=op.f('fk_webhook_deliveries_endpoint_id')),
    sa.ForeignKeyConstraint(['event_id'], ['events.id'], name=op.f('fk_webhook_deliveries_event_id')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_webhook_deliveries_project_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_deliveries')),
    sa.UniqueConstraint('position', name=op.f('uq_webhook_deliveries_position')),
    sa.UniqueConstraint('project_id', 'event_id', 'endpoint_id', name=op.f('uq_webhook_deliveries_project_id_event_id_endpoint_id'))
    )
    op.create_index(op.f('ix_webhook_deliveries_endpoint_id'), 'webhook_deliveries', ['endpoint_id'], unique=False)
    op.create_index(op.f('ix_webhook_deliveries_project_id'), 'webhook_deliveries', ['project_id'], unique=False)
    op.create_table('dataset_findings',
    sa.Column('report_id', sa.String(), nullable=False),
    sa.Column('severity', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('line', sa.BigInteger(), nullable=True),
    sa.Column('path', sa.String(), nullable=True),
    sa.Column('message', sa.String(), nullable=False),
    sa.Column('hint', sa.String(), nullable=True),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("severity in ('error', 'warning')", name=op.f('ck_dataset_findings_severity')),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_dataset_findings_project_id')),
    sa.ForeignKeyConstraint(['report_id'], ['dataset_reports.id'], name=op.f('fk_dataset_findings_report_id'), ondelete='cascade'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dataset_findings')),
    sa.UniqueConstraint('position', name=op.f('uq_dataset_findings_position'))
    )
    op.create_index(op.f('ix_dataset_findings_project_id'), 'dataset_findings', ['project_id'], unique=False)
    op.create_index(op.f('ix_dataset_findings_report_id'), 'dataset_findings', ['report_id'], unique=False)
    op.create_table('upload_parts',
    sa.Column('upload_id', sa.String(), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('object_key', sa.String(), nullable=False),
    sa.Column('project_id', sa.String(), nullable=False),
    sa.Column('id', sa.String(), nullable=False),
    sa.Column('position', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['project_id'], ['projects.id'], name=op.f('fk_upload_parts_project_id')),
    sa.ForeignKeyConstraint(['upload_id'], ['uploads.id'], name=op.f('fk_upload_parts_upload_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_upload_parts')),
    sa.UniqueConstraint('position', name=op.f('uq_upload_parts_position')),
    sa.UniqueConstraint('project_id', 'upload_id', 'id', name=op.f('uq_upload_parts_project_id_upload_id_id'))
    )
    op.create_index(op.f('ix_upload_parts_project_id'), 'upload_parts', ['project_id'], unique=False)
    op.create_index(op.f('ix_upload_parts_upload_id'), 'upload_parts', ['upload_id'], unique=False)

    # -- walls ---------------------------------------------------------------------------------------
    for table in ("work_items", "files", "uploads", "upload_parts", "dataset_reports", "dataset_findings",
                  "tuned_models", "jobs", "job_events", "job_checkpoints", "webhook_endpoints",
                  "webhook_deliveries"):
        build_wall(op, table)
    build_wall(op, "events", rights="select, insert")
    mine = f"{IN_PROJECT} or {IN_ORGANIZATION}"
    build_wall(op, "organizations", rows="id = nullif(current_setting('app.organization_id', true), '')",
               rights="select, insert")
    build_wall(op, "projects", rows=f"{IN_PROJECT.replace('project_id', 'id', 1)} or {IN_ORGANIZATION}",
               rights="select, insert, update")
    build_wall(op, "service_accounts", rows=mine, rights="select, insert, update")
    build_wall(op, "api_keys", rows=mine, rights="select, insert, update")
    build_wall(op, "audit_entries", rows=mine, rights="select, insert")

    op.execute(f"create policy dispatch on work_items to {DISPATCH_ROLE} using (true) with check (true)")
    op.execute(f"grant select, update on work_items to {DISPATCH_ROLE}")

    # -- doors ---------------------------------------------------------------------------------------
    # A key arrives before it is known whose it is. The login's forced row security would hide it, so these
    # functions name the one hash they ask for, and a policy for the login shows that row and no other.
    op.execute("""
        create policy recognition on api_keys for select to current_user
        using (hash = decode(nullif(current_setting('app.key_hash', true), ''), 'hex'))""")
    op.execute("create policy recognition on projects for select to current_user using "
               "(id = nullif(current_setting('app.key_project', true), ''))")
    op.execute("""
        create function authenticate_key(key_hash bytea)
        returns table (key_id text, organization_id text, project_id text, slug text,
                       expires_at timestamptz, last_used_at timestamptz)
        language plpgsql security definer set search_path = public, pg_temp as $$
        declare found_project text;
        begin
            perform set_config('app.key_hash', encode(key_hash, 'hex'), true);
            select k.project_id into found_project from api_keys k where k.hash = key_hash;
            perform set_config('app.key_project', coalesce(found_project, ''), true);
            return query
                select k.id::text, k.organization_id::text, k.project_id::text, p.slug::text,
                       k.expires_at, k.last_used_at
                from api_keys k left join projects p on p.id = k.project_id
                where k.hash = key_hash and k.revoked_at is null
                  and (k.expires_at is null or k.expires_at > now()) and p.archived_at is null;
            perform set_config('app.key_hash', '', true), set_config('app.key_project', '', true);
        end $$""")
    op.execute("revoke all on function authenticate_key from public")
    op.execute(f"grant execute on function authenticate_key to {APP_ROLE}")
    op.execute("create policy first_organization on organizations for select to current_user using (true)")
    op.execute("""
        create function first_organization() returns text
        language sql stable security definer set search_path = public, pg_temp as
        'select id::text from organizations order by position limit 1'""")
    op.execute("revoke all on function first_organization from public")
    op.execute(f"grant execute on function first_organization to {APP_ROLE}")


def downgrade() -> None:
    op.execute("drop function authenticate_key")
    op.execute("drop function first_organization")
    op.drop_index(op.f('ix_upload_parts_upload_id'), table_name='upload_parts')
    op.drop_index(op.f('ix_upload_parts_project_id'), table_name='upload_parts')
    op.drop_table('upload_parts')
    op.drop_index(op.f('ix_dataset_findings_report_id'), table_name='dataset_findings')
    op.drop_index(op.f('ix_dataset_findings_project_id'), table_name='dataset_findings')
    op.drop_table('dataset_findings')
    op.drop_index(op.f('ix_webhook_deliveries_project_id'), table_name='webhook_deliveries')
    op.drop_index(op.f('ix_webhook_deliveries_endpoint_id'), table_name='webhook_deliveries')
    op.drop_table('webhook_deliveries')
    op.drop_index(op.f('ix_uploads_project_id'), table_name='uploads')
    op.drop_table('uploads')
    op.drop_index(op.f('ix_job_events_project_id'), table_name='job_events')
    op.drop_index(op.f('ix_job_events_job_id'), table_name='job_events')
    op.drop_table('job_events')
    op.drop_index(op.f('ix_job_checkpoints_project_id'), table_name='job_checkpoints')
    op.drop_index(op.f('ix_job_checkpoints_job_id'), table_name='job_checkpoints')
    op.drop_table('job_checkpoints')
    op.drop_index(op.f('ix_dataset_reports_project_id'), table_name='dataset_reports')
    op.drop_table('dataset_reports')
    op.drop_index(op.f('ix_api_keys_service_account_id'), table_name='api_keys')
    op.drop_index(op.f('ix_api_keys_project_id'), table_name='api_keys')
    op.drop_index(op.f('ix_api_keys_organization_id'), table_name='api_keys')
    op.drop_table('api_keys')
    op.drop_index(op.f('ix_work_items_project_id'), table_name='work_items')
    op.drop_index('ix_work_items_due', table_name='work_items', postgresql_where=sa.text("state <> 'failed'"))
    op.drop_table('work_items')
    op.drop_index(op.f('ix_webhook_endpoints_project_id'), table_name='webhook_endpoints')
    op.drop_table('webhook_endpoints')
    op.drop_index(op.f('ix_tuned_models_project_id'), table_name='tuned_models')
    op.drop_index('ix_tuned_models_job', table_name='tuned_models')
    op.drop_table('tuned_models')
    op.drop_index(op.f('ix_service_accounts_project_id'), table_name='service_accounts')
    op.drop_index(op.f('ix_service_accounts_organization_id'), table_name='service_accounts')
    op.drop_table('service_accounts')
    op.drop_index(op.f('ix_jobs_project_id'), table_name='jobs')
    op.drop_index('ix_jobs_metadata', table_name='jobs', postgresql_using='gin')
    op.drop_table('jobs')
    op.drop_index(op.f('ix_files_project_id'), table_name='files')
    op.drop_table('files')
    op.drop_index('ix_events_subject', table_name='events')
    op.drop_index(op.f('ix_events_project_id'), table_name='events')
    op.drop_table('events')
    op.drop_index(op.f('ix_audit_entries_organization_id'), table_name='audit_entries')
    op.drop_table('audit_entries')
    op.drop_index(op.f('ix_projects_organization_id'), table_name='projects')
    op.drop_table('projects')
    op.drop_table('organizations')
