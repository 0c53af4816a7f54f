"""Which hosts a lab comes to have."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.plan import wanted
from deploy.lab.rootfs import RELEASES

existing = st.integers(0, 6).flatmap(
    lambda count: st.lists(st.sampled_from(RELEASES), min_size=count, max_size=count).map(
        lambda releases: {f"lab{number}": release for number, release in enumerate(releases, start=1)}
    )
)
hosts = st.none() | st.integers(1, 6)
releases = st.lists(st.sampled_from(RELEASES), max_size=3)


def test_the_first_lab_is_one_bookworm() -> None:
    assert wanted({}, None, []) == {"lab1": "bookworm"}


def test_releases_take_turns() -> None:
    assert wanted({}, 3, ["bookworm", "trixie"]) == {"lab1": "bookworm", "lab2": "trixie", "lab3": "bookworm"}


def test_a_release_asked_for_replaces_a_host_of_another() -> None:
    assert wanted({"lab1": "bookworm"}, None, ["trixie"]) == {"lab1": "trixie"}


@given(existing)
def test_without_wishes_a_lab_stays_as_it_is(existing: dict[str, str]) -> None:
    assert wanted(existing, None, []) == (existing or {"lab1": "bookworm"})


@given(existing, hosts, releases)
def test_the_outcome_is_stable(existing: dict[str, str], hosts: int | None, releases: list[str]) -> None:
    first = wanted(existing, hosts, releases)
    assert wanted(first, hosts, releases) == first


@given(existing, st.integers(1, 6), releases)
def test_a_number_asked_for_is_met_exactly(existing: dict[str, str], hosts: int, releases: list[str]) -> None:
    assert list(wanted(existing, hosts, releases)) == [f"lab{number}" for number in range(1, hosts + 1)]


@given(existing, releases)
def test_without_a_number_no_host_is_lost(existing: dict[str, str], releases: list[str]) -> None:
    assert wanted(existing, None, releases).keys() >= existing.keys()
