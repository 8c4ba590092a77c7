"""What each provider can do and what it refuses, said before a job is made. Pure.

    what              local    openai     azure      compatible   bedrock
    methods           sft      all        all        sft, dpo     sft
    pause, resume     yes      yes        yes        yes          no
    checkpoints       yes      yes        yes        yes          no
    trained tokens    yes      yes        yes        yes          no       told at the end
    seed              yes      yes        yes        yes          no
    longest suffix    64       64         18         64           40
    metadata          16       14         14         14           14       pairs that reach the server
    largest file      8 GiB    8 GiB      512 MiB    8 GiB        8 GiB
    chat              here     by name    deployed   by name      no

Of a compatible server nobody knows more than that it speaks the API: what it cannot do, it refuses by itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from service.catalog import bedrock_models
from service.catalog.base_models import MethodName

MiB = 1024 * 1024
GiB = 1024 * MiB
Chat = Literal["here", "by_name", "by_deployment", "none"]
OURS = 2
"""Pairs of a remote job's metadata that are this house's, so that it can be found again."""
_SFT: frozenset[MethodName] = frozenset({"supervised"})
_SFT_DPO: frozenset[MethodName] = _SFT | {"dpo"}
_ALL: frozenset[MethodName] = _SFT_DPO | {"reinforcement"}
_TITLES = {"local": "This house", "openai": "OpenAI", "azure": "Azure OpenAI", "compatible": "The server",
           "bedrock": "Amazon Bedrock"}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a provider would refuse a job: completes an error's code, message and param."""

    code: str
    message: str
    param: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a job a provider may be unable to do. `sizes` are bytes by the parameter that names the file."""

    method: str = "supervised"
    suffix: str | None = None
    seed: bool = False
    "Whether the caller named one."
    tuning: str | None = None
    "The tuning that the caller named."
    integrations: int = 0
    metadata_pairs: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, int] = field(default_factory=dict)
    "Lines by the parameter that names the file, where they are counted."
    model: str = ""
    "The base model, for a provider whose models differ in what they take."
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One provider."""

    provider: str
    methods: frozenset[MethodName]
    chat: Chat
    pauses: bool = True
    checkpoints: bool = True
    tells_tokens: bool = True
    "Whether an ended job says how many tokens were trained; where not, the estimate is what is billed here."
    seeds: bool = True
    tunings: bool = False
    "Whether a job may name its tuning (rank, layers); others choose themselves."
    integrations: bool = False
    longest_suffix: int = 64
    suffix: str = r"[A-Za-z0-9][A-Za-z0-9._-]*"
    metadata_pairs: int = 16 - OURS
    largest_file: int = 8 * GiB

    @property
    def title(self) -> str:
        return _TITLES[self.provider]

    def obstacles(self, wish: Wish) -> tuple[Obstacle, ...]:
        """Everything that stands in the way, in the order of a job's fields; empty when nothing does."""
        return tuple(self._found(wish))

    def cannot(self, verb: Literal["pause", "resume"]) -> str | None:
        """Why a job there cannot be paused or resumed; None where it can."""
        return None if self.pauses else f"{self.title} cannot {verb} jobs; a job there can be cancelled."

    def cannot_chat(self) -> str | None:
        """Why a model tuned there answers no chat through this house; None where it does."""
        if self.chat != "none":
            return None
        return f"{self.title} serves this model behind an API of its own; use its console or SDK."

    def _found(self, wish: Wish) -> Iterator[Obstacle]:
        if wish.method not in self.methods:
            known = ", ".join(sorted(self.methods))
            yield Obstacle("method_not_supported", f"{self.title} does not train by the {wish.method} method. It"
                           f" supports: {known}.", "method.type")
        if wish.tuning is not None and not self.tunings:
            yield Obstacle("tuning_not_supported", f"{self.title} chooses how weights are tuned itself; leave 'tuning'"
                           " out.", f"method.{wish.method}.tuning")
        for param, size in wish.sizes.items():
            if size > self.largest_file:
                yield Obstacle("file_too_large", f"{self.title} takes files of up to {self.largest_file} bytes;"
                               f" this one has {size}. Split it, or choose another provider.", param)
        family = bedrock_models.family_of(wish.model) if self.provider == "bedrock" else None
        if family is not None:
            yield from (Obstacle(*one) for one in bedrock_models.problems(
                family, wish.hyperparameters, has_validation="validation_file" in wish.sizes, examples=wish.examples))
        yield from self._words(wish)

    def _words(self, wish: Wish) -> Iterator[Obstacle]:
        if wish.suffix is not None and len(wish.suffix) > self.longest_suffix:
            yield Obstacle("suffix_too_long", f"{self.title} takes suffixes of up to {self.longest_suffix} characters;"
                           f" this one has {len(wish.suffix)}.", "suffix")
        elif wish.suffix is not None and not re.fullmatch(self.suffix, wish.suffix):
            yield Obstacle("suffix_invalid", f"{self.title} takes only letters, digits and hyphens in a suffix.",
                           "suffix")
        if wish.seed and not self.seeds:
            yield Obstacle("seed_not_supported", f"{self.title} draws the seed itself; leave it out.", "seed")
        if wish.integrations and not self.integrations:
            yield Obstacle("integrations_not_supported", f"{self.title} is told of no integrations; leave them out and"
                           " follow the job's events here.", "integrations")
        if wish.metadata_pairs > self.metadata_pairs:
            yield Obstacle("too_much_metadata", f"{self.title} takes {self.metadata_pairs} pairs of metadata beside the"
                           f" {OURS} by which this house finds the job again; there are {wish.metadata_pairs}.",
                           "metadata")


BY_PROVIDER: Mapping[str, Capabilities] = MappingProxyType({each.provider: each for each in (
    Capabilities("local", _SFT, "here", tunings=True, integrations=True, metadata_pairs=16),
    Capabilities("openai", _ALL, "by_name"),
    Capabilities("azure", _ALL, "by_deployment", longest_suffix=18, suffix=r"[A-Za-z0-9][A-Za-z0-9-]*",
                 largest_file=512 * MiB),
    Capabilities("compatible", _SFT_DPO, "by_name"),
    Capabilities("bedrock", _SFT, "none", pauses=False, checkpoints=False, tells_tokens=False,
                 seeds=False, longest_suffix=40,
                 suffix=r"[A-Za-z0-9][A-Za-z0-9-]*"),
)})


def of(provider: str) -> Capabilities:
    """Raises KeyError for a name that no catalog may contain."""
    return BY_PROVIDER[provider]


def shown(provider: str) -> dict[str, Any]:
    """For answers and documents: plain JSON."""
    found = of(provider)
    return {"provider": provider, "methods": sorted(found.methods), "pause": found.pauses,
            "checkpoints": found.checkpoints, "seed": found.seeds, "suffix_max_length": found.longest_suffix,
            "metadata_max_pairs": found.metadata_pairs, "file_max_bytes": found.largest_file, "chat": found.chat}
