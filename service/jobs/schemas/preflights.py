"""Wire shapes of pre-flights: what is known of a job before it begins."""

from typing import Annotated, Literal

from pydantic import Field

from service.jobs.schemas.jobs import JobBody
from service.kit.pagination import Page
from service.kit.schemas import Answer, JSONObject, PlainStr, Timestamp

Severity = Literal["block", "warn", "info"]
Verdict = Literal["go", "warn", "block"]


class PreflightCreate(JobBody):
    """The body of a job that is not started, and other models that might be trained instead."""

    candidates: Annotated[list[Annotated[PlainStr, Field(max_length=256)]], Field(max_length=10)] = Field(
        default_factory=list, description="More models to compare with `model`; any that GET /v1/models shows.")


class Reason(Answer):
    """Why a verdict is what it is. `block`: the job would fail or be useless; `warn`: look before you pay."""

    severity: Severity
    code: str
    message: str
    param: str | None


class FileSummary(Answer):
    """What was found in one file; GET /v1/files/{id}/validation tells all of it."""

    file_id: str
    status: Literal["pending", "completed", "failed"]
    percent_read: float | None
    format: str | None = None
    bytes: int | None = None
    lines: int | None = None
    examples: int | None = None
    errors: int | None = None
    warnings: int | None = None
    infos: int | None = None
    counts: dict[str, int] = Field(default_factory=dict, description="Findings by kind.")
    verdict: Verdict | None = None
    score: int | None = None
    tokens: JSONObject | None = None
    duplicates: dict[str, int] | None = None
    privacy: dict[str, int] | None = Field(None, description="Personal data and secrets by kind.")


class Span(Answer):
    """An interval: at least, most likely, at most."""

    low: int | None
    expected: int | None
    high: int | None


class EpochTokens(Span):
    exact: bool = Field(description="Counted by the model's own tokenizer, every line.")
    basis: str


class CandidateCost(Span):
    """Whole micro-dollars; 1,000,000 is one dollar. Null where it cannot be told beforehand."""

    per_million_tokens: int | None = Field(description="Micro-dollars for a million tokens.")
    per_hour: int | None = Field(description="Micro-dollars for an hour.")
    source: str
    as_of: str
    note: str | None


class CandidateDuration(Span):
    """Seconds of training, without the wait for its turn."""

    basis: str


class CandidateMemory(Answer):
    """Bytes of one device: what training needs and what is there."""

    needed: int
    available: int | None
    fits: Literal["yes", "no", "unknown"]
    device: str | None
    host: str | None
    checkpointing: bool | None


class CandidateOverContext(Answer):
    """Examples longer than the model reads in training; they are cut at their end."""

    context: int
    examples: int
    tokens: int
    longest: int


class Wait(Answer):
    """What is in front of this job, as far as this project can see."""

    running: int
    queued: int
    seconds: int | None
    note: str


class Candidate(Answer):
    """What training one model on these files would be like."""

    model: str
    base_model: str | None
    provider: str | None
    verdict: Verdict
    reasons: list[Reason]
    method: str
    method_fits: bool
    tuning: JSONObject | None
    context_length: int | None
    training_ends: str | None
    shutdown_date: str | None
    epochs: int | None = None
    batch_size: int | None = None
    tokens_per_epoch: EpochTokens | None = None
    billed_tokens: Span | None = Field(None, description="Of all epochs. The validation file is not billed.")
    over_context: CandidateOverContext | None = None
    cost: CandidateCost | None = Field(None, description="Of the whole training, in micro-dollars: 1,000,000 is one"
                                                         " dollar.")
    duration: CandidateDuration | None = None
    memory: CandidateMemory | None = Field(None, description="On the machine that suits it best.")
    machines: list[CandidateMemory] = Field(default_factory=list)
    queue: Wait | None = None


class PreflightReport(Answer):
    """What is kept of a pre-flight."""

    reasons: list[Reason] = Field(default_factory=list, description="The weightiest first.")
    training_file: FileSummary
    validation_file: FileSummary | None = None
    leakage: JSONObject | None = Field(None, description="What the two files have in common; null when not compared.")
    candidates: list[Candidate] = Field(default_factory=list, description="The model that is asked for first.")
    policy: list[str] = Field(default_factory=list, description="What the project's training policy still asks for.")
    limits: JSONObject | None = None
    budget: JSONObject | None = None
    budget_note: str = "This house keeps no spending limits yet."


class Preflight(PreflightReport):
    """What is known of a job before it begins; once completed, it never changes."""

    id: str
    object: Literal["fine_tuning.preflight"] = "fine_tuning.preflight"
    created_at: Timestamp
    completed_at: Timestamp | None
    status: Literal["pending", "completed"]
    verdict: Verdict | None = Field(description="Null until every line of the files was read.")
    model: str
    method: JSONObject


class PreflightList(Page[Preflight]):
    """A page of pre-flights, newest first."""
