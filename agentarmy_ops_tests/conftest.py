"""Fixtures every test may use; each group has its own module of fixtures."""

pytest_plugins = [
    "agentarmy_ops_tests.fix_postgres",
    "agentarmy_ops_tests.fix_tenants",
    "agentarmy_ops_tests.fix_backups",
    "agentarmy_ops_tests.fix_dagster",
]
