"""Structure: JSON answers are counted by form and schema, and broken ones are told."""

from service.datasets.analysis.batches import Flag, Summary
from service.datasets.analysis.structure import Structure
from service.datasets.validation.findings import Finding
from tests.service.datasets.analysis.building import batch_of, chat


def _inspect(*answers: str) -> tuple[list[Finding], Summary, list[int]]:
    measure, batch = Structure(), batch_of([chat("As JSON.", answer) for answer in answers])
    return measure.inspect(batch), measure.summary(), batch.flags.tolist()


class TestInspect:
    def test_answers_are_counted_by_form(self) -> None:
        _, summary, _ = _inspect('{"a": 1}', " [1, 2]", '```json\n{"a": 2}\n```', "Plain.", "{name} is it",
                                 "[1] A note", "")
        assert summary["forms"] == {"fenced": 1, "json": 2, "text": 4}

    def test_one_schema_is_one_whatever_the_order_of_keys_and_the_values(self) -> None:
        _, summary, _ = _inspect('{"a": 1, "b": "x"}', '{"b": "y", "a": 2.5}', '{"a": "1", "b": "x"}', '{"a": 1}')
        assert sorted(summary["schemas"].values()) == [1, 1, 2]

    def test_json_that_cannot_be_parsed_is_a_warning(self) -> None:
        (found,), _, flags = _inspect('{"a": 1}', '{"a": [1, 2')
        assert (found.severity, found.kind, found.line, found.path) == (
            "warning", "invalid_json_answer", 2, "messages[1].content")
        assert flags[1] & Flag.INCONSISTENT_FORMAT

    def test_an_exception_among_json_answers_is_told(self) -> None:
        findings, _, flags = _inspect(*['{"a": 1}'] * 80, "No.", '{"a": 3}')
        assert [(found.severity, found.kind, found.line) for found in findings] == [("info", "unstructured_answer", 81)]
        assert flags[80] & Flag.INCONSISTENT_FORMAT

    def test_json_among_texts_is_not_expected(self) -> None:
        findings, summary, _ = _inspect(*["Yes, it is."] * 80, '{"a": 1}', "No.")
        assert findings == []
        assert summary["forms"] == {"json": 1, "text": 81}

    def test_deep_nesting_is_broken_and_not_fatal(self) -> None:
        _, summary, _ = _inspect('{"a":' * 100_000)
        assert summary["forms"] == {"broken": 1}


class TestMerge:
    def test_schemas_beyond_the_limit_are_counted_together(self) -> None:
        parts = [_inspect(*(f'{{"k{part}_{n}": 1}}' for n in range(200)))[1] for part in range(3)]
        merged = Structure.merge(parts)
        assert merged["forms"] == {"json": 600}
        assert sum(merged["schemas"].values()) == 600
        assert len(merged["schemas"]) == 257
