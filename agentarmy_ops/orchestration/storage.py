"""Dagster's PostgreSQL storage, at the address our settings give."""

from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from agentarmy_ops.orchestration.event_log import OpsEventLogStorage
from agentarmy_ops.runtime import Runtime


class OpsPostgresStorage(DagsterPostgresStorage):
    """``DagsterPostgresStorage`` at ``DAGSTER_DATABASE_URL`` or, where that is not set and not
    in production, in the embedded server: with no setting at all, ``dagster`` commands work.
    Its event log is :class:`OpsEventLogStorage`.

    Named in ``dagster.yaml``; takes no configuration there.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._event_log_storage = OpsEventLogStorage(postgres_url)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No fields."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: object
    ) -> DagsterPostgresStorage:
        """Called by Dagster when it loads ``dagster.yaml``."""
        del config_value
        return cls(postgres_url=Runtime().dagster_url, inst_data=inst_data)
