"""Renders conversations with the base model's own chat template and marks the tokens that are to be learned.

How the learned part of an assistant message is found, for any template:

1. By prefix. What the template writes for the messages before it, with the generation prompt, must begin what it
   writes with the message, which must begin the whole text. The difference is what the model says at inference.
2. By a mark, when a template writes a turn differently once others follow (Qwen 3 drops old reasoning): the whole
   chat is rendered again with a mark in place of the message; what differs is the message. The end-of-turn token
   after it is taken in.

White space after the end-of-turn token is the template's and not learned. Tokens belong to the message in which
their first character lies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from worker.training.conversations import Conversation, Message, for_template

IGNORED = -100  # the label that every loss function of the field passes over
_MARK = "\ue000mark\ue001"  # private-use characters, which no template and hardly any chat contains


@dataclass(frozen=True, slots=True)
class Example:
    """One rendered conversation: token ids, and the same ids as labels where they are learned, else -100."""

    input_ids: list[int]
    labels: list[int]
    was_truncated: bool

    @property
    def learned_tokens(self) -> int:
        """Labels that some position predicts: the first token of a text has nothing before it."""
        return sum(label != IGNORED for label in self.labels[1:])

    def cut(self, limit: int) -> Example:
        """The same without what goes beyond `limit` tokens."""
        return Example(self.input_ids[:limit], self.labels[:limit], was_truncated=len(self.input_ids) > limit)


class Renderer:
    """Renders conversations for one tokenizer (a fast Hugging Face tokenizer with a chat template)."""

    def __init__(self, tokenizer: Any, *, context_length: int) -> None:
        self._tokenizer = tokenizer
        self._context_length = context_length
        self._template: str = tokenizer.get_chat_template()
        special = {str(token) for token in tokenizer.all_special_tokens}
        special |= {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        alternatives = "|".join(re.escape(token) for token in sorted(special, key=len, reverse=True) if token)
        self._end_of_turn = re.compile(rf"\s*(?:{alternatives})") if alternatives else None

    def example(self, conversation: Conversation) -> Example:
        """Render one conversation; what goes beyond the context is cut off at the end, as OpenAI does."""
        return self.whole(conversation).cut(self._context_length)

    def whole(self, conversation: Conversation) -> Example:
        """Render one conversation, however long it is."""
        text, spans = self.text(conversation)
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids: list[int] = encoded["input_ids"]
        starts = (start for start, _ in encoded["offset_mapping"])
        labels = [token if learned else IGNORED for token, learned in zip(ids, _inside(starts, spans), strict=True)]
        return Example(ids, labels, was_truncated=False)

    def text(self, conversation: Conversation) -> tuple[str, list[tuple[int, int]]]:
        """Render one conversation as text, with the learned spans of characters, in order."""
        adapted = for_template(conversation, self._template)
        full = self._render(adapted.messages, adapted.tools)
        spans = []
        for at, learned in enumerate(adapted.learned):
            if learned:
                span = self._span_by_prefix(full, adapted, at) or self._span_by_mark(full, adapted, at)
                spans.append(self._without_trailing_space(full, span))
        return full, [span for span in spans if span[0] < span[1]]

    def sample(self, example: Example) -> str:
        """Decode an example for human eyes, with each learned run of tokens between ⟦ and ⟧."""
        runs: list[tuple[bool, list[int]]] = []
        for token, label in zip(example.input_ids, example.labels, strict=True):
            if not runs or runs[-1][0] != (label != IGNORED):
                runs.append((label != IGNORED, []))
            runs[-1][1].append(token)
        return "".join(f"⟦{self._decode(ids)}⟧" if learned else self._decode(ids) for learned, ids in runs)

    def _span_by_prefix(self, full: str, chat: Conversation, at: int) -> tuple[int, int] | None:
        last = at == len(chat.messages) - 1
        try:
            before = self._render(chat.messages[:at], chat.tools, prompt=True)
            after = full if last else self._render(chat.messages[: at + 1], chat.tools)
        except Exception:  # noqa: BLE001  # a template may refuse half a chat in any way it likes
            return None
        return (len(before), len(after)) if full.startswith(after) and after.startswith(before) else None

    def _span_by_mark(self, full: str, chat: Conversation, at: int) -> tuple[int, int]:
        marked: list[Message] = list(chat.messages)
        marked[at] = {"role": "assistant", "content": _MARK}
        other = self._render(marked, chat.tools)
        if full == other:  # the template does not show this message at all
            return 0, 0
        start = _common(full, other)
        end = len(full) - _common(full[start:][::-1], other[start:][::-1])
        closing = self._end_of_turn.match(full, end) if self._end_of_turn else None
        return start, closing.end() if closing else end

    def _without_trailing_space(self, full: str, span: tuple[int, int]) -> tuple[int, int]:
        said = full[slice(*span)]
        trimmed = said.rstrip()
        ends_turn = self._end_of_turn and any(
            found.end() == len(trimmed) for found in self._end_of_turn.finditer(trimmed)
        )
        return (span[0], span[0] + len(trimmed)) if ends_turn else span

    def _render(self, messages: list[Message], tools: list[dict[str, Any]], *, prompt: bool = False) -> str:
        text: str = self._tokenizer.apply_chat_template(
            messages, tools=tools or None, tokenize=False, add_generation_prompt=prompt
        )
        return text

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text


def render_all(
    renderer: Renderer, conversations: Iterable[tuple[int, Conversation]], *, between: Callable[[], None]
) -> tuple[list[Example], int]:
    """Render conversations; returns those with something to learn and how many had nothing.

    `between` is called before each one and may raise to end the work. A conversation that the template refuses
    raises ValueError with its line number.
    """
    examples, skipped = [], 0
    for number, conversation in conversations:
        between()
        try:
            example = renderer.example(conversation)
        except Exception as refusal:
            raise ValueError(f"Line {number}: the chat template of the base model refuses it: {refusal}") from refusal
        if example.learned_tokens:
            examples.append(example)
        else:
            skipped += 1
    return examples, skipped


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _inside(starts: Iterable[int], spans: list[tuple[int, int]]) -> Iterable[bool]:
    """Whether each start, ascending, lies in one of the spans, ascending."""
    at = 0
    for start in starts:
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        yield at < len(spans) and spans[at][0] <= start
