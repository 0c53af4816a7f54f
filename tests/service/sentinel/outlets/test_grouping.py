"""The first at once, the rest together; nothing twice, nothing never."""

from hypothesis import given
from hypothesis import strategies as st

from service.sentinel.outlets.grouping import Grouping
from service.sentinel.outlets.message import Message
from tests.service.sentinel.receivers import told


def test_the_first_is_told_at_once_and_a_burst_as_one() -> None:
    grouping = Grouping("host1", 1.0)
    grouping.add([told(0)], 10.0)
    assert grouping.wait(10.0) == 0
    assert [one.count for one in grouping.due(10.0)] == [1]
    assert grouping.wait(10.0) is None
    grouping.add([told(n) for n in range(1, 500)], 10.2)
    assert grouping.due(10.3) == []
    assert 0.69 < (grouping.wait(10.3) or 0) < 0.71
    assert grouping.oldest() == 1
    assert [(one.first_seq, one.last_seq, one.count) for one in grouping.due(11.0)] == [(1, 499, 499)]
    grouping.add([told(500)], 11.5)  # Still the burst: the group that was told began a new second.
    assert grouping.due(11.5) == []
    assert [one.first_seq for one in grouping.due(12.0)] == [500]
    grouping.due(13.0)
    grouping.add([told(501)], 14.0)
    assert [one.first_seq for one in grouping.due(14.0)] == [501]
    assert grouping.oldest() is None


def test_kinds_do_not_mix() -> None:
    grouping = Grouping("host1", 1.0)
    kinds = [told(0), told(1, severity="low"), told(2, set="keys"), told(3, container="vision"), told(4, "started")]
    grouping.add(kinds, 0.0)
    assert [one.count for one in grouping.due(0.0)] == [1] * 5


def test_a_full_group_is_told_before_its_time() -> None:
    grouping = Grouping("host1", 60.0)
    grouping.add([told(n) for n in range(12_000)], 0.0)
    assert [(one.first_seq, one.count) for one in grouping.due(0.0)] == [(0, 1), (1, 5000), (5001, 5000)]
    assert grouping.oldest() == 10_001


@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.lists(st.sampled_from(["low", "high", "critical"]), max_size=9), st.booleans()),
        max_size=20,
    )
)
def test_every_line_is_told_exactly_once_and_in_order(steps: list[tuple[float, list[str], bool]]) -> None:
    grouping, now, seq, messages = Grouping("host1", 1.0), 0.0, 0, list[Message]()
    for later, severities, look in steps:
        now += later
        grouping.add([told(seq + n, severity=one, path=f"/{seq + n}") for n, one in enumerate(severities)], now)
        seq += len(severities)
        if look:
            messages += grouping.due(now)
            oldest = grouping.oldest()
            assert sum(one.count for one in messages) == seq or oldest is not None
    messages += grouping.due(now, all_of_them=True)
    assert sum(one.count for one in messages) == seq
    for severity in ("low", "high", "critical"):
        firsts = [one.first_seq or 0 for one in messages if one.severity == severity]
        assert firsts == sorted(firsts)
    assert grouping.wait(now) is None
