"""What the sentinel watches unless the settings say otherwise: the places by which a host is taken over, or kept."""

from typing import Any

_UNITS = ("/etc/systemd", "/usr/lib/systemd/system", "/usr/local/lib/systemd", "/etc/init.d", "/etc/udev/rules.d")
_CRON = ("/etc/crontab", "/etc/anacrontab", "/etc/cron.allow", "/etc/cron.deny", "/var/spool/cron")

WATCHED: dict[str, dict[str, Any]] = {
    # Before the sets that hold these places too: of two roots the longer one names the set of what is below both.
    "sentinel": {
        "severity": "critical",
        "roots": (
            "/opt/casemate/bin/casemate-sentinel",
            "/etc/casemate/sentinel",
            "/etc/systemd/system/casemate-sentinel.service",
            "/etc/systemd/system/casemate-sentinel.service.d",
        ),
    },
    "keys": {
        "severity": "critical",
        "roots": ("/etc/casemate/proxy", "/etc/casemate/gate", "/etc/casemate/release", "/etc/ssl/private"),
    },
    # The blobs too: a weight file is a hard link to one, and can be written by either name.
    "weights": {"severity": "critical", "roots": ("/var/lib/casemate/models", "/var/lib/casemate/blobs")},
    "programs": {"severity": "critical", "roots": ("/opt/casemate", "/usr/local/bin", "/usr/local/sbin")},
    "casemate": {
        "severity": "high",
        "roots": ("/etc/casemate", "/etc/tmpfiles.d", "/etc/sysusers.d"),
    },
    "engine": {
        "severity": "critical",
        "roots": ("/etc/docker", "/etc/containerd", "/etc/cdi", "/etc/nvidia-container-runtime", "/etc/default/docker"),
    },
    "nginx": {"severity": "high", "roots": ("/etc/nginx",)},
    "access": {
        "severity": "critical",
        "roots": (
            "/etc/ssh",
            "/root/.ssh",
            "/home/*/.ssh",
            "/etc/sudoers",
            "/etc/sudoers.d",
            "/etc/pam.d",
            "/etc/pam.conf",
            "/etc/security",
            "/usr/lib/x86_64-linux-gnu/security",
        ),
        # ssh notes the hosts that a user has visited there.
        "exclude": ("*/.ssh/known_hosts", "*/.ssh/known_hosts.old"),
    },
    "users": {
        "severity": "critical",
        "roots": ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"),
    },
    # Not those of /run: systemd writes some there at each login and each of our handovers, and none outlives a boot.
    # Not /lib/systemd: on every distribution that we deploy to, /lib is a link to /usr/lib.
    "units": {"severity": "critical", "roots": _UNITS},
    "cron": {
        "severity": "critical",
        "roots": (*_CRON, "/etc/cron.d", *(f"/etc/cron.{often}" for often in ("hourly", "daily", "weekly", "monthly"))),
    },
    # Not ld.so.cache: what it holds follows from these, and any package may have it made anew.
    "preload": {"severity": "critical", "roots": ("/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d")},
    "modules": {
        "severity": "high",
        "roots": ("/etc/modules", "/etc/modules-load.d", "/etc/modprobe.d", "/usr/lib/modprobe.d", "/etc/sysctl.d"),
    },
}
"""Name to severity, roots and patterns that are left out."""
