"""The rows of one base model that decode together: one forward pass gives each of them one token."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from .adapters import Adapters
from .bases import Base, device


def fresh_cache(base: Base) -> DynamicCache:
    return DynamicCache(config=base.model.config)


def can_mix(base: Base) -> bool:
    """Only plain attention caches can be padded and joined; sliding windows and states cannot."""
    return all(type(layer) is DynamicLayer for layer in fresh_cache(base).layers)


@dataclass
class Row:
    """One sequence: its adapter, how many tokens of it are in the cache, and the token that comes next."""

    adapter: str
    length: int = 0
    last: int = 0


class Batch:
    """Keys and values of all rows in one left-padded cache of shape (rows, heads, longest, head size) a layer."""

    def __init__(self, base: Base, adapters: Adapters) -> None:
        self._base = base
        self._adapters = adapters
        self._cache: DynamicCache | None = None
        self.rows: list[Row] = []

    @torch.inference_mode()
    def prefill(self, row: Row, cache: DynamicCache, tokens: list[int]) -> torch.Tensor:
        """Feed prompt tokens of a row that has not joined yet; logits (vocabulary,) after the last of them."""
        self._adapters.rows([row.adapter])
        positions = torch.arange(row.length, row.length + len(tokens), device=device()).unsqueeze(0)
        logits: torch.Tensor = self._base.model(
            input_ids=torch.tensor([tokens], device=device()),
            position_ids=positions,
            past_key_values=cache,
            logits_to_keep=1,
        ).logits
        row.length += len(tokens)
        return logits[0, -1]

    @torch.inference_mode()
    def join(self, row: Row, cache: DynamicCache) -> None:
        if self._cache is None:
            self._cache = cache
        else:
            longest = max(self._cache.get_seq_length(), cache.get_seq_length())
            for ours, theirs in zip(_layers(self._cache), _layers(cache), strict=True):
                ours.keys = torch.cat([_padded(ours.keys, longest), _padded(theirs.keys, longest)])
                ours.values = torch.cat([_padded(ours.values, longest), _padded(theirs.values, longest)])
        self.rows.append(row)

    @torch.inference_mode()
    def leave(self, gone: set[int]) -> None:
        """Drop rows by index, and the padding that nobody needs any more."""
        kept = [index for index in range(len(self.rows)) if index not in gone]
        self.rows = [self.rows[index] for index in kept]
        if self._cache is None or not kept:
            self._cache = None
            return
        spare = self._cache.get_seq_length() - max(row.length for row in self.rows)
        for layer in _layers(self._cache):
            layer.keys = layer.keys[kept, :, spare:]
            layer.values = layer.values[kept, :, spare:]

    @torch.inference_mode()
    def decode(self) -> torch.Tensor:
        """One token further in every row: logits of shape (rows, vocabulary)."""
        assert self._cache is not None
        self._adapters.rows([row.adapter for row in self.rows])
        logits: torch.Tensor = self._base.model(
            input_ids=torch.tensor([[row.last] for row in self.rows], device=device()),
            position_ids=torch.tensor([[row.length] for row in self.rows], device=device()),
            attention_mask=self._mask(),
            past_key_values=self._cache,
            logits_to_keep=1,
        ).logits
        for row in self.rows:
            row.length += 1
        return logits[:, -1]

    def _mask(self) -> torch.Tensor | None:
        """1 where a row has tokens, 0 on its padding; None when no row has any."""
        assert self._cache is not None
        longest = self._cache.get_seq_length()
        if len(self.rows) == 1 or all(row.length == longest for row in self.rows):
            return None
        places = torch.arange(longest + 1).unsqueeze(0)
        padding = torch.tensor([[longest - row.length] for row in self.rows])
        return (places >= padding).long().to(device())


def _layers(cache: DynamicCache) -> list[Any]:
    """The layers of a cache that `can_mix` has found to be plain, each with `keys` and `values`."""
    return cast("list[Any]", cache.layers)


def _padded(states: torch.Tensor, longest: int) -> torch.Tensor:
    return pad(states, (0, 0, longest - states.shape[-2], 0))
