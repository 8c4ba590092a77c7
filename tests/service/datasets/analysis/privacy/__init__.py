"""Tests of service/datasets/analysis/privacy."""
