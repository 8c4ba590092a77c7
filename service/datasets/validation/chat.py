"""The rules of a supervised chat example, each problem in the words of OpenAI's platform where they are known."""

from collections.abc import Iterator
from typing import Any

from service.datasets.validation.contents import text_of
from service.datasets.validation.dialogues import check_dialogue, said
from service.datasets.validation.findings import Finding, Place, unknown_keys
from service.datasets.validation.messages import Cast
from service.datasets.validation.schemas import Budget

_CAST = Cast(roles=("system", "developer", "user", "assistant", "tool", "function"),
             hints=(("human", "Write 'user'."), ("gpt", "Write 'assistant'."), ("bot", "Write 'assistant'."),
                    ("model", "Write 'assistant'.")))
_TOP = {"messages", "tools", "parallel_tool_calls", "functions"}
_CONVERTS = "`tuneworks convert` makes chats of it."


def check_chat(value: dict[str, Any], place: Place, budget: Budget) -> Iterator[Finding]:
    """What is wrong with one example for method 'supervised'."""
    if "messages" not in value:
        yield place.error("missing_messages", "is missing key 'messages'.", _other_format(value))
    yield from unknown_keys(value, _TOP, place)
    yield from check_dialogue(value, place, _CAST, budget, older=True)
    if messages := said(value):
        yield from _learnt(messages, place.inside("messages"))


def is_trained(message: dict[str, Any]) -> bool:
    """Whether the model learns to write this message."""
    return message.get("role") == "assistant" and message.get("weight", 1) != 0


def _learnt(messages: list[dict[str, Any]], at: Place) -> Iterator[Finding]:
    answers = [message for message in messages if message.get("role") == "assistant"]
    trained = [message for message in answers if is_trained(message)]
    if not answers:
        yield at.error("no_assistant_message", "has no assistant message.",
                       "A model learns from assistant messages; add one.")
    elif not trained:
        yield at.error("nothing_to_learn", "has only assistant messages of weight 0.", "Give one of them weight 1.")
    elif not any(_says(message) for message in trained):
        yield at.error("nothing_to_learn", "has nothing but empty assistant messages.", "Remove the example.")
    elif messages[-1].get("role") != "assistant":
        yield at.warning("last_message_not_assistant", "does not end with an assistant message.",
                         "Nothing is learnt from what follows the last assistant message.")
    elif messages[-1].get("weight", 1) == 0:
        yield at.info("last_message_untrained", "ends with an assistant message of weight 0.",
                      "Nothing is learnt from what follows the last one of weight 1.")


def _says(message: dict[str, Any]) -> bool:
    return bool(text_of(message.get("content")) or message.get("tool_calls") or message.get("function_call")
                or message.get("refusal"))


def _other_format(value: dict[str, Any]) -> str:
    if "prompt" in value and "completion" in value:
        return f"Prompt and completion become a user and an assistant message. {_CONVERTS}"
    if "preferred_output" in value:
        return "This is preference data, for method 'dpo'."
    if "conversations" in value or "instruction" in value:
        return _CONVERTS
    return 'An example is {"messages": [{"role": "user", ...}, {"role": "assistant", ...}]}.'
