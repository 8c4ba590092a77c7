"""What can go wrong between a caller and the chat server."""

from service.kit.errors import InvalidRequest, NotFound, Unavailable


class NotServedHere(InvalidRequest):
    code = "model_not_served"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The model `{name[:200]}` cannot answer chats here: {reason}", param="model")


class NoChatServer(NotServedHere):
    """The house runs without one: to ask again does not help."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "this house serves no local models. Whoever runs it can have them served: start it"
                               " without --no-chat and with tuneworks[train] installed, or set TUNEWORKS_SERVING_URL to"
                               " a chat server.")


class ChatServerUnavailable(Unavailable):
    """`reason` is told to callers, and names no address of the house."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The chat server is not available right now ({reason}). Try again shortly.", retry_after=5)


class ModelLoadFailed(Unavailable):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The model `{name[:200]}` could not be loaded by the chat server: {reason}", retry_after=30)


class CredentialGone(InvalidRequest):
    code = "no_credential"

    def __init__(self, name: str, provider: str) -> None:
        super().__init__(f"The model `{name[:200]}` lies at {provider}, and the credential that led there was deleted."
                         " Store a credential for that server again (POST /v1/credentials): once it is checked, the"
                         " model answers again. Or map its name to another model with POST /v1/model_mappings.",
                         param="model")


class CredentialRefused(Unavailable):
    """`is_certain`: it was the credential that was refused, and not just this request."""

    def __init__(self, credential_id: str, details: str, *, is_certain: bool) -> None:
        super().__init__(f"The server does not take credential {credential_id}: {details[:300]} Update the credential"
                         " or check it again.", retry_after=60, code="credential_refused")
        self.headers["x-should-retry"] = "false"
        self.details = details
        self.is_certain = is_certain


class RemoteUnavailable(Unavailable):
    """`reason` completes the sentence "The server of this model cannot be used right now: …"."""

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        super().__init__(f"The server of this model cannot be used right now: {reason[:500]}. Try again shortly.",
                         retry_after=retry_after, code="remote_unavailable")


class ModelGone(NotFound):
    """Its own server does not know the model any more."""

    code = "model_not_found"

    def __init__(self, said: str) -> None:
        super().__init__(f"The server of this model does not know it: {said[:500]} POST /v1/model_mappings has another"
                         " model answer in its place.", param="model")
