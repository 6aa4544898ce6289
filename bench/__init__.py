"""Measure the engine against what stock PostgreSQL does on the same data in the same run."""
