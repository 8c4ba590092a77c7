"""Makes new lines from the lines of versions: dropped, redacted, shuffled, split, sampled, merged. Pure."""
