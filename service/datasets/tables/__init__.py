"""Rows of data sets, by what they are about."""

from service.datasets.tables import reports, reviews, versions
from service.datasets.tables.reports import Finding, Report

__all__ = ["Finding", "Report", "reports", "reviews", "versions"]
