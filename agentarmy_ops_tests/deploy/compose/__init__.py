"""Tests of ``deploy/compose/`` and ``deploy/dagster/compose/``."""
