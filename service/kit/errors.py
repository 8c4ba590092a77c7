"""Errors as facts with a status, rendered in OpenAI's envelope: {"error": {message, type, param, code}}.

    ServiceError                  a fact with an HTTP status; slices subclass it beside the rules it states
    ├── InvalidRequest   400      the request is wrong, and says where (param)
    ├── Unauthorized     401
    ├── Forbidden        403
    ├── NotFound         404
    ├── Conflict         409      never worth a blind retry: carries x-should-retry: false
    ├── TooLarge         413
    ├── Busy             429      carries Retry-After
    └── Unavailable      503      carries Retry-After
"""

from typing import Any, ClassVar


class ServiceError(Exception):
    """Base of all errors that callers are meant to read.

    `code` and `param` follow OpenAI's published bodies where one exists; `message` says what is wrong,
    where, and what to do next.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str | None = None
    param: str | None = None

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None,
                 headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.code
        self.param = param if param is not None else self.param
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class InvalidRequest(ServiceError):
    status = 400
    type = "invalid_request_error"


class Unauthorized(ServiceError):
    status = 401
    type = "invalid_request_error"


class Forbidden(ServiceError):
    status = 403
    type = "invalid_request_error"


class NotFound(ServiceError):
    status = 404
    type = "invalid_request_error"


class Conflict(ServiceError):
    """The official SDKs retry 409 on their own; the header tells them that it cannot help."""

    status = 409
    type = "invalid_request_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message, code=code, param=param, headers={"x-should-retry": "false"})


class TooLarge(ServiceError):
    status = 413
    type = "invalid_request_error"


class Busy(ServiceError):
    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, *, retry_after: int = 1, code: str | None = "rate_limit_exceeded") -> None:
        super().__init__(message, code=code, headers={"retry-after": str(max(1, retry_after))})


class Unavailable(ServiceError):
    status = 503
    type = "server_error"

    def __init__(self, message: str, *, retry_after: int = 1, code: str | None = "service_unavailable") -> None:
        super().__init__(message, code=code, headers={"retry-after": str(max(1, retry_after))})
