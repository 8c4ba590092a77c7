"""Tests of mail to people."""
