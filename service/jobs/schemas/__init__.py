"""Wire shapes of jobs and of what stands around them, by what they are about."""
