"""Tests of ``deploy/kubernetes/``."""
