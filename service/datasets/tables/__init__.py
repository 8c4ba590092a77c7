"""Rows of data sets, by what they are about."""

from service.datasets.tables import counts, reports, reviews, segments, versions
from service.datasets.tables.counts import TokenCount
from service.datasets.tables.reports import Finding, Report
from service.datasets.tables.segments import Segment
from service.datasets.tables.versions import Dataset, DatasetPreview, DatasetVersion

__all__ = ["Dataset", "DatasetPreview", "DatasetVersion", "Finding", "Report", "Segment", "TokenCount", "counts",
           "reports", "reviews", "segments", "versions"]
