"""The wire shape of chat completions, as documentation; the chat server is the one that checks every field."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ChatCompletionRequest(BaseModel):
    """The fields that the built-in chat server understands; a vLLM server understands more."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(description="A base model, or a tuned model's name (ft:…).")
    messages: list[dict[str, Any]] = Field(min_length=1)
    stream: bool | None = False
    stream_options: dict[str, Any] | None = None
    temperature: float | None = Field(1.0, ge=0, le=2)
    top_p: float | None = Field(1.0, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1, deprecated=True)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Literal[1] | None = 1
    tools: list[dict[str, Any]] | None = None


class ChatCompletion(BaseModel):
    """One answer; with `stream` it comes as server-sent chunks of object `chat.completion.chunk` instead."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any]
