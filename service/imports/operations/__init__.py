"""The verbs of imports: what callers ask for, and what their worker is told and tells."""

from service.imports.operations.requests import cancel, create, resume, retrieve
from service.imports.operations.stepping import begin, fail, keep_models, next_step, wait
from service.imports.operations.telling import (
    give_up_list,
    give_up_object,
    tell_checkpoints,
    tell_events,
    tell_file,
    tell_files,
    tell_jobs,
    tell_models,
)

__all__ = ["begin", "cancel", "create", "fail", "give_up_list", "give_up_object", "keep_models", "next_step", "resume",
           "retrieve", "tell_checkpoints", "tell_events", "tell_file", "tell_files", "tell_jobs", "tell_models", "wait"]
