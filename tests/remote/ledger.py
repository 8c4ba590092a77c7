"""What the simulated server made and billed: the other side of the books."""

from typing import Any

from tests.remote.accounts import Account
from tests.remote.jobs import Job
from tests.remote.world import World


def ledger(world: World) -> dict[str, Any]:
    world.catch_up()
    return {
        "jobs": [_line(account, job) for account in world.accounts for job in account.order],
        "files": [{"id": file.id, "project": account.project, "filename": file.filename, "purpose": file.purpose,
                   "bytes": file.content.size, "reads": file.reads}
                  for account in world.accounts for file in account.files.values()],
        "uploads": [{"id": upload.id, "project": account.project, "status": upload.status,
                     "parts": len(upload.parts)}
                    for account in world.accounts for upload in account.uploads.values()],
        "requests": dict(world.requests), "refused": dict(world.refused),
        "faults": [fault.told() for fault in world.faults.faults],
    }


def _line(account: Account, job: Job) -> dict[str, Any]:
    """`live` may still cost money; `paid` has: both together must never stand twice under one key."""
    return {"id": job.id, "project": account.project, "metadata": job.metadata or {}, "model": job.base.id,
            "status": job.status, "created_at": job.created_at, "ran": job.ran, "live": job.is_live,
            "paid": job.cost > 0, "billed_tokens": job.billed_tokens, "billed_seconds": job.billed_seconds,
            "micro_dollars": job.cost, "trained_tokens": job.trained_tokens, "vanished": job.vanished,
            "fine_tuned_model": job.fine_tuned_model, "training_file": job.training_file}
