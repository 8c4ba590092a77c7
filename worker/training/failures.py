"""Says in plain words why a job failed: every exception becomes a code, a sentence and what to do next."""

from __future__ import annotations

import errno

from worker.training.progress import Failed, FailureCode

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("no space left on device", "file too large", "disk quota exceeded")
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


class JobFailed(Exception):
    """The job cannot go on for a reason that its owner or the operator can understand and change."""

    def __init__(self, code: FailureCode, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.failed = Failed(code=code, message=message, param=param)


def base_model_unavailable(why: str) -> JobFailed:
    return JobFailed(
        FailureCode.BASE_MODEL_UNAVAILABLE, f"The base model cannot be used: {why}. Ask the operator.", param="model"
    )


def explain(error: BaseException) -> Failed:
    """Translate an exception into a `failed` record. Unknown ones tell nothing of their text, which may be private."""
    if isinstance(error, JobFailed):
        return error.failed
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS):
        return Failed(
            code=FailureCode.OUT_OF_MEMORY,
            message=(
                "The training ran out of memory. Shorten the longest examples, lower the batch size, or choose "
                "LoRA tuning or a smaller base model; then create the job again."
            ),
            param="hyperparameters",
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return _disk_full()
    if any(words in str(error).lower() for words in _FULL_WORDS):  # safetensors and torch wrap the OSError in words
        return _disk_full()
    return Failed(
        code=FailureCode.SERVER_ERROR,
        message="The training process hit an error of its own; it will be tried again. The operator's log says more.",
    )


def _disk_full() -> Failed:
    return Failed(
        code=FailureCode.DISK_FULL,
        message="The disk of the training machine is full. Nothing is lost; once there is room the job can go on.",
    )
