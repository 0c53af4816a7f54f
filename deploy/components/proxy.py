"""The only door: Nginx, with TLS, a question to the gate before every request, and nothing of one on a disk."""

from pyinfra import host
from pyinfra.api import deploy

from deploy.certificates.issue import server_certificate
from deploy.facts.observed import Observed, observed
from deploy.host_paths import HOST_MAINTENANCE
from deploy.operations.files import directory, file
from deploy.operations.listening import listening
from deploy.operations.packages import installed
from deploy.operations.templates import render
from deploy.operations.units import unit
from deploy.settings.host import HostSettings

CONFIGURATION = "/etc/nginx/nginx.conf"
PAIR = "/etc/casemate/proxy/server.pem"
SANDBOX = "/etc/systemd/system/nginx.service.d/casemate.conf"
SPOOL = "/var/lib/casemate/proxy/spool"

# `nginx -t` makes what is missing: the pid file, whose directory is there only while the unit runs, and the logs.
_CHECK = "mkdir -p /run/nginx; umask 027; nginx -t -q -c {}"


@deploy("Proxy")
def apply(settings: HostSettings) -> None:
    """The distribution's Nginx runs with our configuration alone, in its sandbox."""
    installed(name="Install Nginx", packages=["nginx"])
    directory(name="Make the proxy's configuration directory", path="/etc/casemate/proxy", mode="0700")
    # Nginx insists on a directory for what does not fit into memory; the sandbox has it read-only.
    directory(name="Make the directory that stays empty", path=SPOOL, mode="0700", owner="www-data")
    # Nginx's workers look there for what shuts the door.
    directory(name="Make the directory of what is in maintenance", path=str(HOST_MAINTENANCE))
    file(
        name="Write the certificate and its key",
        path=PAIR,
        content=server_certificate(settings.proxy, host.name).pem(),
        mode="0600",
        secret=True,
    )
    directory(name="Make the directory of Nginx's drop-ins", path="/etc/systemd/system/nginx.service.d")
    file(name="Write Nginx's sandbox", path=SANDBOX, content=render("proxy/nginx.service.d/casemate.conf.j2"))
    file(
        name="Write Nginx's configuration",
        path=CONFIGURATION,
        content=configuration(settings, observed(host)),
        check=_CHECK,
    )
    unit(name="Run Nginx with its configuration", unit="nginx.service", reloaded_by=[CONFIGURATION, PAIR])
    listening(name="See that the door is open", process="nginx", ports=settings.proxy.ports)


def configuration(settings: HostSettings, seen: Observed) -> str:
    """nginx.conf for this host: Ubuntu 22.04 has Nginx 1.18, which cannot yet reject a handshake by its name."""
    system = seen.required("os")
    return render(
        "proxy/nginx.conf.j2",
        proxy=settings.proxy,
        rejects_handshake=(system["id"], system["version_id"]) != ("ubuntu", "22.04"),
        # A kernel without IPv6 has none of its switches, and Nginx would not start for want of an address family.
        ipv6="net.ipv6.conf.all.disable_ipv6" in seen.required("sysctl"),
    )
