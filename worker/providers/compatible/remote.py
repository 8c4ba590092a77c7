"""Any server that speaks OpenAI's API as a Remote; a Tuneworks keeps the promise of an Idempotency-Key."""

from worker.providers.openai.remote import OpenAIRemote


class CompatibleRemote(OpenAIRemote):
    """What such a server cannot do it refuses by itself; only a base URL is needed."""

    idempotent = True
