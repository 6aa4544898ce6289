from agentarmy_ops.orchestration.partitions import PartitionChanges, partition_changes, ranges_of


def test_new_tenants_are_added_and_gone_ones_deleted() -> None:
    changes = partition_changes(["acme", "gone"], ["acme", "new"], busy=[])
    assert changes == PartitionChanges(add=("new",), delete=("gone",))


def test_a_busy_partition_is_deleted_later() -> None:
    changes = partition_changes(["acme", "gone"], ["acme"], busy=["gone"])
    assert changes == PartitionChanges(deferred=("gone",))


def test_an_empty_registry_deletes_nothing() -> None:
    assert partition_changes(["acme"], [], busy=[]).delete == ()


def test_one_tick_deletes_only_so_many() -> None:
    stored = [f"gone-{number:02}" for number in range(12)]
    changes = partition_changes([*stored, "acme"], ["acme"], busy=[], max_deletions=10)
    assert changes.delete == tuple(stored[:10])
    assert changes.deferred == tuple(stored[10:])


def test_ranges_cover_what_is_wanted_and_nothing_else() -> None:
    stored = ["c", "a", "x", "b", "d"]
    assert ranges_of(stored, ["a", "b", "c"], 10) == [("c", "a"), ("b", "b")]
    assert ranges_of(stored, stored, 2) == [("c", "a"), ("x", "b"), ("d", "d")]
    assert ranges_of(stored, [], 2) == []
