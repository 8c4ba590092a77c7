"""The parts of the quality score: each a grade from 0 to 100, its weight, and the numbers it rests on.

Grades are straight lines between the points that stand beside them. The sizes follow OpenAI's guide (at least 10
examples; first improvements from 50 to 100). The other points are our own choice: up to one in a hundred is noise that
training bears, one in five shapes the model. No grade looks at anything but the numbers in its detail.
"""

from collections.abc import Iterator

import numpy as np

from service.datasets.analysis.facts import Facts, number
from service.datasets.analysis.report import Part

_Points = tuple[tuple[float, float], ...]
_INVALID: _Points = ((0, 100), (0.01, 80), (0.05, 50), (0.2, 0))
_REPEATED: _Points = ((0, 100), (0.01, 95), (0.05, 80), (0.2, 50), (0.5, 0))
_CONTRADICTED: _Points = ((0, 0), (0.01, 10), (0.05, 30), (0.2, 60))
_DEGENERATE: _Points = ((0, 100), (0.01, 92), (0.05, 70), (0.2, 35), (0.5, 0))
_MIXED: _Points = ((0, 0), (0.02, 5), (0.1, 25), (0.5, 40))
_SIZE: _Points = ((0, 0), (1, 30), (1.7, 55), (2, 75), (2.7, 95), (3, 100))  # over log10 of the examples
_PRIVATE: _Points = ((0, 100), (0.01, 85), (0.1, 60), (0.5, 30))
_SECRET: _Points = ((0, 40), (0.01, 20), (0.1, 0))


def parts(facts: Facts) -> list[Part]:
    """In the order in which a report shows them; the weights add up to 1."""
    return [_validity(facts), _duplicates(facts), _answers(facts), _consistency(facts), _size(facts), _balance(facts),
            _privacy(facts)]


def total(judged: list[Part]) -> int:
    return round(sum(part.score * part.weight for part in judged))


def _grade(value: float, points: _Points) -> float:
    return float(np.interp(value, [at for at, _ in points], [grade for _, grade in points]))


def _part(name: str, grade: float, weight: float, detail: str) -> Part:
    return Part(name, round(min(max(grade, 0), 100)), weight, detail)


def _validity(facts: Facts) -> Part:
    bad = facts.lines - facts.examples
    share = bad / facts.lines if facts.lines else 1.0
    return _part("validity", _grade(share, _INVALID), 0.15,
                 f"{bad:,} of {facts.lines:,} lines cannot be trained on." if facts.lines else "There are no lines.")


def _duplicates(facts: Facts) -> Part:
    found = facts.duplicates
    contradicted = 0 if facts.format == "preference" else found.contradictions
    grade = _grade(facts.share(found.exact + found.near), _REPEATED) - _grade(facts.share(contradicted), _CONTRADICTED)
    return _part("duplicates", grade, 0.2,
                 f"{found.exact:,} exact and {found.near:,} near duplicates, {contradicted:,} prompts with several"
                 f" answers.")


def _answers(facts: Facts) -> Part:
    counts = {"empty": facts.answers.get("empty_answer", 0), "cut off": facts.answers.get("truncated_answer", 0),
              "repetitive": facts.answers.get("repetitive_answer", 0), "refusing": facts.contents.get("refusal", 0),
              "boilerplate": facts.contents.get("boilerplate", 0)}
    share = sum(counts.values()) / facts.answered if facts.answered else 0.0
    words = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return _part("answers", _grade(share, _DEGENERATE), 0.2, f"Of {number(facts.answered, 'answer')}: {words}.")


def _consistency(facts: Facts) -> Part:
    return _part("consistency", 100 - sum(penalty for penalty, _ in _mixtures(facts)), 0.1,
                 " ".join(words for _, words in _mixtures(facts)))


def _mixtures(facts: Facts) -> Iterator[tuple[float, str]]:
    broken = facts.forms.get("broken", 0)
    yield (_grade(min(facts.json, 1 - facts.json), _MIXED) + min(30, broken),
           f"{facts.json:.0%} of the answers are JSON, {broken:,} of them broken.")
    if facts.is_structured:
        yield (0.3 * 100 * (1 - facts.first_schema),
               f"{facts.first_schema:.0%} of the JSON answers have the same keys and types.")
    missing = facts.share(facts.without_system)
    yield (_grade(min(missing, 1 - missing), _MIXED),
           f"{missing:.0%} of the examples have no system message; {facts.system_prompts:,} different ones are used.")
    yield (_grade(facts.mismatched, _MIXED), f"{facts.mismatched:.0%} of a sample is answered in another language.")


def _size(facts: Facts) -> Part:
    return _part("size", _grade(np.log10(max(facts.examples, 1)), _SIZE), 0.15, f"{number(facts.examples, 'example')}.")


def _balance(facts: Facts) -> Part:
    if facts.labels is not None:
        grade = 100 * facts.labels.evenness if len(facts.labels.counts) > 1 else 0.0
        return _part("balance", grade, 0.1,
                     f"{len(facts.labels.counts)} labels, the most frequent in {facts.labels.majority:.0%} of the"
                     f" answers.")
    middle, longest = facts.length("answer", 0.5), facts.length("answer", 0.99)
    ratio = longest / middle if middle else 1.0
    return _part("balance", _grade(ratio, ((10, 100), (100, 40))), 0.1,
                 f"Half of the answers are longer than about {middle:,} tokens, one in a hundred longer than"
                 f" {longest:,}.")


def _privacy(facts: Facts) -> Part:
    secret, personal = (facts.contents.get(sort, 0) for sort in ("secret", "personal"))
    contact = facts.contents.get("contact", 0)
    grade = _grade(facts.share(personal) + facts.share(contact) / 4, _PRIVATE)
    if secret:
        grade = min(grade, _grade(facts.share(secret), _SECRET))
    return _part("privacy", grade, 0.1,
                 f"{secret:,} examples with secrets, {personal:,} with personal data, {contact:,} with contact data.")
