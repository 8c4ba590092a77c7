"""The verbs of data sets, by what they are about."""

from service.datasets.operations.building import request_build
from service.datasets.operations.counts import ask_for_count, count_shown, token_counts
from service.datasets.operations.erasure import delete_dataset, delete_version
from service.datasets.operations.places import analysis_prefix, columns_key
from service.datasets.operations.policies import Coverage, coverage, known_verdict, policy_problems, verdict_problems
from service.datasets.operations.readings import forget
from service.datasets.operations.reports import progress, record_report, reports_of, validation
from service.datasets.operations.verdicts import Verdict, verdict
from service.datasets.operations.versions import (
    ResolvedFile,
    copies,
    descendants,
    find_version,
    lock_dataset,
    resolve_file,
    unfinished,
    versions_of,
)

__all__ = ["Coverage", "ResolvedFile", "Verdict", "analysis_prefix", "ask_for_count", "columns_key", "copies",
           "count_shown", "coverage", "delete_dataset", "delete_version", "descendants", "find_version", "forget",
           "known_verdict", "lock_dataset", "policy_problems", "progress", "record_report", "reports_of",
           "request_build", "resolve_file", "token_counts", "unfinished", "validation", "verdict", "verdict_problems",
           "versions_of"]
