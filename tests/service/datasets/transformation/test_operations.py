"""What each transformation makes of a file."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.transformation import choosing, rewriting, specs
from service.datasets.transformation.operations import apply
from service.datasets.transformation.sources import Source

WORDS = ("order", "return", "invoice", "shipping", "camera", "garden", "window", "railway", "music", "harbour")


def chat(question: str, answer: str, **rest: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
                       **rest}, ensure_ascii=False).encode()


def some(count: int) -> list[bytes]:
    """Chats that have little in common."""
    return [chat(f"Tell me of the {WORDS[at % 10]} number {at * 7919}.",
                 " ".join(f"{WORDS[(at * step) % 10]} {at ^ step}" for step in range(3, 30))) for at in range(count)]


@pytest.fixture
def made(tmp_path: Path) -> Any:
    def make(asked: dict[str, Any], *files: bytes, part: str | None = None,
             notes: Counter[str] | None = None) -> list[bytes]:
        sources = []
        for number, content in enumerate(files):
            path = tmp_path / f"{number}.jsonl"
            path.write_bytes(content)
            sources.append(Source(path))
        spec = specs.parse(asked, versions=len(files))
        counted: Counter[str] = Counter() if notes is None else notes
        return list(apply(spec, sources, part=part, note=lambda reason, number: counted.update({reason: number})))
    return make


def lines(*each: bytes) -> bytes:
    return b"\n".join(each) + b"\n"


class TestChoosing:
    def test_lines_that_cannot_be_trained_on_are_dropped_and_the_others_keep_their_bytes(self, made: Any) -> None:
        odd = b'{ "messages" : [{"role":"user","content":"h\\u00e9"}, {"role":"assistant","content":"\\u0041"}] }'
        kept = made({"type": "drop_invalid"}, lines(odd, b"{", chat("a", "b"), b'{"messages": []}'))
        assert kept == [odd + b"\n", chat("a", "b") + b"\n"]

    def test_the_first_of_equal_examples_stays_however_it_is_written(self, made: Any) -> None:
        first, escaped = chat("é?", "ü!"), json.dumps(json.loads(chat("é?", "ü!"))).encode()
        content = lines(first, chat("x", "y"), escaped)
        assert made({"type": "deduplicate"}, content) == [first + b"\n", chat("x", "y") + b"\n"]

    def test_near_duplicates_go_when_asked(self, made: Any) -> None:
        text = " ".join(f"{word} {number}" for number in range(20) for word in WORDS)
        pair = lines(chat("Tell a story.", text), chat("Tell a story.", text + " And so on."))
        assert len(made({"type": "deduplicate"}, pair)) == 2
        assert len(made({"type": "deduplicate", "near": True}, pair)) == 1

    def test_shuffling_keeps_every_line_and_hangs_on_the_seed_alone(self, made: Any) -> None:
        content = lines(*some(50))
        once, again, other = (made({"type": "shuffle", "seed": seed}, content) for seed in (1, 1, 2))
        assert once == again != other
        assert sorted(once) == sorted(other) == sorted(line + b"\n" for line in some(50))

    def test_a_byte_order_mark_does_not_wander_into_the_file(self, made: Any) -> None:
        assert b"\xef\xbb\xbf" not in b"".join(made({"type": "shuffle"}, b"\xef\xbb\xbf" + lines(*some(20))))

    def test_a_sample_stands_in_the_order_of_the_file(self, made: Any) -> None:
        content = some(100)
        taken = made({"type": "sample", "fraction": 0.2, "seed": 4}, lines(*content))
        at = [content.index(line.rstrip()) for line in taken]
        assert len(at) == 20
        assert at == sorted(at)
        assert len(made({"type": "sample", "examples": 7}, lines(*content))) == 7

    def test_take_and_skip(self, made: Any) -> None:
        content = some(10)
        taken = made({"type": "take", "examples": 3, "skip": 8}, lines(*content))
        assert taken == [line + b"\n" for line in content[8:]]

    def test_merging_puts_one_after_another(self, made: Any) -> None:
        one, two = some(6)[:3], some(6)[3:]
        assert made({"type": "merge"}, b"\n".join(one), b"\n\n" + lines(*two)) == [line + b"\n" for line in some(6)]

    def test_windows_line_ends_stay_and_blank_lines_go(self, made: Any) -> None:
        one, two = some(2)
        kept = made({"type": "merge"}, one + b"\r\n\r\n \t\n\n" + two + b"\r\n")
        assert kept == [one + b"\r\n", two + b"\r\n"]

    def test_an_empty_file_stays_empty(self, made: Any) -> None:
        for asked in ({"type": "shuffle"}, {"type": "drop_invalid"}, {"type": "deduplicate"}):
            assert made(asked, b"") == []


class TestSplit:
    def test_both_parts_together_are_the_whole(self, made: Any) -> None:
        content = lines(*some(100))
        parts = [made({"type": "split", "fraction": 0.8, "seed": 5}, content, part=part)
                 for part in ("training", "validation")]
        assert [len(part) for part in parts] == [80, 20]
        assert sorted(parts[0] + parts[1]) == sorted(line + b"\n" for line in some(100))

    def test_what_is_related_is_never_parted(self, made: Any) -> None:
        distinct = some(40)
        same_prompt = [chat("Which tea?", f"{answer} tea.") for answer in ("Green", "Black", "Mint", "No")]
        content = lines(*distinct, *same_prompt, *distinct[:10])
        parts = [set(made({"type": "split", "fraction": 0.7, "seed": seed}, content, part=part))
                 for part in ("training", "validation") for seed in (3,)]
        assert not parts[0] & parts[1]
        assert len([part for part in parts if any(b"Which tea?" in line for line in part)]) == 1

    def test_where_a_line_stands_does_not_decide_its_side(self, made: Any) -> None:
        content = some(60)
        sides = [set(made({"type": "split", "seed": 9}, lines(*order), part="validation"))
                 for order in (content, content[::-1])]
        assert sides[0] == sides[1]

    @pytest.mark.parametrize(("count", "fraction", "sizes"), [
        (2, 0.9, (1, 1)), (10, 0.9, (9, 1)), (10, 0.5, (5, 5)), (3, 0.01, (1, 2)), (3, 0.99, (2, 1))])
    def test_small_files_leave_something_on_both_sides(self, made: Any, count: int, fraction: float,
                                                       sizes: tuple[int, int]) -> None:
        parts = [made({"type": "split", "fraction": fraction}, lines(*some(count)), part=part)
                 for part in ("training", "validation")]
        assert tuple(map(len, parts)) == sizes

    def test_where_all_groups_are_larger_than_the_part_the_smallest_is_held_out(self, made: Any) -> None:
        content = lines(*(chat(f"Which {WORDS[asked]} number {asked * 7919}?", f"{answer * 104729} {WORDS[answer]}")
                          for asked in range(3) for answer in range(3 if asked else 2)))
        assert len(made({"type": "split", "fraction": 0.9}, content, part="validation")) == 2

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=12), st.integers(0, 99),
           st.sampled_from([0.3, 0.5, 0.9]))
    def test_parts_are_disjoint_and_complete_and_never_part_what_is_related(
            self, tmp_path_factory: pytest.TempPathFactory, said: list[tuple[int, int]], seed: int,
            fraction: float) -> None:
        path = tmp_path_factory.getbasetemp() / "split.jsonl"
        path.write_bytes(lines(*(chat(f"{WORDS[asked]} {asked * 7919}?", f"{WORDS[answer]} {answer * 104729}.")
                                 for asked, answer in said)))
        spec = specs.Split(fraction=fraction, seed=seed)
        if len({asked for asked, _ in said}) == 1:
            with pytest.raises(specs.InvalidTransformation):
                choosing.split(Source(path), spec)
            return
        training, validation = (each.tolist() for each in choosing.split(Source(path), spec))
        assert sorted(training + validation) == list(range(len(said)))
        assert training
        assert validation
        assert {said[at][0] for at in training}.isdisjoint(said[at][0] for at in validation)
        assert [each.tolist() for each in choosing.split(Source(path), spec)] == [training, validation]

    def test_what_cannot_be_parted_is_said(self, made: Any) -> None:
        same = lines(*(chat("Which tea?", f"Tea number {number}.") for number in range(20)))
        with pytest.raises(specs.InvalidTransformation, match="giving away"):
            made({"type": "split"}, same, part="training")


class TestRewriting:
    def test_redaction_reaches_json_within_strings_and_leaves_all_else(self, made: Any) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "mail", "arguments": json.dumps(
            {"to": "ann.lee@contoso-mail.net", "n": 1.50})}}
        line = json.dumps({"messages": [
            {"role": "user", "content": "I am ann.lee@contoso-mail.net, said Bob"},
            {"role": "assistant", "tool_calls": [call]}], "tools": []}).replace(", ", " ,  ").encode()
        counted: Counter[str] = Counter()
        [changed] = made({"type": "redact"}, lines(line), notes=counted)
        assert b"ann.lee" not in changed
        value = json.loads(changed)
        assert json.loads(value["messages"][1]["tool_calls"][0]["function"]["arguments"])["n"] == 1.5
        assert changed.replace(b"[EMAIL]", b"ann.lee@contoso-mail.net") == line + b"\n"
        assert sum(counted.values()) == 2

    def test_a_card_number_as_a_bare_number_becomes_a_string(self, made: Any) -> None:
        line = b'{"messages": [], "card": 4539148803436467, "list": [4539148803436467 ,1], "n": 1.4539148803436467}'
        [changed] = made({"type": "redact"}, lines(line))
        value = json.loads(changed)
        assert isinstance(value["card"], str)
        assert b"4539148803436467 " not in changed
        assert value["list"] == [value["card"], 1]
        assert value["n"] == 1.4539148803436467

    def test_what_ties_calls_to_answers_and_tools_is_left(self, made: Any) -> None:
        number, other = "4539148803436467", "4485275742308327"
        calls = [{"id": each, "type": "function", "function": {"name": f"n{each}", "arguments": json.dumps(
            {"id": each, "name": "ann.lee@contoso-mail.net"})}} for each in (number, other)]
        line = json.dumps({"messages": [
            {"role": "user", "content": number, "name": "ann.lee@contoso-mail.net"},
            {"role": "assistant", "tool_calls": calls},
            *({"role": "tool", "tool_call_id": each, "content": each} for each in (number, other))],
            "tools": [{"type": "function", "function": {"name": f"n{each}"}} for each in (number, other)]}).encode()
        [changed] = made({"type": "redact"}, lines(line))
        value = json.loads(changed)
        asked, called, *answers = value["messages"]
        assert number not in asked["content"]
        assert "@" not in asked["name"]
        assert [each["id"] for each in called["tool_calls"]] == [each["tool_call_id"] for each in answers] == [
            number, other]
        assert [each["function"]["name"] for each in called["tool_calls"]] == [
            each["function"]["name"] for each in value["tools"]]
        assert all(number not in each["content"] for each in answers)
        arguments = json.loads(called["tool_calls"][0]["function"]["arguments"])
        assert "@" not in arguments["name"]
        assert number not in arguments["id"]

    @settings(max_examples=100, deadline=None)
    @given(st.recursive(st.none() | st.integers(0, 10**17) | st.text(max_size=20) | st.sampled_from([
        "ann.lee@contoso-mail.net", "4539148803436467", 4539148803436467, "+49 30 901820",
        '{"to": "ann.lee@contoso-mail.net"}', "[4539148803436467]", "DE89370400440532013000"]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([
            "id", "name", "tool_calls", "content", "x"]), inner, max_size=4), max_leaves=10), st.booleans())
    def test_redaction_keeps_json_valid_and_again_changes_nothing(self, value: Any, ascii_: bool) -> None:
        def silent(_reason: str, _number: int) -> None: ...
        once = rewriting.redacted(json.dumps({"messages": value}, ensure_ascii=ascii_).encode(), silent)
        json.loads(once)
        assert rewriting.redacted(once, silent) == once

    def test_redaction_leaves_pictures_and_keys_alone(self, made: Any) -> None:
        line = b'{"a.b@contoso-mail.net": "data:image/png;base64,AKIAIOSFODNN7EXAMPLQ"}'
        assert made({"type": "redact"}, lines(line)) == [line + b"\n"]

    def test_redacting_again_changes_nothing(self, made: Any) -> None:
        once = made({"type": "redact"}, lines(chat("Card 4539 1488 0343 6467, mail x.y@contoso-mail.net", "ok")))
        assert made({"type": "redact"}, b"".join(once)) == once

    @pytest.mark.parametrize(("when", "told"), [
        ("missing", ["Old", "New"]), ("replace", ["New", "New"]), ("prepend", ["New\n\nOld", "New"])])
    def test_a_system_prompt_is_added(self, made: Any, when: str, told: list[str]) -> None:
        with_one = b'{"messages":[{"role":"developer","content":"Old"},{"role":"user","content":"1.0"}],"n":1.00}'
        changed = made({"type": "add_system_prompt", "content": "New", "when": when}, lines(with_one, chat("a", "b")))
        assert [json.loads(line)["messages"][0]["content"] for line in changed] == told
        assert json.loads(changed[0])["messages"][0]["role"] == "developer"
        assert b'{"role":"user","content":"1.0"}' in changed[0]
        assert b"1.00" in changed[0]

    def test_pairs_become_chats_that_end_in_the_preferred_answer(self, made: Any) -> None:
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"b": 1, "a": 2}}}]
        pair = json.dumps({"input": {"messages": [{"role": "user", "content": "Hi"}], "tools": tools},
                           "preferred_output": [{"role": "assistant", "content": "Hello!"}],
                           "non_preferred_output": [{"role": "assistant", "content": "What?"}]}).encode()
        counted: Counter[str] = Counter()
        [changed] = made({"type": "prefer"}, lines(pair, chat("a", "b")), notes=counted)
        assert json.loads(changed) == {"tools": tools, "messages": [
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}
        assert json.dumps(tools).encode() in changed
        assert sum(counted.values()) == 1

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: json.dumps({"messages": text}).encode()))
    def test_no_line_stops_a_rewrite(self, content: bytes) -> None:
        line = content.replace(b"\n", b" ")
        rewriting.redacted(line, lambda _reason, _number: None)
        rewriting.preferred(line)
        rewriting.with_system_prompt(line, specs.AddSystemPrompt(content="x"))


class TestParse:
    @pytest.mark.parametrize("asked", [
        {}, {"type": 3}, {"type": "explode"}, {"type": "split", "fraction": 1.5}, {"type": "split", "fraction": "0.5"},
        {"type": "sample"}, {"type": "sample", "examples": 3, "fraction": 0.1}, {"type": "shuffle", "seed": -1},
        {"type": "shuffle", "sede": 1}, {"type": "add_system_prompt"}, {"type": "take", "examples": 0},
        {"type": "redact", "versions": []}])
    def test_what_there_is_not_is_refused(self, asked: dict[str, Any]) -> None:
        with pytest.raises(specs.InvalidTransformation):
            specs.parse(asked)

    def test_only_merge_takes_several(self) -> None:
        assert specs.parse({"type": "merge"}, versions=3) == specs.Merge()
        with pytest.raises(specs.InvalidTransformation, match="one"):
            specs.parse({"type": "shuffle"}, versions=2)

    def test_lineage_says_the_defaults_too(self) -> None:
        assert specs.shown(specs.parse({"type": "split"})) == {"type": "split", "fraction": 0.9, "seed": 0}
