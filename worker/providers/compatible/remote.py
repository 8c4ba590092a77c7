"""Any server that speaks OpenAI's API as a Remote; one that knows Idempotency-Keys is told the attempt's."""

from worker.providers.openai.remote import OpenAIRemote


class CompatibleRemote(OpenAIRemote):
    """What such a server cannot do it refuses by itself; only a base URL is needed.

    A second Tuneworks honours the key: an order that is sent again is answered with the job that it made.
    """

    idempotent = True
