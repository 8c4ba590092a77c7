"""Tests of service/datasets/analysis."""
