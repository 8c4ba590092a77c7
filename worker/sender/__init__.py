"""Tells webhook endpoints what happened: one loop plans, claims, sends and records; nobody waits for anybody else."""
