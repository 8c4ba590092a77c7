"""The verbs of data sets, by what they are about."""

from service.datasets.operations.policies import Coverage, coverage, known_verdict, policy_problems
from service.datasets.operations.reports import Verdict, record_report, validation, verdict

__all__ = ["Coverage", "Verdict", "coverage", "known_verdict", "policy_problems", "record_report", "validation",
           "verdict"]
