"""Carries out a transformation: lines of versions in, lines of the new version out, one at a time."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from service.datasets.transformation import choosing, rewriting
from service.datasets.transformation.choosing import Indexes
from service.datasets.transformation.rewriting import Note
from service.datasets.transformation.sources import Source
from service.datasets.transformation.specs import (
    AddSystemPrompt,
    Deduplicate,
    DropInvalid,
    InvalidTransformation,
    Merge,
    Prefer,
    Redact,
    Sample,
    Shuffle,
    Spec,
    Split,
    Take,
)


def apply(spec: Spec, sources: Sequence[Source], *, part: str | None = None, note: Note = lambda _reason, _number: None,
          ) -> Iterator[bytes]:
    """The lines of the new version, each with its newline; `part` names which half of a split.

    `note` hears what was changed, or could not be, and how often. Raises InvalidTransformation.
    """
    if isinstance(spec, Merge):
        return _merged(sources)
    [source] = sources
    rewrite = _rewriter(spec, note)
    if rewrite is not None:
        return _rewritten(source, rewrite, note)
    return (line + b"\n" for line in source.lines(_choice(spec, source, part)))


def _choice(spec: Spec, source: Source, part: str | None) -> Indexes:
    match spec:
        case DropInvalid():
            return choosing.valid(source)
        case Deduplicate():
            return choosing.unique(source, spec)
        case Shuffle():
            return choosing.shuffled(len(source), spec.seed)
        case Sample():
            return choosing.sampled(source, spec)
        case Split():
            training, validation = choosing.split(source, spec)
            return training if part == "training" else validation
        case Take():
            return np.arange(spec.skip, min(len(source), spec.skip + spec.examples), dtype=np.int64)
    raise InvalidTransformation(f"{type(spec).__name__} chooses no lines")


def _rewriter(spec: Spec, note: Note) -> Callable[[bytes], bytes | None] | None:
    match spec:
        case Redact():
            return lambda line: rewriting.redacted(line, note)
        case AddSystemPrompt():
            return lambda line: rewriting.with_system_prompt(line, spec)
        case Prefer():
            return rewriting.preferred
    return None


def _rewritten(source: Source, rewrite: Callable[[bytes], bytes | None], note: Note) -> Iterator[bytes]:
    for line in source.lines():
        changed = rewrite(line)
        if changed is None:
            note("not of the form that can be changed so", 1)
        else:
            yield changed + b"\n"


def _merged(sources: Sequence[Source]) -> Iterator[bytes]:
    for source in sources:
        yield from (line + b"\n" for line in source.lines())
