"""What can keep an embedded part from starting, in words that say what to do."""


class EmbeddedUnavailable(Exception):
    """The part is not installed, or this machine cannot run it."""


class AlreadyInUse(Exception):
    """Another live process holds the data directory."""


class DidNotStart(Exception):
    """The part ended, or stayed silent, instead of becoming ready; the message carries the end of its log."""
