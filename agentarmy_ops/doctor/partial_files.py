"""What killed processes left half-written in a local backup store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from agentarmy_ops.doctor.finding import Finding, ok, warn
from agentarmy_ops.stores.local import LocalStore

CHECK = "partial-files"


def check_partial_files(
    store: LocalStore, root: Path, older_than: timedelta, *, fix: bool
) -> Finding:
    """Partial files below ``root``, the store's folder; ``fix`` removes them."""
    if fix:
        removed = store.sweep(older_than)
        return ok(CHECK, f"{removed} left behind, removed" if removed else "none left over")
    oldest = (datetime.now(UTC) - older_than).timestamp()
    old = [path for path in (root / ".partial").glob("*") if path.lstat().st_mtime <= oldest]
    if not old:
        return ok(CHECK, "none left over")
    size = sum(path.lstat().st_size for path in old)
    return warn(
        CHECK,
        f"{len(old)} half-written files ({size // (1 << 20)} MiB) left by killed processes",
        "run 'agentarmy-ops doctor --fix' to remove them",
    )
