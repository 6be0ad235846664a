"""The lesion network: what it takes in, its checkpoints, and how it is run on a volume."""
