"""The machine itself, from the files that every Linux has."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.posture.machine import clock_synchronised, parse_packages, resources, users

STATUS = """Package: nginx
Status: install ok installed
Version: 1.22.1-9+deb12u7
Conffiles:
 /etc/nginx/nginx.conf 0123 newconffile
Description: small, powerful
 Status: deinstall ok config-files

Package: apache2
Status: deinstall ok config-files
Version: 2.4.1

Package: half
Status: install ok half-configured
Version: 1
"""


def test_only_installed_packages_count() -> None:
    assert parse_packages(STATUS) == {"nginx": "1.22.1-9+deb12u7"}


@given(st.text())
def test_any_status_file_is_read(text: str) -> None:
    parse_packages(text)


def test_this_machine_has_memory_a_disk_and_a_clock() -> None:
    found = resources()
    assert found["memory_bytes"] > found["memory_available_bytes"] > 0
    assert found["disk_total_bytes"]["/"] >= found["disk_free_bytes"]["/"]
    assert clock_synchronised() in (True, False, None)


def test_root_is_among_the_users() -> None:
    assert users()["root"]["uid"] == 0
