"""What AWS's errors come to, in one place: was anything made, may it be asked again, does the door still open."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from worker.providers.remote import AccessRefused, Ambiguous, Gone, Refused, RemoteError, Unavailable

_DOOR = frozenset({
    "AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId",
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "ExpiredToken",
    "ExpiredTokenException", "InvalidToken",
    "AuthFailure", "OptInRequired", "NotSignedUp", "AccountProblem", "AllAccessDisabled",
})
_LATER = frozenset({
    "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "SlowDown", "RequestTimeTooSkewed", "RequestExpired",
})
_FULL = "ServiceQuotaExceededException"
_FULL_FOR = 600.0
"""Seconds until another job may have ended: AWS says only that the request may be sent again later."""
_MISSING = frozenset({"ResourceNotFoundException", "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NotFound", "404"})
_UNSENT = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})
_LONGEST = 600


@contextmanager
def translating(doing: str, *, makes: bool = False) -> Iterator[None]:
    """Whatever is raised within comes out as one of the seam's errors, without the original's words behind it."""
    try:
        yield
    except Exception as wrong:  # noqa: BLE001 - answers are hostile: botocore's reader may fail in any way
        raise translated(wrong, doing, makes=makes) from None


def translated(wrong: Exception, doing: str, *, makes: bool = False) -> RemoteError:
    """`makes` says that the request makes a job: whatever leaves that open is Ambiguous then."""
    if isinstance(wrong, RemoteError):
        return wrong
    answer = getattr(wrong, "response", None)
    if isinstance(answer, dict) and isinstance(answer.get("Error"), dict):
        return _answered(answer, doing, makes=makes)
    kind = type(wrong).__name__
    if kind == "ParamValidationError":
        return Refused("invalid_parameter", f"{doing}: {wrong}"[:_LONGEST])
    if kind in _UNSENT:
        return Unavailable(f"{doing}: AWS cannot be reached ({kind}).")
    if makes:
        return Ambiguous(f"{doing}: no answer that can be read ({kind}).")
    return Unavailable(f"{doing}: no answer that can be read ({kind}).")


def _answered(answer: dict[str, Any], doing: str, *, makes: bool) -> RemoteError:
    error, meta = answer["Error"], answer.get("ResponseMetadata")
    code, told = str(error.get("Code", ""))[:100], f"{doing}: {error.get('Message') or 'no reason given'}"[:_LONGEST]
    status = meta.get("HTTPStatusCode") if isinstance(meta, dict) else None
    status = status if isinstance(status, int) else 0
    if code in _DOOR or status == 401 or (status == 403 and code not in _LATER):
        return AccessRefused(_closed(doing, code, told))
    if code in _LATER or status == 429:
        return Unavailable(f"{doing}: AWS asks for patience ({code}).", _patience(meta))
    if code == _FULL:
        return Unavailable(told, _FULL_FOR)
    # A taken name or token is this attempt's own, for both are drawn for it alone: the job is there already.
    if makes and (status >= 500 or code == "ConflictException"):
        return Ambiguous(told)
    return _final(code, status, told) if status < 500 else Unavailable(told, _patience(meta))


def _final(code: str, status: int, told: str) -> RemoteError:
    return Gone(told) if code in _MISSING else Refused(code or f"http_{status}", told)


def _closed(doing: str, code: str, told: str) -> str:
    """A refused signature's message repeats headers, the session token among them: only AccessDenied's may be shown."""
    return told if code.startswith("AccessDenied") else f"{doing}: AWS refuses the credential ({code or 403})."


def _patience(meta: object) -> float | None:
    headers = meta.get("HTTPHeaders") if isinstance(meta, dict) else None
    asked = headers.get("retry-after") if isinstance(headers, dict) else None
    try:
        seconds = float(str(asked))
    except ValueError:
        return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), 3600.0)
