from agentarmy_ops.observability.health.changes import Seen, Step, advance
from agentarmy_ops.observability.health.problem import Check, Findings, Key

RLS, STALE = Key(Check.ROW_LEVEL_SECURITY, "a"), Key(Check.STALE_BACKUP, "a")
REDIS = Key(Check.REDIS, "platform")
NOTHING = Findings({})


def test_a_problem_is_raised_once_and_recovers_once() -> None:
    step = advance({}, Findings({RLS: "why"}), 100)
    assert step == Step({RLS: Seen(100, True)}, {RLS: "why"}, {})
    step = advance(step.seen, Findings({RLS: "why now"}), 200)
    assert step == Step({RLS: Seen(100, True)}, {}, {})
    step = advance(step.seen, NOTHING, 300)
    assert step == Step({}, {}, {RLS: 100})


def test_what_may_pass_counts_when_it_is_there_twice_in_a_row() -> None:
    found = Findings({REDIS: "why"})
    first = advance({}, found, 100)
    assert first == Step({REDIS: Seen(100, False)}, {}, {})
    assert advance(first.seen, NOTHING, 200) == Step({}, {}, {})
    second = advance(first.seen, found, 200)
    assert second == Step({REDIS: Seen(100, True)}, {REDIS: "why"}, {})
    assert advance(second.seen, found, 300) == Step(second.seen, {}, {})


def test_what_was_not_looked_at_stays_as_it_was() -> None:
    seen = {RLS: Seen(100, True), STALE: Seen(100, True), REDIS: Seen(100, False)}
    skipped = Findings({}, skipped=frozenset({Check.ROW_LEVEL_SECURITY, Check.REDIS}))
    assert advance(seen, skipped, 200) == Step(
        {RLS: seen[RLS], REDIS: seen[REDIS]}, {}, {STALE: 100}
    )
    unchecked = Findings({}, unchecked=frozenset({STALE}))
    assert advance(seen, unchecked, 200) == Step({STALE: seen[STALE]}, {}, {RLS: 100})


def test_more_changes_than_a_tick_can_tell_are_told_by_the_next_ones() -> None:
    keys = [Key(Check.STALE_BACKUP, str(number)) for number in range(5)]
    all_stale = Findings(dict.fromkeys(keys, "old"))
    seen: dict[Key, Seen] = {}
    told, waited = [], []
    for _ in range(4):
        step = advance(seen, all_stale, 100, most_changes=2)
        seen = {**step.seen}
        told.append([*step.raised])
        waited.append(step.waiting)
    assert told == [keys[:2], keys[2:4], keys[4:], []]
    assert waited == [3, 1, 0, 0]
    told, waited = [], []
    for _ in range(4):
        step = advance(seen, NOTHING, 100, most_changes=2)
        seen = {**step.seen}
        told.append([*step.recovered])
        waited.append(step.waiting)
    assert told == [keys[:2], keys[2:4], keys[4:], []]
    assert waited == [3, 1, 0, 0]


def test_who_recovers_comes_before_who_falls_ill() -> None:
    step = advance({RLS: Seen(1, True)}, Findings({STALE: "old"}), 100, most_changes=1)
    assert step == Step({}, {}, {RLS: 1}, waiting=1)


def test_what_is_known_is_bounded() -> None:
    keys = [Key(Check.STALE_BACKUP, str(number)) for number in range(3)]
    found = Findings(dict.fromkeys(keys, "old"))
    step = advance({}, found, 100, most_known=2)
    assert ([*step.seen], step.waiting) == (keys[:2], 1)
    assert advance(step.seen, found, 200, most_known=2).waiting == 1
    step = advance(step.seen, Findings({keys[2]: "old"}), 200, most_known=2)
    assert ([*step.seen], step.waiting) == (keys[2:], 0)


def test_what_waits_to_count_needs_no_room() -> None:
    seen = {REDIS: Seen(100, False)}
    step = advance(seen, Findings({REDIS: "why"}), 200, most_known=1)
    assert step.raised == {REDIS: "why"}
