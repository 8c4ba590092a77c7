"""Any valid example passes, in every format; any single rule that is broken is found, with its kind, line and path."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.datasets.validation.findings import Finding
from service.datasets.validation.formats import Format, check, detect, read
from service.datasets.validation.kinds import KINDS
from tests.service.datasets.validation.examples import RICH, VALID, WRITINGS
from tests.service.datasets.validation.mutations import MUTATIONS, Mutation

FORMATS: list[Format] = ["chat", "preference", "reinforcement", "completion"]
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=40,
                deadline=None)


def grave(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity != "info"]


@pytest.mark.parametrize("form", FORMATS)
@SLOW
@given(st.data())
def test_a_valid_example_passes(form: Format, data: st.DataObject) -> None:
    line = data.draw(WRITINGS)(data.draw(VALID[form]))
    findings = check(line, 1, form)
    assert grave(findings) == []
    assert check(line, 1, form) == findings
    assert detect([line]) == form
    assert read(line, form)


@pytest.mark.parametrize("form", FORMATS)
@SLOW
@given(st.data())
def test_every_text_of_a_valid_example_is_read(form: Format, data: st.DataObject) -> None:
    example = data.draw(VALID[form])
    said = read(json.dumps(example).encode(), form)
    assert said is not None
    whole = "\n".join(text for _, text, _ in said)
    for text in _texts(example):
        assert text in whole
    assert any(trained for *_, trained in said) == (form != "reinforcement")


def _texts(value: Any) -> list[str]:
    """What stands under content, text, refusal, prompt and completion anywhere but in tools."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    found = []
    for key, member in value.items() if isinstance(value, dict) else ():
        if key in ("content", "text", "refusal", "prompt", "completion", "arguments") and isinstance(member, str):
            found.append(member)
        elif key in ("messages", "input", "preferred_output", "non_preferred_output", "content", "tool_calls",
                     "function", "function_call"):
            found += _texts(member)
    return found


@pytest.mark.parametrize("form", FORMATS)
@settings(SLOW, max_examples=20)
@given(st.data())
def test_any_broken_rule_is_found(form: Format, data: st.DataObject) -> None:
    good = json.dumps(data.draw(RICH[form]))
    for mutation in MUTATIONS:
        if form in mutation.formats:
            example = json.loads(good)
            path = mutation.mutate(example)
            _is_found(mutation, path, check(json.dumps(example).encode(), 7, form), form)


def _is_found(mutation: Mutation, path: str | None, findings: list[Finding], form: Format) -> None:
    assert (mutation.kind, path, 7) in [(each.kind, each.path, each.line) for each in findings], (mutation, findings)
    for finding in findings:
        assert finding.severity == KINDS[finding.kind].severity, finding
        assert form in KINDS[finding.kind].formats, finding


def test_there_are_many_mutations() -> None:
    assert len(MUTATIONS) >= 100
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)
    | st.sampled_from(["user", "assistant", "tool", "function", "text", "image_url", "a\x00", "\ud800", "{}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "messages", "role", "content", "tools", "functions", "tool_calls", "function_call", "function", "name",
        "arguments", "type", "id", "parameters", "weight", "input", "preferred_output", "non_preferred_output",
        "image_url", "url", "text", "refusal", "strict", "properties", "required", "$ref", "pattern", "anyOf",
        "prompt", "completion", "tool_call_id", "x\x00", "\udfff"]), inner, max_size=4), max_leaves=25)


@pytest.mark.parametrize("form", FORMATS)
@settings(SLOW, max_examples=120)
@given(st.data())
def test_nothing_breaks_the_check_and_every_finding_can_be_stored(form: Format, data: st.DataObject) -> None:
    example = data.draw(JSON | st.builds(_replaced, RICH[form], JSON, st.integers(0, 30)))
    line = json.dumps(example).encode()
    for finding in check(line, 3, form):
        assert finding.line == 3
        for text in (finding.kind, finding.path or "", finding.message, finding.hint or ""):
            assert text.encode().isascii() or text.isprintable()
            assert "\x00" not in text
        assert len(finding.message) < 500
        assert len(finding.path or "") <= 200
    detect([line])
    read(line, form)


def _replaced(example: Any, by: Any, at: int) -> Any:
    """The example with its value number `at`, counted from the outside in, replaced."""
    level, places = [example], []
    while level:
        places += [(each, key) for each in level
                   for key in (each if isinstance(each, dict) else range(len(each)))]
        level = [member for each in level for member in (each.values() if isinstance(each, dict) else each)
                 if isinstance(member, dict | list)]
    holder, key = places[at % len(places)]
    holder[key] = by
    return example


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"{}", b"[]", b"null", b"\xff\xfe{", b'{"messages": 5}'])))
def test_detection_takes_anything(lines: list[bytes]) -> None:
    assert detect(lines) in (None, *FORMATS)


@pytest.mark.parametrize("form", FORMATS)
@settings(SLOW, max_examples=8)
@given(st.data())
def test_the_format_is_that_of_most_lines(form: Format, data: st.DataObject) -> None:
    lines = [json.dumps(data.draw(VALID[form])).encode() for _ in range(3)]
    other = [json.dumps(data.draw(VALID[each])).encode() for each in FORMATS if each != form][:2]
    assert detect([b"", *other[:1], *lines, b"\xff", *other[1:]]) == form
