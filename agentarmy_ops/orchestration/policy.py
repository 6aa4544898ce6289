"""What the assets have in common, and what Dagster itself watches of them."""

import warnings
from datetime import timedelta

from dagster import BackfillPolicy, BetaWarning, FreshnessPolicy, Nothing
from dagster._core.types.dagster_type import resolve_dagster_type

from agentarmy_ops.settings import load_settings

# Backfill policies are marked beta, and every command would say so once per asset.
warnings.filterwarnings("ignore", category=BetaWarning, message=".*backfill_policy.*")

OWNERS = ["team:data-ops"]
GROUP = "tenants"

# Pools, of which dagster.yaml says how many runs each may have at once. Whatever asks for the
# asset, a schedule, a backfill or a person: a run with it counts, and others are not held up.
BACKUP_POOL = "backup"
VERIFICATION_POOL = "verification"

# Somebody waits for these runs: they leave the queue before others.
FIRST_IN_QUEUE = {"dagster/priority": "10"}
# A run whose worker died goes on in another, once. Only where to do it again is harmless: a
# restore that died is for a person to look at.
TRIED_AGAIN = {"dagster/max_retries": "1"}

# A run costs seconds before it does any work, so a run takes many tenants. The same for all
# three assets, or Dagster would not put them into one run.
BATCHES = BackfillPolicy.multi_run(max_partitions_per_run=load_settings().max_partitions_per_run)

# Assets pass nothing to each other; with any other type the IO manager would store an output,
# which it cannot do for a run over many partitions.
NOTHING = resolve_dagster_type(Nothing)

# For assets without partitions: of others Dagster looks at the newest of all partitions, which is
# fresh as long as one tenant is. It goes by Dagster's record, where the sensors go by the store.
FRESHNESS = FreshnessPolicy.time_window(
    fail_window=timedelta(hours=load_settings().backup_freshness_hours)
)
