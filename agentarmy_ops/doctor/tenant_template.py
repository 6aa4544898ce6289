"""The SQL that fills a new tenant's schema can be read."""

from pathlib import Path

from agentarmy_ops.doctor.finding import Finding, failed, ok
from agentarmy_ops.errors import ConfigurationError
from agentarmy_ops.tenants.template import read_template

CHECK = "tenant-template"


def check_tenant_template(folder: Path | None) -> Finding:
    """``folder`` is ``TENANT_SQL_DIR``; None: the built-in template."""
    try:
        files = read_template(folder)
    except ConfigurationError as error:
        return failed(CHECK, error)
    return ok(CHECK, f"{len(files)} files of {folder or 'the built-in template'}")
