"""Every kind of finding about a line or a file: how grave it is, in which formats, and the rule in one sentence."""

from dataclasses import dataclass

from service.datasets.validation.findings import Severity

_DIALOGUES = ("chat", "preference", "reinforcement")
_CALLS = "calls"
_ALL = (*_DIALOGUES, "completion")


@dataclass(frozen=True, slots=True)
class Kind:
    severity: Severity
    group: str
    rule: str
    formats: tuple[str, ...] = _ALL


def _error(group: str, rule: str, formats: tuple[str, ...] = _ALL) -> Kind:
    return Kind("error", group, rule, formats)


def _warning(group: str, rule: str, formats: tuple[str, ...] = _ALL) -> Kind:
    return Kind("warning", group, rule, formats)


def _info(group: str, rule: str, formats: tuple[str, ...] = _ALL) -> Kind:
    return Kind("info", group, rule, formats)


KINDS: dict[str, Kind] = {
    "no_examples": _error("file", "A file holds at least one example."),
    "too_few_examples": _warning("file", "A training file holds at least 10 examples."),
    "not_utf8": _error("file", "A file is UTF-8, not UTF-16."),
    "byte_order_mark": _warning("file", "A file begins without a byte order mark."),
    "carriage_returns": _info("file", "Lines end in a newline alone."),
    "no_final_newline": _info("file", "The last line ends in a newline too."),
    "blank_line": _info("file", "No line is blank."),
    "line_too_long": _error("file", "A line has at most 8 MB."),
    "invalid_utf8": _error("text", "A line is UTF-8."),
    "invalid_json": _error("text", "A line is JSON."),
    "stray_byte_order_mark": _error("text", "No byte order mark stands before a later line."),
    "duplicate_key": _warning("text", "No key stands twice in one object."),
    "long_key": _warning("text", "A key has at most 1,000 characters."),
    "not_a_number": _error("text", "NaN and Infinity are no JSON."),
    "number_out_of_range": _error("text", "A number can be read, unlike 1e999."),
    "large_number": _warning("text", "An integer fits 64 bits."),
    "nul_character": _warning("text", "No text holds NUL."),
    "unpaired_surrogate": _error("text", "No text holds half of a surrogate pair."),
    "nesting_too_deep": _error("text", "Objects and arrays nest at most 64 levels deep."),
    "too_complex": _error("text", "A line has at most 500,000 objects and arrays."),
    "not_an_object": _error("keys", "An example is a JSON object."),
    "missing_messages": _error("keys", "`messages` is there (in `input`, for a pair).", _DIALOGUES),
    "missing_input": _error("keys", "`input` is there.", ("preference",)),
    "missing_key": _error("keys", "Every key that must be there is there."),
    "unknown_key": _error("keys", "Keys are those of the format; an item of reinforcement may have any others."),
    "wrong_type": _error("keys", "Every value has the type that the format says."),
    "missing_role": _error("messages", "A message has a `role`.", _DIALOGUES),
    "unknown_role": _error("messages", "The role is one of the format's; reinforcement has no `system`.", _DIALOGUES),
    "missing_content": _error("messages", "An assistant message has content, calls or a refusal.",
                              _DIALOGUES),
    "empty_content": _warning("messages", "An assistant message is not empty.", _DIALOGUES),
    "very_long_text": _info("messages", "A text has at most a million characters, more than any context."),
    "invalid_weight": _error("messages", "`weight` is 0 or 1, and only assistants have one.",
                             _DIALOGUES),
    "unsupported_content": _error("messages", "Content parts are of a type that the role can hold:"
                                  " images from users only, none in pairs; no audio, no files.", _DIALOGUES),
    "refusal_not_alone": _error("messages", "A refusal is the only part of its content.", _DIALOGUES),
    "invalid_image": _error("images", "An image is an http or data URL of base64; `detail` is low, high or auto.",
                            ("chat", "reinforcement")),
    "image_type_differs": _error("images", "The bytes are the JPEG, PNG or WEBP that the data URL declares.",
                                 ("chat", "reinforcement")),
    "image_colours": _error("images", "An image is RGB or RGBA.", ("chat", "reinforcement")),
    "image_too_large": _error("images", "An image has at most 10 MB.", ("chat", "reinforcement")),
    "too_many_images": _error("images", "An example has at most 10 images.", ("chat", "reinforcement")),
    "late_instructions": _warning("order", "System and developer messages stand before all others.", _DIALOGUES),
    "several_instructions": _warning("order", "There is one of them.", _DIALOGUES),
    "repeated_role": _info("order", "Users and assistants take turns.", _DIALOGUES),
    "no_assistant_message": _error("order", "A chat has an assistant message to learn from.", ("chat",)),
    "nothing_to_learn": _error("order", "Something that is trained is not empty and has weight 1.",
                               ("chat", "completion")),
    "last_message_not_assistant": _warning("order", "A chat ends with the assistant.", ("chat",)),
    "last_message_untrained": _info("order", "The last message of a chat has weight 1.", ("chat",)),
    "last_message_not_asking": _warning("order", "What the model is to answer ends with the user or a tool.",
                                        ("preference", "reinforcement")),
    "not_one_message": _error("pairs", "Each output is exactly one message.", ("preference",)),
    "same_outputs": _warning("pairs", "The outputs of a pair differ.", ("preference",)),
    "invalid_tools": _error("tools", "Tools are at most 128 functions (`functions`: at least one) with valid names,"
                            " descriptions and parameters.", _DIALOGUES),
    "duplicate_tool": _warning("tools", "No two functions have the same name.", _DIALOGUES),
    "invalid_schema": _warning("tools", "Parameters are a valid JSON Schema of type object.", _DIALOGUES),
    "outside_reference": _warning("tools", "Parameters refer only to themselves; nothing is fetched.", _DIALOGUES),
    "not_strict": _warning("tools", "A strict function allows no additional properties and requires all.", _DIALOGUES),
    "invalid_tool_call": _error(_CALLS, "A call has an id, type function, a valid name and arguments in a string.",
                                _DIALOGUES),
    "no_tools_declared": _info(_CALLS, "An example that calls tools declares them.", _DIALOGUES),
    "undeclared_tool": _warning(_CALLS, "A function that is called is among those declared.", _DIALOGUES),
    "arguments_not_json": _warning(_CALLS, "Arguments are valid JSON.", _DIALOGUES),
    "arguments_not_object": _warning(_CALLS, "Arguments are a JSON object.", _DIALOGUES),
    "arguments_do_not_fit": _warning(_CALLS, "Arguments are valid against the declared parameters.", _DIALOGUES),
    "unchecked_arguments": _info(_CALLS, "Parameters can be evaluated in reasonable time.", _DIALOGUES),
    "parallel_calls": _warning(_CALLS, "One call at a time where `parallel_tool_calls` is false.", _DIALOGUES),
    "duplicate_call_id": _error(_CALLS, "The calls of one message have different ids.", _DIALOGUES),
    "reused_call_id": _info(_CALLS, "So have the calls of one example.", _DIALOGUES),
    "unanswered_call": _error(_CALLS, "Every call is answered before the next turn; only the last message may leave"
                              " calls open.", _DIALOGUES),
    "orphan_answer": _error(_CALLS, "A tool or function message answers a call of the assistant message before it.",
                            _DIALOGUES),
    "repeated_answer": _warning(_CALLS, "A call is answered once.", _DIALOGUES),
}


def table() -> str:
    """The rules as a table in Markdown, for the README."""
    rows = [f"| {kind.group} | {kind.rule} | `{name}` | {kind.severity} |"
            f" {'all' if kind.formats == _ALL else ', '.join(kind.formats)} |" for name, kind in KINDS.items()]
    return "\n".join(["| about | rule | kind | severity | formats |", "|---|---|---|---|---|", *rows]) + "\n"
