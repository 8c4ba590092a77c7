"""Reads data of other shapes (CSV, Parquet, Alpaca, ShareGPT, ...) as lines that can be trained on. Pure.

    bytes ─ containers ─▶ rows ─ layouts ─▶ example ─ reading.convert ─▶ line
                                                     └ exporting ─▶ other shapes again

A container is how rows are packed (JSON Lines, a JSON array, CSV, TSV, Parquet), a layout what a row says. Tools and
the arguments of calls travel as the JSON text that they came as, never through columns whose types were inferred.
"""
