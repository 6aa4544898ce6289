"""Dagster: partitions, resources, assets, jobs, schedules and sensors over the plain packages."""
