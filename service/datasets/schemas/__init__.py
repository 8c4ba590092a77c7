"""Wire shapes of data sets, by what they are about."""

from service.datasets.schemas import reports, reviews

__all__ = ["reports", "reviews"]
