"""What can be asked of versions: typed, with defaults, and in the very form that is kept as lineage."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Seed = Annotated[int, Meta(ge=0, lt=2**31)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=1, lt=2**40)]


class InvalidTransformation(ValueError):
    """It asks for what there is not; the message says what."""


class _Spec(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    pass


class DropInvalid(_Spec, frozen=True, tag="drop_invalid"):
    """Keep the lines that can be trained on."""


class Deduplicate(_Spec, frozen=True, tag="deduplicate"):
    """Keep the first of the examples that say the same; with `near`, of those that say nearly the same too."""

    near: bool = False


class Redact(_Spec, frozen=True, tag="redact"):
    """Put placeholders such as [EMAIL] in the place of personal data and secrets."""


class Shuffle(_Spec, frozen=True, tag="shuffle"):
    seed: Seed = 0


class Sample(_Spec, frozen=True, tag="sample"):
    """Some examples at random, in the order in which they stand: a number of them or a share."""

    examples: Count | None = None
    fraction: Share | None = None
    seed: Seed = 0


class Split(_Spec, frozen=True, tag="split"):
    """Two parts: `fraction` of the examples to train on, the others to validate with.

    What says the same, says nearly the same or answers the same prompt falls on one side, so sizes are approximate.
    """

    fraction: Share = 0.9
    seed: Seed = 0


class Merge(_Spec, frozen=True, tag="merge"):
    """One version after another."""


class AddSystemPrompt(_Spec, frozen=True, tag="add_system_prompt"):
    """A system message at the start of examples: of those without one, or of all, in place of theirs or before it."""

    content: Annotated[str, Meta(min_length=1, max_length=100_000)]
    when: Literal["missing", "replace", "prepend"] = "missing"


class Prefer(_Spec, frozen=True, tag="prefer"):
    """Preference pairs as chats that end in the preferred answer, to be trained supervised."""


class Take(_Spec, frozen=True, tag="take"):
    """So many examples after the first `skip`."""

    examples: Count
    skip: Annotated[int, Meta(ge=0, lt=2**40)] = 0


Spec = DropInvalid | Deduplicate | Redact | Shuffle | Sample | Split | Merge | AddSystemPrompt | Prefer | Take
TYPES = sorted(str(each.__struct_config__.tag) for each in Spec.__args__)


def parse(asked: dict[str, Any], *, versions: int = 1) -> Spec:
    """The transformation that JSON asks for. Raises InvalidTransformation."""
    kind = asked.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise InvalidTransformation(f"there is no transformation of type {str(kind)[:60]!r}; there are"
                                    f" {', '.join(TYPES)}")
    try:
        spec: Spec = msgspec.convert(asked, Spec)
    except msgspec.ValidationError as wrong:
        raise InvalidTransformation(f"{kind}: {wrong}") from wrong
    if versions > 1 and not isinstance(spec, Merge):
        raise InvalidTransformation(f"only merge takes several versions; {kind} takes one")
    if isinstance(spec, Sample) and (spec.examples is None) == (spec.fraction is None):
        raise InvalidTransformation("sample: either `examples` or `fraction` says how many")
    return spec


def shown(spec: Spec) -> dict[str, Any]:
    """The JSON of a transformation with its defaults filled in."""
    built: dict[str, Any] = msgspec.to_builtins(spec)
    return built


def parts(spec: Spec) -> tuple[str | None, ...]:
    """The versions that come of it: one, or the two parts of a split."""
    return ("training", "validation") if isinstance(spec, Split) else (None,)
