"""The measures of a full analysis."""

from service.datasets.analysis.measuring import Measure

MEASURES: tuple[type[Measure], ...] = ()
