"""What a provider that sent a webhook is answered."""

from typing import Literal

from service.kit.schemas import Answer


class Received(Answer):
    received: Literal[True] = True
