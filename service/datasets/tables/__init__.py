"""Rows of data sets, by what they are about."""

from service.datasets.tables import reports, reviews, versions
from service.datasets.tables.reports import Finding, Report
from service.datasets.tables.versions import Dataset, DatasetPreview, DatasetVersion

__all__ = ["Dataset", "DatasetPreview", "DatasetVersion", "Finding", "Report", "reports", "reviews", "versions"]
