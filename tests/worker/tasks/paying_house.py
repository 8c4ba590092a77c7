"""A project with a credential at a scripted server, jobs that it pays for, and time that passes when told."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select, text

from service.catalog import base_models
from service.credentials import operations as credentials
from service.credentials.operations.sealing import Owner
from service.credentials.schemas import CredentialCreate
from service.files.tables import File
from service.jobs.states import JobStatus
from service.jobs.tables import Job, RemoteAttempt
from service.kit.database import transaction
from service.kit.storage import storage
from service.kit.work import Work
from service.settings import settings
from service.usage.tables import LedgerEntry
from tests.fixtures.api import Tenant
from tests.service.jobs.building import make_file, make_job, messages, reload
from tests.worker.tasks.scripted_remote import Killed, ScriptedServer
from worker import app
from worker.tasks import remote, remote_sweeping

PRICE = 3_000_000
MODEL = "gpt-paid"
CATALOG = f"""
[[model]]
id = "{MODEL}"
owned_by = "openai"
provider = "openai"
created = 2025-01-01
context_length = 65_536
methods = {{ supervised = [], dpo = [] }}
price = {{ training = {PRICE}, source = "a test", as_of = 2026-11-01 }}
tokenizer = "o200k_base"
"""
TASKS = {Work.SUBMIT_JOB: remote.submit, Work.FOLLOW_JOB: remote.follow, Work.SWEEP_CREDENTIAL: remote_sweeping.sweep}


def write_catalog(path: Path) -> None:
    path.write_text(CATALOG)


@dataclass
class PayingHouse:
    tenant: Tenant
    server: ScriptedServer
    credential_id: str

    def deal_with(self, provider: str) -> None:
        """Have jobs from now on sent to another kind of server, as the scripted one may be."""
        self.do("update credentials set provider = :provider, base_url = 'https://server.example/v1'",
                provider=provider)
        path = settings().catalog_file
        assert path is not None
        path.write_text(CATALOG.replace('provider = "openai"', f'provider = "{provider}"'))
        base_models.forget_catalog()

    def job(self, status: JobStatus = JobStatus.QUEUED, **body: Any) -> str:
        """A job that is ready to be sent, with a file whose bytes are stored."""
        file_id = make_file(self.tenant)
        with transaction(self.tenant.scope) as session:
            file = session.scalars(select(File).where(File.id == file_id)).one()
            key, file.bytes = file.object_key, 4
        storage().write(key, b"{}\n\n")
        return make_job(self.tenant, status, model=MODEL, training_file=file_id, **body)

    def run(self, kind: Work, subject: str) -> bool:
        """Run one item, if it is due, as a worker would; one that is killed over it is gone, and so is its lease."""
        with transaction(self.tenant.scope) as session:
            item = session.execute(text("select id from work_items where kind = :kind and subject = :subject"),
                                   {"kind": kind.value, "subject": subject}).scalar()
        if item is None:
            return False
        try:
            app.run(TASKS[kind], item)
        except Killed:
            self.expire_leases()
        return True

    def submit(self, job_id: str) -> bool:
        return self.run(Work.SUBMIT_JOB, job_id)

    def follow(self, job_id: str) -> bool:
        return self.run(Work.FOLLOW_JOB, job_id)

    def sweep(self) -> bool:
        return self.run(Work.SWEEP_CREDENTIAL, self.credential_id)

    def sent(self, **body: Any) -> tuple[str, str]:
        """A job that its server has: its id here, and there."""
        job_id = self.job(**body)
        self.submit(job_id)
        remote_id = self.attempt(job_id).remote_id
        assert remote_id is not None
        return job_id, remote_id

    def wake(self, job_id: str) -> bool:
        """What the poller does when it sees a change; then the worker's part."""
        self.do("insert into work_items (id, project_id, kind, queue, subject) values ('work_' || gen_random_uuid(),"
                " :project, 'jobs.follow', 'io', :subject) on conflict (project_id, kind, subject) do update set"
                " run_at = now(), state = 'pending'", project=self.tenant.project_id, subject=job_id)
        return self.follow(job_id)

    def expire_leases(self) -> None:
        self.do("update work_items set lease_until = now() - interval '1 second' where state = 'running'")

    def pass_time(self, **span: float) -> None:
        """Everything that is remembered happened so much longer ago."""
        for column in ("sent_at", "next_look_at", "status_since", "missing_since", "created_at", "next_follow_at"):
            self.do(f"update remote_jobs set {column} = {column} - :span", span=timedelta(**span))
        self.do("update work_items set run_at = run_at - :span, next_dispatch = next_dispatch - :span",
                span=timedelta(**span))
        self.server.pass_time(timedelta(**span))

    def do(self, statement: str, **values: Any) -> None:
        with transaction(self.tenant.scope) as session:
            session.execute(text(statement), values)

    # -- what there is -----------------------------------------------------------------------------------
    def status(self, job_id: str) -> JobStatus:
        return reload(self.tenant, job_id).status

    def reload(self, job_id: str) -> Job:
        return reload(self.tenant, job_id)

    def log(self, job_id: str) -> str:
        return "\n".join(messages(self.tenant, job_id))

    def attempt(self, job_id: str) -> RemoteAttempt:
        """The newest."""
        with transaction(self.tenant.scope) as session:
            return session.scalars(select(RemoteAttempt).where(RemoteAttempt.job_id == job_id)
                                   .order_by(RemoteAttempt.position.desc())).first() or RemoteAttempt(state="none")

    def ledger(self, job_id: str | None = None) -> list[tuple[str, int]]:
        with transaction(self.tenant.scope) as session:
            rows = session.scalars(select(LedgerEntry).order_by(LedgerEntry.position)).all()
            return [(row.kind, row.micro_dollars) for row in rows if job_id in {None, row.job_id}]


def found_house(tenant: Tenant, server: ScriptedServer) -> PayingHouse:
    body = CredentialCreate(provider="openai", name="main", secret=SecretStr("sk-canary-0123456789abcdef"))
    with transaction(tenant.scope) as session:
        credential = credentials.create(session, Owner(tenant.organization_id, tenant.project_id), body, by="key_test")
    return PayingHouse(tenant, server, credential.id)

