"""Wire shapes of data sets, versions, their lineage and their comparison."""

import math
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from service.kit.schemas import Answer, JSONObject, Metadata, PlainStr, Request, Timestamp

_DEEPEST = 8
_MOST_NODES = 2_000


def _plain_json(value: JSONObject) -> JSONObject:
    """Refuse what Postgres cannot hold, and what is larger than any mapping needs to be."""
    left: list[tuple[Any, int]] = [(value, 0)]
    nodes = 0
    while left:
        each, level = left.pop()
        nodes += 1
        if nodes > _MOST_NODES or level > _DEEPEST:
            raise ValueError(f"has more than {_MOST_NODES} values, or is nested deeper than {_DEEPEST}")
        if isinstance(each, dict):
            left.extend((inner, level + 1) for pair in each.items() for inner in pair)
        elif isinstance(each, list):
            left.extend((inner, level + 1) for inner in each)
        else:
            _check_scalar(each)
    return value


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise ValueError("contains a NUL character or an unpaired surrogate, which cannot be stored")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("contains a number that is none")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("contains a number of more than 63 bits")


PlainObject = Annotated[JSONObject, AfterValidator(_plain_json)]
Name = Annotated[PlainStr, Field(min_length=1, max_length=128, pattern=r"^[^\s@/\\][^@/\\\x00-\x1f\x7f]*$")]
"""No "@", which parts a name from a version's number, and nothing that a file's name could not hold."""
Reference = Annotated[PlainStr, Field(min_length=1, max_length=256)]


class DatasetCreate(Request):
    name: Name = Field(description="Unique in the project. Not with an @, a slash, or an id's beginning.")
    description: Annotated[PlainStr, Field(max_length=4096)] | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _is_no_id(self) -> "DatasetCreate":
        return _named(self)


class DatasetUpdate(Request):
    """What is to change; what is left out stays as it is, and null empties it."""

    name: Name | None = None
    description: Annotated[PlainStr, Field(max_length=4096)] | None = None
    metadata: Metadata | None = None

    @model_validator(mode="after")
    def _is_no_id(self) -> "DatasetUpdate":
        return _named(self)


_Body = TypeVar("_Body", "DatasetCreate", "DatasetUpdate")


def _named(body: _Body) -> _Body:
    if body.name is not None and body.name.startswith(("ds_", "dsver_", "file-")):
        raise ValueError("the name begins like an id (ds_, dsver_, file-)")
    return body


class Dataset(Answer):
    id: str
    object: Literal["dataset"] = "dataset"
    name: str
    description: str | None
    metadata: dict[str, str] | None = Field(validation_alias="metadata_")
    created_at: Timestamp
    created_by: str | None
    last_number: int = Field(description="Number of the newest version; 0 before there is one.")


class FileSource(Request):
    """A file of the project, uploaded with purpose fine-tune or user_data, in any shape that is known."""

    type: Literal["file"]
    file_id: Reference
    shape: Annotated[PlainStr, Field(max_length=64)] | None = Field(
        None, description="What the bytes are, such as alpaca or csv; detected when it is left out.")
    mapping: PlainObject | None = Field(
        None, description="Which columns or keys hold what; detected when it is left out.")


class TransformationSource(Request):
    """One transformation of versions that exist or are being built."""

    type: Literal["transformation"]
    transformation: PlainObject = Field(description="Its `type` (drop_invalid, deduplicate, redact, shuffle, split,"
                                                    " sample, merge, add_system_prompt, prefer), and what that asks.")
    versions: Annotated[list[Reference], Field(min_length=1, max_length=32)] = Field(
        description="The versions that it is applied to: dsver_…, ds_…@number or name@number. Only merge takes"
                    " several.")


Source = Annotated[FileSource | TransformationSource, Field(discriminator="type")]


class VersionCreate(Request):
    source: Source
    note: Annotated[PlainStr, Field(max_length=1024)] | None = None


class SourcePreviewCreate(Request):
    source: FileSource
    limit: Annotated[int, Field(ge=1, le=20)] = 5


class SourcePreview(Answer):
    """What a file would become as a version. Nothing is made."""

    object: Literal["dataset.source_preview"] = "dataset.source_preview"
    file_id: str
    shape: str | None = Field(description="What the bytes were found to be; null when nothing is known that fits.")
    mapping: JSONObject | None
    examples: list[JSONObject] = Field(description="The first lines of the version.")
    problem: str | None = Field(description="Why there are none, or no more, in words.")
    remarks: list[str] = Field(description="What had to be supposed, in sentences: Its text was read as cp1252.")


class Version(Answer):
    """Bytes that never change: one example in each line."""

    id: str
    object: Literal["dataset.version"] = "dataset.version"
    dataset_id: str
    number: int
    status: Literal["building", "ready", "failed"]
    error: str | None
    note: str | None
    created_at: Timestamp
    completed_at: Timestamp | None
    created_by: str | None
    file_id: str | None = Field(validation_alias="ready_file", description="Its file, once it is ready. GET"
                                " /v1/files/{file_id}/validation tells what reading every line found.")
    sha256: str | None = Field(description="Of its bytes.")
    bytes: int | None
    examples: int | None = Field(description="Lines that are not blank.")
    source: JSONObject
    parents: list[str]
    counts: JSONObject = Field(description="What building it told: lines written, rows left out by reason, and remarks"
                                           " on what had to be supposed.")
    same_as: str | None = Field(description="An older version of the data set with the very same bytes.")


class MadeVersion(Version):
    existing: bool = Field(
        default=False, description="True when the data set had this version already: the same source was built.")


class MadeVersions(Answer):
    """The two versions that a split makes: first what to train on, then what to validate with."""

    object: Literal["list"] = "list"
    data: list[MadeVersion]


class Ancestor(Answer):
    id: str
    object: Literal["dataset.version.ancestor"] = "dataset.version.ancestor"
    dataset_id: str
    number: int
    status: str
    sha256: str | None
    examples: int | None
    source: JSONObject
    parents: list[str]
    deleted: bool


class Lineage(Answer):
    """How a version came to be: itself, then what it was made from, down to files; and what was made from it."""

    object: Literal["dataset.version.lineage"] = "dataset.version.lineage"
    version_id: str
    ancestors: list[Ancestor] = Field(description="The version itself first; at most 200.")
    files: list[str] = Field(description="Files that the first of them were made from.")
    children: list[Ancestor] = Field(description="Versions made from it directly; at most 200.")


class Difference(Answer):
    before: int
    after: int
    difference: int


class Comparison(Answer):
    """What differs between two versions. Lines are the same when their JSON says the same."""

    object: Literal["dataset.comparison"] = "dataset.comparison"
    version_id: str
    other_id: str
    identical: bool = Field(description="The very same bytes.")
    lines: int = Field(description="Lines of the version that are not blank.")
    other_lines: int
    kept: int = Field(description="Lines that both have.")
    added: int = Field(description="Lines that only the other version has.")
    removed: int = Field(description="Lines that only this version has.")
    order_changed: bool = Field(description="Lines that both have stand in another order.")
    added_lines: list[int] = Field(description="Numbers, in the other version, of the first 100 added lines.")
    removed_lines: list[int] = Field(description="Numbers, in this version, of the first 100 removed lines.")
    tokens: Difference | None = Field(description="Billed tokens of one epoch; null until both were analysed.")
    score: Difference | None = Field(description="Quality score; null until both were analysed.")
