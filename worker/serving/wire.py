"""The shapes on the wire: what a request may hold, and the chat completion objects that answer it."""

from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class FunctionCall(msgspec.Struct, frozen=True):
    """`arguments` is a JSON document in a string, as at OpenAI."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class TextPart(msgspec.Struct, frozen=True):
    type: Literal["text", "refusal"]
    text: str | None = None
    refusal: str | None = None


class Message(msgspec.Struct, frozen=True):
    """One message of the conversation; echoed answers may carry null extras, which are dropped."""

    role: Role
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None


class Function(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """Only to check one: what the template sees is the caller's own object, whose order of keys is text too."""

    function: Function
    type: Literal["function"]


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    type: str


class ChatRequest(msgspec.Struct, frozen=True):
    """The parameters of `POST /v1/chat/completions` that change the answer; null means the default."""

    model: str
    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None


# Fields that OpenAI knows and that change nothing here: accepted so that existing callers keep working.
HARMLESS = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
    }
)


class LoadAdapter(msgspec.Struct, frozen=True):
    """`base_model` is ours: which loaded base the adapter belongs to; vLLM ignores unknown fields."""

    lora_name: str
    lora_path: str
    base_model: str | None = None


class UnloadAdapter(msgspec.Struct, frozen=True):
    lora_name: str


class LoadModel(msgspec.Struct, frozen=True):
    model_name: str
    model_path: str


class UnloadModel(msgspec.Struct, frozen=True):
    model_name: str


class TopLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


def usage(prompt: int, completion: int) -> dict[str, Any]:
    """Token counts in OpenAI's shape; nothing here caches prompts, reasons, hears or predicts."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def logprobs(tokens: list[TokenLogprob] | None) -> dict[str, Any] | None:
    return None if tokens is None else {"content": tokens, "refusal": None}


class Completion(msgspec.Struct, frozen=True):
    """What stays the same in every object that answers one request."""

    id: str
    created: int
    model: str
    system_fingerprint: str

    def whole(self, choice: dict[str, Any], counts: dict[str, Any]) -> dict[str, Any]:
        return self._object("chat.completion", [choice]) | {"usage": counts}

    def chunk(self, choice: dict[str, Any] | None, **usage_field: Any) -> dict[str, Any]:
        """One `chat.completion.chunk`; no choice gives the usage chunk's empty list."""
        return self._object("chat.completion.chunk", [] if choice is None else [choice]) | usage_field

    def _object(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "system_fingerprint": self.system_fingerprint,
            "service_tier": "default",
        }
