"""/proc/PID/mountinfo."""

from deploy.facts.posture.mounts import parse_mounts

MOUNTINFO = """100 50 0:40 / / ro,relatime - overlay overlay rw,lowerdir=/a:/b
101 100 0:41 / /tmp rw,nosuid,nodev,noexec shared:7 master:3 - tmpfs tmpfs rw,size=16384k
102 100 8:1 /var/lib/x /with\\040blank ro - ext4 /dev/sda1 rw
a line that is no mount
"""


def test_a_mount_is_read_only_by_its_own_options_and_not_by_its_file_system_s() -> None:
    root, tmp, data = parse_mounts(MOUNTINFO)
    assert (root["target"], root["read_only"], root["fstype"]) == ("/", True, "overlay")
    assert (tmp["read_only"], tmp["options"], tmp["super_options"]) == (
        False,
        ["rw", "nosuid", "nodev", "noexec"],
        ["rw", "size=16384k"],
    )
    assert data["target"] == "/with blank"
    assert (data["root"], data["source"]) == ("/var/lib/x", "/dev/sda1")


def test_tags_that_let_a_mount_spread_are_told() -> None:
    assert [mount["peers"] for mount in parse_mounts(MOUNTINFO)] == [[], ["shared:7", "master:3"], []]
