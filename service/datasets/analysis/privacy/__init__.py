"""Personal data and secrets in texts: found by pattern and check digit, shown masked, replaced on request.

What is not looked for: names of people, and diagnoses. Both need a model to be told from other words.
"""

from service.datasets.analysis.privacy.redaction import redact

__all__ = ["redact"]
