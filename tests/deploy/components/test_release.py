"""Where a release lies on a host: nobody but root can put something there."""

from deploy.components.release import PLACES
from service.release.layout import Layout


def test_the_directories_are_those_that_the_program_uses() -> None:
    layout = Layout()
    used = {layout.home, layout.incoming, layout.blobs, layout.models, layout.releases, layout.signers.parent}
    assert {str(path) for path in used} <= PLACES.keys()


def test_parents_come_before_what_is_in_them() -> None:
    order = list(PLACES)
    assert all(
        order.index(parent) < order.index(path) for path in order for parent in order if path.startswith(f"{parent}/")
    )


def test_nobody_else_writes_there() -> None:
    assert all(int(mode, 8) & 0o022 == 0 for mode in PLACES.values())


def test_transfers_are_for_root_alone() -> None:
    assert PLACES["/var/lib/casemate/incoming"] == PLACES["/var/lib/casemate/blobs"] == "0700"
