"""How many examples a file must hold to be trained on."""

MIN_EXAMPLES = 10
NEEDS_VALIDATION = "The method reinforcement needs a validation file."
_MOST = {"training_file": 50_000, "validation_file": 1_000}
"""Of reinforcement; no other method has a limit."""


def too_few(examples: int) -> str:
    """OpenAI's words for a training file that is too short."""
    return f"Training file has {examples} example(s), but must have at least {MIN_EXAMPLES} examples"


def too_many(role: str, method: str, examples: int) -> str | None:
    """What is said when the method does not take so many examples in a file of this role."""
    most = _MOST.get(role) if method == "reinforcement" else None
    if most is None or examples <= most:
        return None
    return (f"{role.replace('_', ' ').capitalize()} has {examples:,} examples, but reinforcement fine-tuning takes at"
            f" most {most:,}")
