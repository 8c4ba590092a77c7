"""Wire shapes of imports and of what they could not bring home."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from service.kit.pagination import Page
from service.kit.schemas import Answer, JSONObject, PlainStr, Request, Timestamp

Provider = Literal["openai", "azure", "compatible"]
Kind = Literal["file", "job", "model"]
Name = Annotated[PlainStr, Field(min_length=1, max_length=256)]


class ImportCreate(Request):
    """Whose estate is to come home, and with what it is read."""

    provider: Provider = Field(description="The kind of server that is read.")
    credential: Name | None = Field(
        None, description="Id or name of the credential to read with; when it is left out, the provider's newest that"
                          " works.")
    dry_run: bool = Field(default=False, description="Only list what there is, and bring nothing.")


class Counts(Answer):
    """What was found of one kind, and what became of it."""

    found: int = 0
    imported: int = Field(0, description="Brought here by this import.")
    present: int = Field(0, description="Here already, and therefore not read again.")
    problems: int = Field(0, description="Not brought, or not whole; GET /v1/imports/{id}/problems tells why.")


class FileCounts(Counts):
    bytes_found: int = Field(0, description="As the server's list tells sizes.")
    bytes_imported: int = 0


class JobCounts(Counts):
    events: int = 0
    checkpoints: int = 0


class AllCounts(Answer):
    files: FileCounts = FileCounts()
    jobs: JobCounts = JobCounts()
    models: Counts = Counts()


_OrNone = BeforeValidator(lambda value: value or {})


class Import(Answer):
    """One reading of all that a server keeps for a credential."""

    id: str
    object: Literal["import"] = "import"
    created_at: Timestamp
    provider: str
    credential: str = Field(validation_alias="credential_id")
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    status_details: str | None = Field(description="While the server cannot be read: why, and when it is asked again;"
                                                   " otherwise null.")
    stage: Literal["files", "jobs", "models", "contents", "histories", "done"] = Field(
        description="What is being read: the three lists first, then the bytes of the files, then what the jobs left.")
    dry_run: bool
    percent: float | None = Field(description="Of what the lists told of; null while they are read.")
    counts: Annotated[AllCounts, _OrNone]
    error: JSONObject | None
    started_at: Timestamp | None
    finished_at: Timestamp | None


class ImportList(Page[Import]):
    """A page of imports, newest first."""


class Problem(Answer):
    """Something that was not brought, or not as it is at the server."""

    id: str
    object: Literal["import.problem"] = "import.problem"
    kind: Kind
    remote_id: str = Field(description="What the server calls it; * for a whole list.")
    code: str
    reason: str
    filename: str | None
    bytes: int | None


class ProblemList(Page[Problem]):
    """A page of problems, in the order in which they were met."""


def percent(row: Any) -> float | None:
    """How much of what was listed is settled."""
    if row.stage in {"files", "jobs", "models"}:
        return None
    counts = AllCounts.model_validate(row.counts or {})
    found = counts.files.found + counts.jobs.found
    done = sum(each.imported + each.present + each.problems for each in (counts.files, counts.jobs))
    return 100.0 if row.stage == "done" or not found else min(99.9, round(100 * done / found, 1))
