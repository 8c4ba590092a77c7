"""Tests of the spend ledger."""
