"""Wire shapes of data sets, by what they are about."""
