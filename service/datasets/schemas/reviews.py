"""Wire shapes of reviews."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from service.kit.schemas import Answer, PlainStr, Request, Timestamp

ItemStatus = Literal["open", "approved", "rejected", "edited", "conflict"]
FlagName = Literal[
    "invalid", "exact_duplicate", "near_duplicate", "contradiction", "leaked", "personal_data", "secret", "refusal",
    "boilerplate", "repetitive", "truncated_answer", "short_answer", "empty_answer", "too_long",
    "inconsistent_format", "no_system_message", "warned"]
Decided = Literal["approve", "reject", "edit"]
Actor = Annotated[PlainStr, Field(min_length=1, max_length=256, description=(
    "A reviewer: the id of a service account (svc_acct_…) of this project."))]
Comment = Annotated[PlainStr, Field(min_length=1, max_length=10_000)]
_Count = Annotated[int, Field(ge=0, le=10_000)]


class Percent(Request):
    percent: Annotated[float, Field(gt=0, le=100, description="Of all examples of the version, rounded up.")]


class ReviewCreate(Request):
    name: Annotated[PlainStr, Field(min_length=1, max_length=256)] | None = None
    flagged: Annotated[_Count | Literal["all"], Field(description=(
        "How many of the examples that the analysis found conspicuous, the most suspicious first; `all` for every"
        " one, up to 10,000."))] = 100
    sampled: Annotated[_Count | Percent, Field(description=(
        'How many of the others, drawn at random: a number, or {"percent": 5} of the version.'))] = 0
    seed: Annotated[int, Field(ge=0, lt=2**31, description="The same seed draws the same sample.")] | None = None
    reviewers_per_item: Annotated[int, Field(ge=1, le=5, description=(
        "So many reviewers must decide before an example counts as reviewed; with two or more, their agreement is"
        " measured."))] = 1
    skip_reviewed: Annotated[bool, Field(description=(
        "Leave out what earlier reviews of this version have decided."))] = True
    instructions: Annotated[PlainStr, Field(max_length=20_000, description="What reviewers should look for.")] | \
        None = None


class _Described(Answer):
    """Parent of these answers: what stands under a field describes it in the documentation."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Agreement(_Described):
    """How far reviewers agree who decided on the same examples."""

    items: int
    "Examples that at least two reviewers decided on."
    percent: float
    "Share of pairs of decisions on one example that are the same, in percent."
    krippendorff_alpha: float | None
    "Nominal. 1: full agreement, 0: as by chance. Null when all decisions are the same."


class Progress(_Described):
    items: int
    decided: int
    "Approved, rejected or edited; neither open nor in conflict."
    approved: int
    rejected: int
    edited: int
    conflicts: int
    open: int
    coverage_percent: float
    "Decided examples of this review, in percent of the version's."
    agreement: Agreement | None
    "Null while no example has two decisions."


class Review(_Described):
    id: str
    object: Literal["dataset.review"] = "dataset.review"
    dataset_id: str
    version_id: str
    name: str | None
    instructions: str | None
    status: Literal["preparing", "open", "closed", "failed"]
    "`preparing` while a worker chooses the examples; `closed` once someone approved or refused the version."
    error: str | None
    note: str | None
    "What came out otherwise than it was asked for."
    flagged: int | Literal["all"]
    sampled: int | dict[str, float]
    seed: int
    reviewers_per_item: int
    created_at: Timestamp
    created_by: str | None
    "The service account that asked for it."
    progress: Progress
    approved: bool | None
    "The word on the version as a whole; null until the review is closed."
    closed_at: Timestamp | None
    closed_by: str | None
    closing_comment: str | None


class Decision(_Described):
    id: str
    object: Literal["dataset.review.decision"] = "dataset.review.decision"
    actor: str
    decision: Decided
    example: dict[str, Any] | None
    "The line that takes the old one's place, of an `edit`."
    comment: str | None
    created_at: Timestamp
    current: bool
    "False when the same reviewer decided otherwise later."


class ItemComment(_Described):
    id: str
    object: Literal["dataset.review.comment"] = "dataset.review.comment"
    actor: str
    text: str
    created_at: Timestamp


class Item(_Described):
    id: str
    object: Literal["dataset.review.item"] = "dataset.review.item"
    review_id: str
    line: int
    "From 1, in the version's bytes."
    status: ItemStatus
    "`open` until enough reviewers have decided; `conflict` when they disagree."
    chosen_as: Literal["flagged", "sampled"]
    flags: list[str]
    "What the analysis found conspicuous, the weightiest first."
    suspicion: int
    "From 0 to 100."
    assignee: str | None
    "The reviewer for whom it is reserved."
    leased_to: str | None
    "The reviewer who claimed it and has not decided yet."
    leased_until: Timestamp | None
    example: dict[str, Any] | None
    "The example itself. Null when it is no JSON object, or too large to be shown."
    text: str | None
    "The beginning of the line, where there is no `example`."
    bytes: int
    "Length of the line."
    decisions: list[Decision]
    "Oldest first, also those that a later one of the same reviewer replaced."
    comments: list[ItemComment]
    "The newest 100, oldest first."


class Claim(_Described):
    object: Literal["dataset.review.claim"] = "dataset.review.claim"
    item: Item | None
    "The next example for the caller; null when none is left that another reviewer does not hold."
    leased_until: Timestamp | None


class Assign(Request):
    assignee: Annotated[Actor | None, Field(description="Null: nobody in particular.")]


class Decide(Request):
    decision: Decided
    example: Annotated[dict[str, Any] | None, Field(description=(
        "With `edit`, and only with it: the new line. It must be an example that can be trained on."))] = None
    comment: Comment | None = None

    @model_validator(mode="after")
    def _edit_has_example(self) -> "Decide":
        if (self.decision == "edit") != (self.example is not None):
            raise ValueError("'example' is given with decision 'edit', and only with it")
        return self


class CommentCreate(Request):
    text: Comment


class Close(Request):
    approve: Annotated[bool, Field(description="Whether the version as a whole may be trained on.")]
    comment: Comment | None = None


class Apply(Request):
    conflicts: Annotated[Literal["refuse", "keep", "drop"], Field(description=(
        "What becomes of examples whose reviewers disagree."))] = "refuse"
