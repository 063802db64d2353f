"""The local cluster: a study run to its end on one machine, by the same attempts that SLURM would run."""
