"""Every way this server says no, as one exception that knows its status and OpenAI's error envelope."""

from dataclasses import dataclass
from typing import Literal

ErrorType = Literal["invalid_request_error", "server_error"]


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that is not a completion: HTTP status, the envelope's four fields, seconds to wait if any."""

    status: int
    message: str
    type: ErrorType = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    retry_after: int | None = None

    def __str__(self) -> str:
        return self.message

    def envelope(self) -> dict[str, dict[str, str | None]]:
        fields = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": fields}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    """400: the caller's input cannot be served as it stands."""
    return Refusal(400, message, param=param, code=code)


def unsupported(param: str, why: str) -> Refusal:
    """400: the parameter exists at OpenAI, but this server does not do it."""
    return invalid(f"Unsupported parameter: '{param}'. {why}", param=param, code="unsupported_parameter")


def unknown_model(name: str) -> Refusal:
    return Refusal(404, f"The model '{name}' does not exist or is not loaded.", param="model", code="model_not_found")


def too_long(limit: int, prompt: int, completion: int | None) -> Refusal:
    """400 in OpenAI's words; all three figures are tokens."""
    if completion is None:
        asked = f"However, your messages resulted in {prompt} tokens. Please reduce the length of the messages."
    else:
        asked = (
            f"However, you requested {prompt + completion} tokens ({prompt} in the messages, {completion} in "
            "the completion). Please reduce the length of the messages or completion."
        )
    message = f"This model's maximum context length is {limit} tokens. {asked}"
    return invalid(message, param="messages", code="context_length_exceeded")


def not_now(message: str, *, code: str, retry_after: int = 1) -> Refusal:
    """503: the same request may succeed after `retry_after` seconds."""
    return Refusal(503, message, "server_error", code=code, retry_after=retry_after)
