"""/proc/PID/mountinfo."""

import re

from deploy.facts.posture.read import Json


def unescaped(field: str) -> str:
    """A path of mountinfo: blanks and the like are written as octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def parse_mounts(mountinfo: str) -> list[Json]:
    """/proc/PID/mountinfo; `peers` are the tags that let mounts spread ("shared:1"), empty for a private mount."""
    found = []
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        left, right = before.split(" "), after.split(" ")
        if not separator or len(left) < 6 or len(right) < 3:
            continue
        found.append(
            {
                "target": unescaped(left[4]),
                "root": unescaped(left[3]),
                "fstype": right[0],
                "source": unescaped(right[1]),
                "options": left[5].split(","),
                "super_options": right[2].split(","),
                "read_only": "ro" in left[5].split(","),
                "peers": [tag for tag in left[6:] if tag],
            }
        )
    return found
