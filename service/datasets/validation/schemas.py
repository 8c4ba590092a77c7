"""Tool parameters as JSON Schemas that strangers wrote: checked and used within bounds, and nothing is fetched.

    parameters ─ survey ─▶ refers outside, or too large to evaluate     told, never compiled
                   └─ compiled once ─▶ not a schema                     told
                                └─▶ validator, and its worst cost for one character of arguments
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
from jsonschema_rs import FancyRegexOptions, RegexOptions, ValidationError, validator_for

from service.datasets.validation.findings import shown

_LONGEST = 100_000  # bytes of one schema
_MOST_PATTERNS = 64
_MOST_NODES = 20_000
_MOST_LEVELS = 3  # of unevaluatedProperties, each of which looks at everything below it once more
_PATTERN_COST = 4_000  # measured: a nasty pattern takes so much longer for a character than an ordinary keyword
_LOOKING_COST = 20_000  # one that looks around may step back
_MOST_HELD = 64_000_000
_UNIT = 20  # bytes of memory for a byte of schema
_PATTERN_SIZE = 256 * 1024
_LINEAR = RegexOptions(size_limit=_PATTERN_SIZE, dfa_size_limit=_PATTERN_SIZE)
_LOOKING = FancyRegexOptions(backtrack_limit=10_000, size_limit=_PATTERN_SIZE, dfa_size_limit=_PATTERN_SIZE)
_DYNAMIC = ("$dynamicRef", "$recursiveRef")
_DEFINITIONS = ("$defs", "definitions")
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")

T = TypeVar("T")


class Costly(Exception):
    """A schema that could take for ever."""


@dataclass(slots=True)
class Budget:
    """How much work one line may make. In proportion to its length, so that a file of them is read in linear time."""

    left: int

    @classmethod
    def of(cls, line: bytes) -> "Budget":
        return cls(min(3_000 * len(line), 300_000_000))

    def spend(self, units: int) -> bool:
        """Whether there was enough left."""
        self.left -= units
        return self.left >= 0


@dataclass(slots=True)
class Parameters:
    """What became of the parameters of one function."""

    problem: str | None = None
    "In words, when they are not a JSON Schema."
    outside: str | None = None
    "What they refer to that is not in themselves."
    validator: Any = None
    cost: int = 0
    "Of one character of arguments, at worst."
    loops: int = 0
    "References that lead back to where they stand, each of which multiplies the cost for every level of arguments."
    weight: int = 0
    "About how much memory it takes."

    def refusal(self, arguments: Any, length: int, budget: Budget) -> str | None:
        """Why arguments do not fit, in words; None when they do. Raises Costly."""
        if self.problem or self.outside:
            return None
        if self.validator is None or not budget.spend(self.cost * (length + 1) * _spread(self.loops, arguments)):
            raise Costly
        try:
            self.validator.validate(arguments)
        except ValidationError as wrong:
            return _words(wrong)
        except ValueError:  # a number or a string that no JSON holds; the text rules tell of it
            return None
        return None


def _words(wrong: ValidationError) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in wrong.instance_path)
    return f"{shown(where.removeprefix('.'))}: {shown(wrong.message, 160)}".removeprefix(": ")


def _spread(loops: int, arguments: Any) -> int:
    return loops ** _depth(arguments) if loops > 1 else 1


def _depth(value: Any) -> int:
    levels, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        level = [member for each in level for member in (each.values() if isinstance(each, dict) else each)]
        levels += 1
    return levels


class Known(Generic[T]):
    """What was made from JSON before, by its text; forgotten all at once before it takes too much memory."""

    def __init__(self, make: Callable[[Any, int], tuple[T, int]]) -> None:
        self._make = make
        self._held: dict[bytes, T] = {}
        self._weight = 0

    def __call__(self, value: Any) -> T:
        """Made from the value and the length of its text. Raises UnicodeEncodeError where it is no text."""
        text = msgspec.json.encode(value)
        if (found := self._held.get(text)) is not None:
            return found
        made, weight = self._make(value, len(text))
        if self._weight + weight > _MOST_HELD:
            self._held.clear()
            self._weight = 0
        if weight <= _MOST_HELD:
            self._held[text] = made
            self._weight += weight
        return made


def _compiled(schema: dict[str, Any], length: int) -> tuple[Parameters, int]:
    survey = _Survey(schema)
    weight = (length + 100) * _UNIT + survey.patterns * _PATTERN_SIZE
    if survey.outside is not None:
        return Parameters(outside=survey.outside), weight
    if length > _LONGEST or survey.is_costly:
        return Parameters(), weight
    made = Parameters(loops=survey.loops, weight=weight)
    try:
        made.validator, made.cost = _validator(schema, _LINEAR), survey.nodes + survey.patterns * _PATTERN_COST
    except ValidationError as wrong:
        made.problem = _words(wrong)
    if made.problem and survey.patterns:  # perhaps only patterns that look around
        try:
            made.validator, made.cost = _validator(schema, _LOOKING), survey.nodes + survey.patterns * _LOOKING_COST
            made.problem = None
        except ValidationError as wrong:
            made.problem = _words(wrong)
    return made, weight


def _validator(schema: dict[str, Any], patterns: RegexOptions | FancyRegexOptions) -> Any:
    return validator_for(schema, offline=True, pattern_options=patterns, validate_formats=False)


@dataclass(slots=True)
class _Survey:
    """One walk over a schema with all of its references followed, as far as it may go."""

    root: dict[str, Any]
    outside: str | None = None
    nodes: int = 0
    patterns: int = 0
    loops: int = 0
    unevaluated: int = 0
    has_references: bool = False
    is_dynamic: bool = False
    _open: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        try:
            self._walk(self.root)
        except (Costly, RecursionError):
            self.is_dynamic = True

    @property
    def is_costly(self) -> bool:
        return (self.is_dynamic or self.patterns > _MOST_PATTERNS or self.unevaluated > _MOST_LEVELS
                or bool(self.unevaluated and self.has_references))

    def _walk(self, value: Any) -> None:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise Costly
        if isinstance(value, list):
            for each in value:
                self._walk(each)
        elif isinstance(value, dict):
            self._note(value)
            for key, each in value.items():
                if value is not self.root or key not in _DEFINITIONS:  # those count where they are referred to
                    self._walk(each)
            if isinstance(target := value.get("$ref"), str):
                self._follow(target)

    def _note(self, schema: dict[str, Any]) -> None:
        if isinstance(schema.get("pattern"), str):
            self.patterns += 1
        if isinstance(named := schema.get("patternProperties"), dict):
            self.patterns += len(named)
        self.unevaluated += sum(key in schema for key in _UNEVALUATED)
        self.is_dynamic |= any(isinstance(schema.get(key), str) for key in _DYNAMIC)
        self.is_dynamic |= isinstance(schema.get("$id"), str) and schema is not self.root

    def _follow(self, target: str) -> None:
        self.has_references = True
        if target in self._open:
            self.loops += 1
            return
        if (found := _resolved(self.root, target)) is None:
            self.outside = self.outside or target
            return
        self._open.add(target)
        self._walk(found)
        self._open.discard(target)


def _resolved(root: dict[str, Any], target: str) -> Any:
    """What a reference inside of the schema leads to; None when it leads nowhere in there."""
    if target != "#" and not target.startswith("#/"):
        return None
    found: Any = root
    for step in _steps(target):
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and len(step) < 6 and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _steps(target: str) -> Iterator[str]:
    for step in target.split("/")[1:]:
        yield step.replace("~1", "/").replace("~0", "~")


_known_schemas = Known(_compiled)


def parameters_of(schema: dict[str, Any]) -> Parameters:
    """The parameters of a function, compiled when they are new."""
    try:
        return _known_schemas(schema)
    except (UnicodeEncodeError, RecursionError):  # the rules of texts tell of it
        return Parameters()


def laxity(schema: Any) -> str | None:
    """The first thing in a schema that strict mode does not allow, in words; None when it is strict."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "the parameters must be of type object"
    open_schemas = [("the parameters", schema)]
    for where, each in open_schemas:  # grows while it is read
        if problem := _lax(each):
            return f"{where} must {problem}"
        open_schemas.extend(_inner(each))
    return None


def _lax(schema: dict[str, Any]) -> str | None:
    properties = schema.get("properties")
    if schema.get("type") != "object" and not isinstance(properties, dict):
        return None
    if schema.get("additionalProperties") is not False:
        return "have additionalProperties false"
    required = schema.get("required")
    missing = set(properties if isinstance(properties, dict) else ()) - {
        each for each in (required if isinstance(required, list) else ()) if isinstance(each, str)}
    return f"require '{shown(min(missing))}'" if missing else None


def _inner(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in ("properties", "$defs", "definitions"):
        members = schema.get(key)
        for name, member in (members.items() if isinstance(members, dict) else ()):
            if isinstance(member, dict):
                yield f"'{shown(name)}'", member
    alternatives = schema.get("anyOf")
    for member in (schema.get("items"), *(alternatives if isinstance(alternatives, list) else ())):
        if isinstance(member, dict):
            yield "what is inside", member
