"""Reads data of other shapes (CSV, Parquet, Alpaca, ShareGPT, ...) as lines that can be trained on. Pure."""
