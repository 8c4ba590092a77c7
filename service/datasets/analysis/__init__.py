"""Numbers about a data set: tokens, duplicates, quality, privacy, and the report that sums them up. Pure."""
