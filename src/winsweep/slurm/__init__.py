"""SLURM: a plan becomes chains of job arrays, and a look at the queue says what is left to do."""
