"""What the simulated server answers, one module for each kind of object."""
