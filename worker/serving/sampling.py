"""Chooses the next token from one row of logits, the same for the same seed whatever else is running."""

import secrets
from collections import Counter
from dataclasses import dataclass, field

import torch

# Below this, dividing by the temperature overflows long before it changes the winner.
_GREEDY_BELOW = 1e-4


@dataclass(frozen=True)
class Settings:
    """OpenAI's sampling parameters; `top_logprobs` is None when no log-probabilities were asked for."""

    temperature: float = 1.0
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True)
class Choice:
    """The token chosen; `logprob` and `top` (id, log-probability) are of the model, before temperature."""

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass
class Sampler:
    """One request's own randomness and its own record of what it has already said."""

    settings: Settings
    said: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        seed = self.settings.seed if self.settings.seed is not None else secrets.randbits(63)
        # Generators take 0 <= seed < 2**63; OpenAI also allows negative ones.
        self._generator = torch.Generator().manual_seed(seed % 2**63)

    def choose(self, logits: torch.Tensor) -> Choice:
        """`logits` has shape (vocabulary,), on any device and in any float type."""
        logits = logits.float().cpu()
        token = self._pick(self._penalized(logits))
        self.said[token] += 1
        if self.settings.top_logprobs is None:
            return Choice(token)
        return _with_logprobs(token, logits, self.settings.top_logprobs)

    def _penalized(self, logits: torch.Tensor) -> torch.Tensor:
        presence, frequency = self.settings.presence_penalty, self.settings.frequency_penalty
        if not self.said or not (presence or frequency):
            return logits
        penalized = logits.clone()
        tokens = torch.tensor(list(self.said.keys()))
        counts = torch.tensor(list(self.said.values()), dtype=logits.dtype)
        penalized[tokens] -= presence + frequency * counts
        return penalized

    def _pick(self, logits: torch.Tensor) -> int:
        if self.settings.temperature < _GREEDY_BELOW:
            return int(logits.argmax())
        probabilities = torch.softmax(logits / self.settings.temperature, dim=-1)
        if self.settings.top_p < 1.0:
            probabilities = _nucleus(probabilities, self.settings.top_p)
        # The inverse of the cumulative distribution uses one random number a token, so that a rounding
        # difference between batched and single runs cannot shift everything that follows.
        cumulative = probabilities.double().cumsum(0)
        mark = torch.rand((), generator=self._generator, dtype=torch.double) * cumulative[-1]
        return min(int(torch.searchsorted(cumulative, mark, right=True)), len(logits) - 1)


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero outside the smallest set of most likely tokens that holds `top_p`; the likeliest always stays."""
    ordered, order = probabilities.sort(descending=True, stable=True)
    outside = ordered.cumsum(0) - ordered >= top_p
    outside[0] = False
    return probabilities.index_fill(0, order[outside], 0.0)


def _with_logprobs(token: int, logits: torch.Tensor, top: int) -> Choice:
    logprobs = torch.log_softmax(logits, dim=-1)
    best = logprobs.topk(min(top, len(logprobs)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return Choice(token, float(logprobs[token]), tuple(pairs))
