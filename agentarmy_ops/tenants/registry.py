"""The application's list of tenants, ``shared.tenants``: read here, written by provisioning."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow, class_row

from agentarmy_ops.errors import DatabaseError, TenantNotFoundError
from agentarmy_ops.postgres.conninfo import load_sql
from agentarmy_ops.tenants.slug import validate_slug


@dataclass(frozen=True)
class Tenant:
    """One row of ``shared.tenants``."""

    id: UUID
    slug: str
    name: str
    schema_name: str
    is_active: bool
    created_at: datetime
