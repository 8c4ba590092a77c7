"""All measures of an analysis, in the order in which a batch passes them."""

from service.datasets.analysis.balance import Balance
from service.datasets.analysis.contents import Contents
from service.datasets.analysis.degeneration import Degeneration
from service.datasets.analysis.languages import Languages
from service.datasets.analysis.measuring import Measure
from service.datasets.analysis.structure import Structure

MEASURES: tuple[type[Measure], ...] = (Contents, Degeneration, Structure, Balance, Languages)
