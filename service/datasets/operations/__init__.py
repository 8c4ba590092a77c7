"""The verbs of data sets, by what they are about."""

from service.datasets.operations.building import request_build
from service.datasets.operations.erasure import delete_dataset, delete_version
from service.datasets.operations.policies import Coverage, coverage, known_verdict, policy_problems
from service.datasets.operations.reports import Verdict, record_report, reports_of, validation, verdict
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

__all__ = ["Coverage", "ResolvedFile", "Verdict", "copies", "coverage", "delete_dataset", "delete_version",
           "descendants", "find_version", "known_verdict", "lock_dataset", "policy_problems", "record_report",
           "reports_of", "request_build", "resolve_file", "unfinished", "validation", "verdict", "versions_of"]
