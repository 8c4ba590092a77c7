"""Questions about data sets, by what they are about."""
