"""What to do about what was found, in plain words, the weightiest first."""

from collections.abc import Iterator

from service.datasets.analysis.facts import Facts, number
from service.datasets.analysis.report import Advice
from service.datasets.validation.findings import shown

_SPARSE = 0.02  # share below which a thing is an exception


def advice(facts: Facts) -> list[Advice]:
    groups = (_privacy, _size, _lines, _duplicates, _answers, _form, _systems, _labels, _lengths)
    return [each for group in groups for each in group(facts)]


def _privacy(facts: Facts) -> Iterator[Advice]:
    if secrets := facts.contents.get("secret", 0):
        yield Advice("secrets", f"{_examples(secrets)} API keys or passwords. Revoke those that are real and run the"
                                f" redact"
                          " transformation before you upload the file anywhere: a model can repeat them word for word.")
    if personal := facts.contents.get("personal", 0):
        yield Advice("personal_data", f"{_examples(personal)} card numbers, account numbers or ids of persons."
                                      f" Redact them,"
                                " unless there is a reason and a right to train on them.")
    if facts.share(contacts := facts.contents.get("contact", 0)) > _SPARSE:
        yield Advice("contact_data", f"{_examples(contacts)} e-mail addresses, phone numbers or the like. Redact"
                                     f" them if they"
                               " belong to people.")


def _size(facts: Facts) -> Iterator[Advice]:
    if not facts.examples:
        yield Advice("no_examples", "There is no example that can be trained on.")
    elif facts.examples < 10:
        yield Advice("too_few_examples", f"{number(facts.examples, 'example')}: OpenAI refuses fewer than 10. Put them"
                                         " into the prompt as few-shot examples instead.")
    elif facts.examples < 50:
        yield Advice("few_examples", f"{facts.examples} examples: too few for more than tone and form. Try few-shot"
                                     f" prompting with"
                               " the best of them first; go on to train from 50 to 100 good examples.")
    elif facts.examples < 100:
        yield Advice("few_examples", f"{facts.examples} examples: enough to see whether training helps. If it does,"
                                     f" twice as many"
                               " usually help again; compare with few-shot prompting before you pay for it.")


def _lines(facts: Facts) -> Iterator[Advice]:
    if (bad := facts.lines - facts.examples) > 0:
        yield Advice("invalid_lines", f"{bad:,} of {facts.lines:,} lines cannot be trained on. Mend them, or run the"
                                      f" drop_invalid"
                                " transformation.")


def _duplicates(facts: Facts) -> Iterator[Advice]:
    found = facts.duplicates
    if found.exact or facts.share(found.near) > _SPARSE:
        yield Advice("duplicates", f"{found.exact:,} exact and {number(found.near, 'near duplicate')}: they cost tokens"
                                   " and weigh their answers more. Run the deduplicate transformation.")
    if found.contradictions and facts.format != "preference":
        said = number(found.contradictions, "prompt comes", "prompts come")
        yield Advice("contradictions", f"{said} with more than one answer. Keep the best answer of each, unless"
                                       " variety is what you want.")


def _answers(facts: Facts) -> Iterator[Advice]:
    empty, cut, loops = (facts.answers.get(f"{how}_answer", 0) for how in ("empty", "truncated", "repetitive"))
    if empty:
        said = number(empty, "answer is empty", "answers are empty")
        yield Advice("empty_answers", f"{said}. Drop such examples or write the answers.")
    if facts.of_answers("truncated_answer") > _SPARSE or (cut and facts.answered < 500):
        said = number(cut, "answer ends in the middle", "answers end in the middle")
        yield Advice("truncated_answers", f"{said}, probably cut off by a token limit when written. Have such answers"
                                          " written again with a higher one.")
    if loops:
        said = number(loops, "answer repeats itself", "answers repeat themselves")
        yield Advice("repetitive_answers", f"{said}. Shorten or drop such answers.")
    refusals, boilerplate = (facts.contents.get(kind, 0) for kind in ("refusal", "boilerplate"))
    if facts.share(refusals) > _SPARSE:
        said = number(refusals, "answer refuses", "answers refuse")
        yield Advice("refusals", f"{said}. If the model is not to refuse more often than now, take such answers out.")
    if boilerplate:
        said = number(boilerplate, "answer speaks of itself", "answers speak of themselves")
        yield Advice("boilerplate", f"{said} as an AI. Rewrite such answers, or the tuned model will speak like that.")
    if facts.labels is None and facts.of_answers("short") > 0.5:
        yield Advice("short_answers", "More than half of the answers are one word. If these are labels, they are too"
                                      " many to be"
                                " learned; if not, longer answers teach more.")


