"""Makes the lines of a version from those of others: dropped, redacted, shuffled, split, sampled, merged. Pure.

    specs ── what is asked, as JSON that is kept as lineage
      └─ operations.apply ─┬─ choosing    which lines, and in what order: numbers only
                           └─ rewriting   one line at a time; what is not changed stays as it is, to the byte
"""
