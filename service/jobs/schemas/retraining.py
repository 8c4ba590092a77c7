"""Wire shapes of training old jobs again: what is asked, what it would be, what came of it."""

from typing import Annotated, Literal

from pydantic import Field

from service.catalog.methods import Tuning
from service.jobs.schemas.jobs import Id, Job, Suffix
from service.jobs.schemas.preflights import EpochTokens, Reason, Span, Verdict
from service.kit.schemas import Answer, JSONObject, Metadata, PlainStr, Request

MOST = 1000


class Retrain(Request):
    """Train an old job's data, split and hyper-parameters again, on a model that will live."""

    model: Annotated[PlainStr, Field(max_length=256)] = Field(description="What is trained now; see GET /v1/models.")
    suffix: Suffix | None = Field(None, description="Of the new model's name; the old job's when it is left out.")
    metadata: Metadata | None = Field(None, description="The old job's when it is left out.")
    credential: Id | None = Field(None, description="Who pays, where a server trains it for money.")
    tuning: Tuning | None = Field(None, description="Which weights move, for a local model; lora when it is left out"
                                                    " and the old job does not tell.")
    map: bool = Field(default=False, description="Have calls that name the old model answered by the new one, once it"
                                                 " is trained, also while the old one lives; a mapping that somebody"
                                                 " made by hand stays.")
    again: bool = Field(default=False, description="Also where the model trains, or has trained, this job's data"
                                                   " already; that job is answered otherwise.")
    dry_run: bool = Field(default=False, description="Start nothing, and tell what it would take.")


class RetrainMany(Retrain):
    """The same for many jobs: name them, or take all that were imported."""

    jobs: Annotated[list[Id], Field(min_length=1, max_length=MOST)] | None = Field(
        None, description="Ids of the jobs, old ones too.")
    all: bool = Field(default=False, description="Every imported job that succeeded, oldest first.")
    after: Id | None = Field(None, description="With `all`: the last job of the page before.")
    limit: Annotated[int, Field(ge=1, le=MOST)] = Field(MOST, description="With `all`: how many, at most.")


class Adaptation(Answer):
    """Something that is not as it was, because the model or this house takes it otherwise."""

    param: str
    message: str


class Money(Span):
    """Whole micro-dollars; 1,000,000 is one dollar."""

    unknown: int = Field(0, description="Jobs whose cost cannot be told yet, which are not in the sum.")


class Seconds(Span):
    """Of training, one job after the other."""

    unknown: int = Field(0, description="Jobs whose time cannot be told yet, which are not in the sum.")


class Retrained(Answer):
    """One old job, and what training it again comes to."""

    object: Literal["fine_tuning.retraining"] = "fine_tuning.retraining"
    job: str = Field(description="Id of the old job.")
    old_model: str | None = Field(description="The model that the old job made.")
    status: Literal["planned", "created", "existing", "refused"]
    error: JSONObject | None = Field(None, description="Why it is refused.")
    successor: Job | None = None
    adaptations: list[Adaptation] = Field(default_factory=list)
    mapping: str | None = Field(None, description="How calls that name the old model are answered from then on.")
    method: JSONObject | None = None
    verdict: Verdict | None = None
    reasons: list[Reason] = Field(default_factory=list, description="As a pre-flight tells them; the weightiest first.")
    epochs: int | None = None
    tokens_per_epoch: EpochTokens | None = None
    billed_tokens: Span | None = None
    cost: Span | None = Field(None, description="In micro-dollars: 1,000,000 is one dollar.")
    duration: Span | None = Field(None, description="In seconds.")


class RetrainedMany(Answer):
    """All of them, and what they come to together."""

    object: Literal["list"] = "list"
    dry_run: bool
    model: str
    planned: int
    created: int
    existing: int
    refused: int
    verdicts: dict[str, int] = Field(description="Of those that are planned.")
    cost: Money = Field(description="Of those that are planned, in micro-dollars: 1,000,000 is one dollar.")
    duration: Seconds = Field(description="Of those that are planned, in seconds.")
    data: list[Retrained]
    first_id: str | None
    last_id: str | None
    has_more: bool
