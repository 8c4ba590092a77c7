"""The verbs of data sets, by what they are about."""

from service.datasets.operations.reports import Verdict, record_report, validation, verdict

__all__ = ["Verdict", "record_report", "validation", "verdict"]
