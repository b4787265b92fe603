"""What a stack's settings mean: the shutdown timeline, the scaling envelope and where each value came from."""