def _form(facts: Facts) -> Iterator[Advice]:
    if broken := facts.forms.get("broken", 0):
        said = number(broken, "answer looks", "answers look")
        yield Advice("invalid_json", f"{said} like JSON and cannot be parsed. Programs that read the model's answers"
                                     " will meet the same.")
    if _SPARSE < facts.json < 1 - _SPARSE:
        yield Advice("mixed_formats", f"{facts.json:.0%} of the answers are JSON, the others are not. Give all of"
                                      f" them one form, or"
                                " say in the prompt which one is wanted.")
    if facts.is_structured and facts.first_schema < 0.9:
        yield Advice("many_schemas", f"JSON answers have {len(facts.schemas):,} different sets of keys and types,"
                                     f" the most frequent"
                               f" in {facts.first_schema:.0%}. Settle on one, with null for what is missing.")
    fenced, bare = facts.forms.get("fenced", 0), facts.forms.get("json", 0)
    if fenced and bare:
        yield Advice("mixed_fences", f"{fenced:,} JSON answers stand in Markdown fences, {bare:,} do not. Use one way.")
    if facts.mismatched > _SPARSE:
        yield Advice("language_mismatch", f"{facts.mismatched:.0%} of the sampled answers are in another language"
                                          f" than the question."
                                    " Say in the prompt which language is wanted.")


def _systems(facts: Facts) -> Iterator[Advice]:
    missing = facts.share(facts.without_system)
    if _SPARSE < missing < 1 - _SPARSE:
        yield Advice("mixed_system_prompts", f"{missing:.0%} of the examples have no system message, the others have"
                                             f" one. Train with"
                                       " the prompt that you will use; the add_system_prompt transformation adds it.")
    if facts.system_prompts > 20 and facts.system_prompts < 0.5 * (facts.examples - facts.without_system):
        yield Advice("many_system_prompts", f"{facts.system_prompts:,} different system messages are used. The model"
                                            f" learns to follow"
                                      " any of them; if you will use one, train with that one.")


def _labels(facts: Facts) -> Iterator[Advice]:
    labels = facts.labels
    if labels is None:
        return
    first = shown(next(iter(labels.counts)))
    if len(labels.counts) == 1:
        yield Advice("single_label", f"Every answer is '{first}'. There is nothing to tell apart.")
    elif labels.majority > 0.5 and labels.evenness < 0.8:
        yield Advice("label_imbalance", f"'{first}' is the answer in {labels.majority:.0%} of the examples. The"
                                        f" model will lean to it;"
                                  " add examples of the other labels or sample evenly.")
    rare = [label for label, count in labels.counts.items() if count < 10]
    if rare and len(labels.counts) > 1:
        yield Advice("rare_labels", f"{len(rare)} of {len(labels.counts)} labels have fewer than 10 examples each,"
                                    f" '{shown(rare[-1])}' for one.")


def _lengths(facts: Facts) -> Iterator[Advice]:
    middle, longest = facts.length("answer", 0.5), facts.length("answer", 0.995)
    if middle >= 8 and longest > 40 * middle:
        yield Advice("uneven_lengths", f"Half of the answers have at most about {middle:,} tokens, a few more than"
                                       f" {longest:,}. Long"
                                 " ones dominate the training; check whether they belong here.")


def _examples(count: int) -> str:
    return number(count, "example contains", "examples contain")
