"""What to do about what was found, in plain words, the weightiest first."""

from collections.abc import Iterator

from service.datasets.analysis.facts import Facts
from service.datasets.analysis.report import Advice

_SPARSE = 0.02  # share below which a thing is an exception


def advice(facts: Facts) -> list[Advice]:
    groups = (_privacy, _size, _lines, _duplicates, _answers, _form, _systems, _labels, _lengths)
    return [Advice(kind, message) for group in groups for kind, message in group(facts)]


def _privacy(facts: Facts) -> Iterator[tuple[str, str]]:
    if secrets := facts.contents.get("secret", 0):
        yield ("secrets", f"{_examples(secrets)} API keys or passwords. Revoke those that are real and run the redact"
                          " transformation before you upload the file anywhere: a model can repeat them word for word.")
    if personal := facts.contents.get("personal", 0):
        yield ("personal_data", f"{_examples(personal)} card numbers, account numbers or ids of persons. Redact them,"
                                " unless there is a reason and a right to train on them.")
    if facts.share(contacts := facts.contents.get("contact", 0)) > _SPARSE:
        yield ("contact_data", f"{_examples(contacts)} e-mail addresses, phone numbers or the like. Redact them if they"
                               " belong to people.")


def _size(facts: Facts) -> Iterator[tuple[str, str]]:
    if not facts.examples:
        yield "no_examples", "There is no example that can be trained on."
    elif facts.examples < 10:
        yield ("too_few_examples", f"{facts.examples} examples: OpenAI refuses fewer than 10. Put them into the prompt as"
                                   " few-shot examples instead.")
    elif facts.examples < 50:
        yield ("few_examples", f"{facts.examples} examples: too few for more than tone and form. Try few-shot prompting with"
                               " the best of them first; go on to train from 50 to 100 good examples.")
    elif facts.examples < 100:
        yield ("few_examples", f"{facts.examples} examples: enough to see whether training helps. If it does, twice as many"
                               " usually help again; compare with few-shot prompting before you pay for it.")


def _lines(facts: Facts) -> Iterator[tuple[str, str]]:
    if (bad := facts.lines - facts.examples) > 0:
        yield ("invalid_lines", f"{bad:,} of {facts.lines:,} lines cannot be trained on. Mend them, or run the drop_invalid"
                                " transformation.")


def _duplicates(facts: Facts) -> Iterator[tuple[str, str]]:
    found = facts.duplicates
    if found.exact or facts.share(found.near) > _SPARSE:
        yield ("duplicates", f"{found.exact:,} exact and {found.near:,} near duplicates: they cost tokens and weigh their"
                             " answers more. Run the deduplicate transformation.")
    if found.contradictions and facts.format != "preference":
        yield ("contradictions", f"{found.contradictions:,} prompts come with more than one answer. Keep the best answer of"
                                 " each, unless variety is what you want.")


def _answers(facts: Facts) -> Iterator[tuple[str, str]]:
    empty, cut, loops = (facts.answers.get(kind, 0) for kind in ("empty_answer", "truncated_answer", "repetitive_answer"))
    if empty:
        yield "empty_answers", f"{empty:,} answers are empty. Drop these examples or write the answers."
    if facts.of_answers("truncated_answer") > _SPARSE or (cut and facts.answered < 500):
        yield ("truncated_answers", f"{cut:,} answers end in the middle. They were probably cut off by a token limit when"
                                    " they were made; make them again with a higher one.")
    if loops:
        yield "repetitive_answers", f"{loops:,} answers repeat themselves. Shorten or drop them."
    refusals, boilerplate = (facts.contents.get(kind, 0) for kind in ("refusal", "boilerplate"))
    if facts.share(refusals) > _SPARSE:
        yield ("refusals", f"{refusals:,} answers refuse. If the model is not to refuse more often than now, take them out.")
    if boilerplate:
        yield ("boilerplate", f"{boilerplate:,} answers speak of themselves as an AI. Rewrite them, or the tuned model will"
                              " speak like that.")
    if facts.labels is None and facts.of_answers("short") > 0.5:
        yield ("short_answers", "More than half of the answers are one word. If these are labels, they are too many to be"
                                " learned; if not, longer answers teach more.")


def _form(facts: Facts) -> Iterator[tuple[str, str]]:
    if broken := facts.forms.get("broken", 0):
        yield ("invalid_json", f"{broken:,} answers look like JSON and cannot be parsed. Programs that read the model's"
                               " answers will meet the same.")
    if _SPARSE < facts.json < 1 - _SPARSE:
        yield ("mixed_formats", f"{facts.json:.0%} of the answers are JSON, the others are not. Give all of them one form, or"
                                " say in the prompt which one is wanted.")
    if facts.is_structured and facts.first_schema < 0.9:
        yield ("many_schemas", f"JSON answers have {len(facts.schemas):,} different sets of keys and types, the most frequent"
                               f" in {facts.first_schema:.0%}. Settle on one, with null for what is missing.")
    fenced, bare = facts.forms.get("fenced", 0), facts.forms.get("json", 0)
    if fenced and bare:
        yield ("mixed_fences", f"{fenced:,} JSON answers stand in Markdown fences, {bare:,} do not. Use one way.")
    if facts.mismatched > _SPARSE:
        yield ("language_mismatch", f"{facts.mismatched:.0%} of the sampled answers are in another language than the question."
                                    " Say in the prompt which language is wanted.")


def _systems(facts: Facts) -> Iterator[tuple[str, str]]:
    missing = facts.share(facts.without_system)
    if _SPARSE < missing < 1 - _SPARSE:
        yield ("mixed_system_prompts", f"{missing:.0%} of the examples have no system message, the others have one. Train with"
                                       " the prompt that you will use; the add_system_prompt transformation adds it.")
    if facts.system_prompts > 20 and facts.system_prompts < 0.5 * (facts.examples - facts.without_system):
        yield ("many_system_prompts", f"{facts.system_prompts:,} different system messages are used. The model learns to follow"
                                      " any of them; if you will use one, train with that one.")


def _labels(facts: Facts) -> Iterator[tuple[str, str]]:
    labels = facts.labels
    if labels is None:
        return
    first = next(iter(labels.counts))
    if len(labels.counts) == 1:
        yield "single_label", f"Every answer is '{first}'. There is nothing to tell apart."
    elif labels.majority > 0.5 and labels.evenness < 0.8:
        yield ("label_imbalance", f"'{first}' is the answer in {labels.majority:.0%} of the examples. The model will lean to it;"
                                  " add examples of the other labels or sample evenly.")
    if len(rare := [label for label, count in labels.counts.items() if count < 10]) and len(labels.counts) > 1:
        yield "rare_labels", f"{len(rare)} of {len(labels.counts)} labels have fewer than 10 examples each, '{rare[-1]}' for one."


def _lengths(facts: Facts) -> Iterator[tuple[str, str]]:
    middle, longest = facts.length("answer", 0.5), facts.length("answer", 0.995)
    if middle >= 8 and longest > 40 * middle:
        yield ("uneven_lengths", f"Half of the answers have at most about {middle:,} tokens, a few more than {longest:,}. Long"
                                 " ones dominate the training; check whether they belong here.")


def _examples(count: int) -> str:
    return f"{count:,} example contains" if count == 1 else f"{count:,} examples contain"
