"""Wire shapes of previews: examples with the tokens that training learns from."""

from typing import Annotated, Literal

from pydantic import Field

from service.kit.schemas import Answer, PlainStr, Request, Timestamp

MOST_LINES = 20
Line = Annotated[int, Field(ge=1, le=2**53)]


class PreviewCreate(Request):
    """Which lines to show, as which model reads them. Without `lines` the first `limit` ones."""

    model: Annotated[PlainStr, Field(min_length=1, max_length=256)] = Field(
        description="A base model of this house, or a tuned model, whose base is meant.")
    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)] | None = Field(
        None, description="Numbers of lines, from 1.")
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = 3


class Run(Answer):
    """Tokens that stand together and are all trained, or all not."""

    text: str
    trained: bool
    tokens: int


class PreviewExample(Answer):
    line: int
    tokens: int
    trained_tokens: int
    truncated: bool = Field(description="It is longer than the model's context, and its end is not trained.")
    runs: list[Run]
    error: str | None = Field(None, description="Why this line cannot be shown; null when it can.")


class Preview(Answer):
    """Examples as the training code renders them with the model's own chat template."""

    id: str
    object: Literal["dataset.preview"] = "dataset.preview"
    version_id: str
    model: str
    lines: list[int]
    status: Literal["pending", "completed", "failed"]
    error: str | None
    examples: list[PreviewExample]
    created_at: Timestamp
    completed_at: Timestamp | None
