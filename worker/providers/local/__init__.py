"""Trains on this machine: one subprocess per run, in a process group of its own, told and heard through files."""
