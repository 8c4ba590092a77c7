"""Programs that tests start, to be killed or to be somebody else."""
