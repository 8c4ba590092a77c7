"""Puts placeholders where private data stood."""

from collections import Counter

from service.datasets.analysis.privacy.finding import TRIGGERS, spans
from service.datasets.analysis.scanning import Joined, Scanner

_SCANNER = Scanner(TRIGGERS)
_MOST_ROUNDS = 4  # what a placeholder leaves behind may look like something else, once or twice


def redact(text: str) -> tuple[str, dict[str, int]]:
    """The text with a placeholder such as [EMAIL] for each value found, and how many of each kind there were.

    Values that are examples by their nature (test cards, reserved domains) stay. To redact again changes nothing.
    """
    if not _SCANNER.fires(text.encode("utf-8", "surrogatepass")):
        return text, {}
    counts: Counter[str] = Counter()
    for _ in range(_MOST_ROUNDS):
        joined = Joined.of([text])
        found = spans(joined, _SCANNER.scan(joined))
        if not found:
            break
        pieces, at = [], 0
        for span in found:
            counts[span.detector.kind] += 1
            pieces += [joined.data[at:span.start], span.detector.placeholder.encode()]
            at = span.end
        text = b"".join([*pieces, joined.data[at:]]).decode("utf-8", "surrogatepass")
    return text, dict(counts)
