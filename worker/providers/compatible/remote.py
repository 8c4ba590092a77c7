"""Any server that speaks OpenAI's API as a Remote; another Tuneworks is the natural one."""

from worker.providers.openai.remote import OpenAIRemote


class CompatibleRemote(OpenAIRemote):
    """What such a server cannot do it refuses by itself. It is told the key of an attempt in an Idempotency-Key too.

    Nothing relies on that: a job whose answer was lost is looked for by its metadata, as everywhere.
    """

    idempotent = True
