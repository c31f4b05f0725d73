"""Stands in for a job's script: plans look at no more than its name."""
