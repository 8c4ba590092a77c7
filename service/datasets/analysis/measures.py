"""All measures of an analysis, in the order in which a batch passes them."""

from service.datasets.analysis.contents import Contents
from service.datasets.analysis.measuring import Measure

MEASURES: tuple[type[Measure], ...] = (Contents,)
