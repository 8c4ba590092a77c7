"""The verbs of data sets, by what they are about."""

from service.datasets.operations.counts import ask_for_count, count_shown, token_counts
from service.datasets.operations.places import analysis_prefix, columns_key
from service.datasets.operations.readings import forget
from service.datasets.operations.reports import progress, record_report, reports_of, validation
from service.datasets.operations.verdicts import Verdict, verdict

__all__ = ["Verdict", "analysis_prefix", "ask_for_count", "columns_key", "count_shown", "forget", "progress",
           "record_report", "reports_of", "token_counts", "validation", "verdict"]
