"""Distribution packages."""

import shlex

from pyinfra import host

from deploy.facts.observed import observed
from deploy.facts.shell import ask
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import expects

# Debian starts a daemon as soon as it is unpacked, with its stock configuration: an open engine, or a web server that
# finds its port busy and leaves dpkg half configured. policy-rc.d is the distribution's own switch for that.
_QUIETLY = """set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
dpkg --configure -a
apt="apt-get -y -q -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold"
lists_of_this_hour() {{ [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' -mmin -60 -print -quit)" ]; }}
lists_of_this_hour || $apt update
install="$apt install --no-install-recommends {packages}"
$install || {{ $apt update && $install; }}"""


@convergence
def installed(packages: list[str]) -> Commands:
    """These packages are installed; daemons in them are not started by that."""
    missing = [name for name in packages if observed(host).package(name) is None]
    if not missing:
        host.noop(f"{', '.join(packages)} installed")
        return
    if (observed(host).section("sentinel") or {}).get("installed"):
        expects({"packages": _with_theirs(missing)})
    differs("packages", None, "".join(f"{name}\n" for name in missing))
    yield _QUIETLY.format(packages=" ".join(map(shlex.quote, missing)))


def _with_theirs(missing: list[str]) -> list[str]:
    """Together with what apt would install for them; apt is asked once."""
    known: dict[str, list[str]] = host.connector_data.setdefault("casemate.simulated", {})
    asked = " ".join(map(shlex.quote, missing))
    if asked not in known:
        answer = ask(host, "apt-get", "-s", "-q", "install", "--no-install-recommends", asked)
        named = [line.split()[1] for line in answer.out if line.startswith("Inst ")]
        known[asked] = sorted({*missing, *named})
    return known[asked]
