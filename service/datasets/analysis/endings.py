"""Whether an answer came to its end."""

import re
from collections.abc import Sequence
from enum import Enum


class Ending(Enum):
    COMPLETE = "complete"
    EMPTY = "empty"
    SHORT = "short"
    "One word."
    CUT = "cut"
    OPEN_FENCE = "open_fence"


_LONG = 60  # characters; what is shorter may be a title, a name or a label
_PROSE = 120  # of the last line, which has sentences in it
_UNFINISHED = frozenset((
    "a", "an", "the", "and", "or", "but", "of", "to", "in", "on", "at", "by", "for", "with", "from", "that",
    "which", "who", "is", "are", "was", "were", "as", "if", "than", "because", "so", "und", "oder", "aber", "der",
    "die", "das", "ein", "eine", "mit", "von", "zu", "im", "dass", "et", "ou", "mais", "le", "la", "les", "un",
    "une", "de", "du", "des", "que", "qui", "pour", "avec", "y", "o", "pero", "el", "los", "las", "una", "con",
    "por", "para", "e", "il", "lo", "gli", "di", "che", "per", "een", "het", "van", "en", "met"))
_FINAL = frozenset(".!?\"')}]>:;*\u3002\uff01\uff1f\u2026\u201d\u300d")
_LAST_WORD = re.compile(r"\w+$")
_FENCE = re.compile(r"^[ \t]*(?:>[ \t]*)?(?:[-*][ \t]+|\d+\.[ \t]+)?```", re.MULTILINE)
_CODE = re.compile(r"[{};=<>|\\]|https?://|^\s*(?:[-*#>|]|\d+[.)])|\w\(")
_SENTENCES = re.compile(r"[.!?] ")


def doubtful(answers: Sequence[str]) -> list[int]:
    """Which of them are not plainly complete at a first look, as most answers are."""
    return [at for at, answer in enumerate(answers)
            if answer[-1:] not in _FINAL or len(answer) < _LONG or "```" in answer]


def ending(answer: str) -> Ending:
    """How an answer ends. A doubt is decided for the writer: titles, lists, labels and code need no full stop."""
    text = answer.strip()
    if not text:
        return Ending.EMPTY
    if text.count("```") % 2 and len(_FENCE.findall(text)) % 2:
        return Ending.OPEN_FENCE
    if len(text) < _LONG:
        return Ending.SHORT if _is_one_word(text) else Ending.COMPLETE
    last = text[-1]
    if last.isalnum():
        return Ending.CUT if _is_unfinished(text) else Ending.COMPLETE
    return Ending.CUT if last in ",([" and not _CODE.search(text[text.rfind("\n") + 1:]) else Ending.COMPLETE


def _is_one_word(text: str) -> bool:
    words = text.split(None, 1)
    return len(words) == 1 and (text.isascii() or len(text) <= 4 or text[0] < "\u2e80")


def _is_unfinished(text: str) -> bool:
    line = text[text.rfind("\n") + 1:]
    if _CODE.search(line):
        return False
    word = _LAST_WORD.search(line[-24:])
    if word is not None and word[0] in _UNFINISHED and len(line) >= _LONG:
        return True
    return len(line) >= _PROSE and _SENTENCES.search(line) is not None
