"""Attempts to get in, over real HTTP and websockets.

The docstring of each test is ``attempt => answer``, and becomes a row of the table in
``docs/security.md`` (``python -m agentarmy_ops_tests.docs.generate``).
"""
