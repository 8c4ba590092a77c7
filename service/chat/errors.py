"""What can go wrong between a caller and the chat server."""

from service.kit.errors import InvalidRequest, Unavailable


class NotServedHere(InvalidRequest):
    code = "model_not_served"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The model `{name[:200]}` cannot answer chats here: {reason}", param="model")


class ChatServerUnavailable(Unavailable):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The chat server is not available right now ({reason}). Try again shortly.", retry_after=5)


class ModelLoadFailed(Unavailable):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The model `{name[:200]}` could not be loaded by the chat server: {reason}", retry_after=30)
