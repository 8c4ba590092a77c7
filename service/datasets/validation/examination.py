"""How many examples a file must hold to be trained on."""

MIN_EXAMPLES = 10


def too_few(examples: int) -> str:
    """OpenAI's words for a training file that is too short."""
    return f"Training file has {examples} example(s), but must have at least {MIN_EXAMPLES} examples"
