# ruff: noqa: RUF001 (other languages have their own quotation marks and letters)
"""Contents: private data, refusals and boilerplate are found, shown masked, and counted."""

import json
import random

import pytest

from service.datasets.analysis.batches import Flag, Said
from service.datasets.analysis.contents import Contents
from service.datasets.validation.findings import Finding
from tests.service.datasets.analysis.building import batch_of, chat, prose
from tests.service.datasets.analysis.privacy.values import card, token

_DICE = random.Random(30)


def _inspect(*examples: list[Said]) -> tuple[list[Finding], list[Flag], dict[str, dict[str, int]]]:
    measure, batch = Contents(), batch_of(list(examples), first_line=7)
    findings = measure.inspect(batch)
    return findings, [Flag(int(bits)) for bits in batch.flags], measure.summary()


class TestPrivateData:
    def test_a_secret_is_a_warning_that_does_not_repeat_it(self) -> None:
        key = f"sk-{token(_DICE, 48)}"
        (found,), (flags,), summary = _inspect(chat("What is my key?", f"It is {key}, as ever."))
        assert (found.severity, found.kind, found.line, found.path) == ("warning", "secret", 7, "messages[1].content")
        assert found.message == f"Message 2 contains an OpenAI API key: sk-…{key[-4:]} (51 characters)."
        assert flags & Flag.SECRET
        assert summary == {"counts": {"openai_key": 1}, "examples": {"any": 1, "secret": 1}}

    def test_passwords_show_nothing_of_themselves(self) -> None:
        (found,), _, _ = _inspect(chat("And?", "password: hT7x!9qzW"))
        assert found.message == "Message 2 contains a password or key: … (9 characters)."

    def test_a_card_number_is_a_warning_with_its_last_four_digits(self) -> None:
        number = card(_DICE, "4", 16)
        (found,), (flags,), _ = _inspect(chat(f"Charge my card {number}", "Done."))
        assert (found.severity, found.kind, found.path) == ("warning", "personal_data", "messages[0].content")
        assert f"…{number[-4:]} (16 characters)" in found.message
        assert number[:-4] not in found.message
        assert flags & Flag.PERSONAL_DATA

    def test_contact_data_is_a_remark_and_told_once_for_each_text(self) -> None:
        findings, _, summary = _inspect(chat("Who?", "Ask ann@web.de, bob@web.de and cid@web.de."), chat("a@web.de",
                                                                                                         "No."))
        assert [(found.severity, found.line) for found in findings] == [("info", 7), ("info", 8)]
        assert "and 2 more" in findings[0].message
        assert "ann" not in findings[0].message
        assert summary == {"counts": {"email": 4}, "examples": {"any": 2, "contact": 2}}

    @pytest.mark.parametrize("unit", ["ann@web.de ", "tel 0123456789 ", "SSN 123-45-678 ", "a@a.", "1 Ab St "])
    def test_a_text_that_is_nothing_but_triggers_ends_and_is_told_of(self, unit: str) -> None:
        findings, _, summary = _inspect(chat(unit * (1_000_000 // len(unit)), "No."), chat("Who?", "bob@web.de"))
        assert [found.line for found in findings if found.kind == "contact_data"][-1:] == [8]
        if "unexamined" in summary["counts"]:
            assert [found.line for found in findings if found.kind == "private_data_unexamined"] == [7]

    def test_of_many_values_in_one_text_a_thousand_are_counted(self) -> None:
        findings, _, summary = _inspect(chat("ann@web.de " * 1500, "No."))
        assert [found.kind for found in findings] == ["contact_data", "private_data_unexamined"]
        assert summary["counts"] == {"email": 1000, "unexamined": 1}

    def test_a_match_never_spans_two_texts(self) -> None:
        assert _inspect(chat("joe", "@web.de"), chat("my password:", "hT7x!9qzW"))[0] == []

    def test_arguments_of_calls_and_pairs_are_named_by_their_place(self) -> None:
        said: list[Said] = [("tools", "[]", False), ("user", "Hi", False), ("assistant", "", True),
                            ("call", '{"to": "ann@web.de"}', True), ("tool", "sent to ann@web.de", False)]
        pair: list[Said] = [("user", "Hi", False), ("preferred", "ann@web.de", True), ("non_preferred", "bob@web.de",
                                                                                       False)]
        findings, _, _ = _inspect(said, pair)
        assert [found.path for found in findings] == [
            "messages[1].tool_calls", "messages[2].content", "preferred_output", "non_preferred_output"]


class TestHabits:
    @pytest.mark.parametrize("answer", [
        "I'm sorry, but I can't help with that.", "I’m sorry, but I can’t assist with that request.",
        "I cannot provide this.",
        "Sorry, as much as I'd like, I am unable to do that.", "I must decline.", ("Es tut mir leid, aber ich kann"
                                                                                  " das nicht."),
        "Je suis désolé, mais je ne peux pas répondre.", "Lo siento, pero no puedo ayudar con eso.",
        "Mi dispiace, ma non posso aiutarti.", "Sinto muito, mas não posso ajudar.", "抱歉，我无法回答这个问题。",
        "К сожалению, я не могу помочь.",
    ])
    def test_refusals_are_told(self, answer: str) -> None:
        findings, (flags,), summary = _inspect(chat("Please do.", answer))
        assert [(found.severity, found.kind) for found in findings] == [("info", "refusal")]
        assert flags & Flag.REFUSAL
        assert summary["examples"]["refusal"] == 1

    @pytest.mark.parametrize("answer", [
        "As an AI language model, I think so.", "Well, I'm just an AI.", "I was trained by OpenAI to say so.",
        "Als KI habe ich keine Meinung.", "En tant qu'IA, je pense que oui.", "Como modelo de lenguaje, creo que sí.",
        "作为一个人工智能，我觉得可以。", "As a large language model that helps you, yes.",
    ])
    def test_boilerplate_is_told(self, answer: str) -> None:
        findings, (flags,), _ = _inspect(chat("Do you?", answer))
        assert [(found.severity, found.kind) for found in findings] == [("info", "boilerplate")]
        assert flags & Flag.BOILERPLATE

    def test_questions_and_untrained_answers_may_say_it(self) -> None:
        untrained: list[Said] = [("user", "Hi", False), ("assistant", "As an AI, I cannot help.", False),
                                 ("user", "Do not say 'as an AI'.", False), ("assistant", ("All right, I will"
                                                                                          " not."), True)]
        pair: list[Said] = [("user", "Hi", False), ("preferred", "Hello.", True), ("non_preferred", ("As an AI,"
                                                                                                    " hello."), False)]
        assert _inspect(untrained, pair)[0] == []

    def test_a_refusal_deep_in_an_answer_is_a_story(self) -> None:
        assert _inspect(chat("Tell.", prose(_DICE, words=100) + " I'm sorry, but I can't, said the fox."))[0] == []


class TestMerge:
    def test_summaries_add_up_and_are_json(self) -> None:
        one = _inspect(chat("a@web.de", "As an AI, no."))[2]
        two = _inspect(chat("b@web.de", f"hf_{token(_DICE, 34)}"))[2]
        merged = Contents.merge([json.loads(json.dumps(one)), two])
        assert merged == {"counts": {"email": 2, "hugging_face_token": 1},
                          "examples": {"any": 2, "boilerplate": 1, "contact": 2, "secret": 1}}
        assert Contents.merge([]) == {"counts": {}, "examples": {}}
