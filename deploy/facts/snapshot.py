"""What a host looks like, as one JSON line: `python3 - <snapshot.py`, as root, on the host.

Standard library of Python 3.10 only, and one file, because it travels by standard input and leaves nothing behind: that is
why it is longer than two screens. It changes nothing. Each section is read on its own; one that cannot be read is null and
has its reason under "errors", so that nobody mistakes "could not look" for "nothing there". Integers of -1 are "unlimited".
Nothing secret is in it: file content only where everybody on the host may read it, and no secret-looking value of a
container's environment or command line.
"""

import ctypes
import datetime
import functools
import glob
import grp
import hashlib
import http.client
import json
import os
import platform
import pwd
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Json = dict[str, Any]

MAX_CONTENT = 64 * 1024
COMMAND_SECONDS = 10
DOCKER_SOCKET = "/var/run/docker.sock"

CONFIGURATION = (
    "/etc/casemate",
    "/opt/casemate",
    "/etc/docker",
    "/etc/nginx/nginx.conf",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-enabled",
    "/etc/systemd/system/casemate-*",
    "/etc/systemd/system/nginx.service.d",
    "/etc/systemd/system/docker.service.d",
    "/etc/systemd/system/containerd.service.d",
    "/etc/tmpfiles.d/casemate*",
    "/etc/sysusers.d/casemate*",
    "/etc/logrotate.d/casemate*",
    "/etc/sysctl.d/*casemate*",
    "/etc/modules-load.d/*casemate*",
    "/etc/modprobe.d/*casemate*",
    "/etc/apt/sources.list.d",
    "/etc/apt/keyrings",
    "/etc/apt/preferences.d",
)
"""Patterns; a directory stands for all that is in it."""

DATA = ("/var/lib/casemate", "/var/log/casemate", "/run/casemate", "/run/docker.sock", "/run/containerd/containerd.sock")
"""Directories, links and sockets are listed here, files are not: they are data, and there are many."""

CLOSED = ("/var/lib/casemate/models", "/var/lib/casemate/blobs")
"""Directories that are listed but not entered."""

UNITS = ("docker.service", "docker.socket", "containerd.service", "nginx.service", "ssh.service", "nftables.service")
SYSCTLS = (
    "kernel.yama.ptrace_scope",
    "kernel.kptr_restrict",
    "kernel.dmesg_restrict",
    "kernel.unprivileged_bpf_disabled",
    "kernel.randomize_va_space",
    "fs.protected_symlinks",
    "fs.protected_hardlinks",
    "fs.suid_dumpable",
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.all.accept_redirects",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)

_SECRET = r"[A-Za-z0-9_.-]*(?:KEY|TOKEN|SECRET|PASSW|CREDENTIAL)[A-Za-z0-9_.-]*"
_SECRET_VALUE = re.compile(rf"^({_SECRET}=).+", re.IGNORECASE | re.DOTALL)
_SECRET_OPTION = re.compile(rf"^--?{_SECRET}$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@")


# --- small readers ---------------------------------------------------------------------------------------------------


def text(path: str) -> str:
    """A whole file; undecodable bytes are replaced."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def text_or_none(path: str) -> str | None:
    """A whole file, stripped; None when it cannot be read."""
    try:
        return text(path).strip()
    except OSError:
        return None


def output(*argv: str) -> str:
    """Standard output of a command; raises RuntimeError with its last error line when it fails."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"}
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, env=environment, check=False
        )
    except FileNotFoundError:
        raise RuntimeError(f"{argv[0]} is not installed") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(f"{' '.join(argv)}: {lines[-1]}")
    return done.stdout.decode(errors="replace")


def printable(name: str) -> str:
    """A file name as valid text: file systems hold bytes."""
    return name.encode("utf-8", "replace").decode("utf-8", "replace")


def pairs(lines: Iterable[str], separator: str) -> Iterator[tuple[str, str]]:
    """Key and value of each line that has the separator."""
    for line in lines:
        key, found, value = line.partition(separator)
        if found:
            yield key.strip(), value.strip()


# --- the machine -----------------------------------------------------------------------------------------------------


def operating_system() -> Json:
    """Distribution, kernel, and whether systemd runs."""
    release = {key: value.strip("\"'") for key, value in pairs(text("/etc/os-release").splitlines(), "=")}
    kernel = os.uname()
    return {
        "id": release.get("ID", ""),
        "version_id": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "kernel": kernel.release,
        "architecture": kernel.machine,
        "python": platform.python_version(),
        "root": os.geteuid() == 0,
        "systemd": os.path.isdir("/run/systemd/system"),
        "hostname": kernel.nodename,
        "container": os.path.exists("/run/systemd/container") or os.path.exists("/.dockerenv"),
        "apparmor": text_or_none("/sys/module/apparmor/parameters/enabled") == "Y",
    }


def clock_synchronised() -> bool | None:
    """As timedatectl judges: the kernel's largest error is below 16 s. None when the kernel was not readable."""
    try:
        timex = ctypes.create_string_buffer(512)  # struct timex, modes = 0: read only; maxerror (µs) is the fourth long
        if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
            return None
        word = ctypes.sizeof(ctypes.c_long)
        return int.from_bytes(timex.raw[3 * word : 4 * word], "little", signed=True) < 16_000_000
    except (OSError, AttributeError):
        return None


def resources() -> Json:
    """Memory, disks, processors and the clock."""
    memory = {key: int(value.split()[0]) * 1024 for key, value in pairs(text("/proc/meminfo").splitlines(), ":")}
    free, total = {}, {}
    for place in ("/", "/var/lib", "/var/lib/docker", "/var/lib/casemate"):
        if os.path.isdir(place):
            disk = os.statvfs(place)
            free[place], total[place] = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return {
        "memory_bytes": memory["MemTotal"],
        "memory_available_bytes": memory["MemAvailable"],
        "swap_bytes": memory["SwapTotal"],
        "cpus": os.cpu_count(),
        "disk_free_bytes": free,
        "disk_total_bytes": total,
        "time": time.time(),
        "clock_synchronised": clock_synchronised(),
    }


def parse_packages(status: str) -> dict[str, str]:
    """Installed packages of a dpkg status file: name to version."""
    found = {}
    for paragraph in status.split("\n\n"):
        fields = dict(pairs((line for line in paragraph.splitlines() if not line.startswith(" ")), ":"))
        if fields.get("Status", "").split()[-1:] == ["installed"] and "Package" in fields:
            found[fields["Package"]] = fields.get("Version", "")
    return found


def packages() -> dict[str, str]:
    """Installed distribution packages."""
    return parse_packages(text("/var/lib/dpkg/status"))


def users() -> Json:
    """Local users; a directory service is not asked."""
    rows = (line.split(":") for line in text("/etc/passwd").splitlines())
    return {
        row[0]: {"uid": int(row[2]), "gid": int(row[3]), "home": row[5], "shell": row[6]}
        for row in rows
        if len(row) == 7 and row[2].isdigit() and row[3].isdigit()
    }


def groups() -> Json:
    """Local groups with their members."""
    rows = (line.split(":") for line in text("/etc/group").splitlines())
    return {
        row[0]: {"gid": int(row[2]), "members": [member for member in row[3].split(",") if member]}
        for row in rows
        if len(row) == 4 and row[2].isdigit()
    }


def sysctl() -> dict[str, str]:
    """Kernel settings that controls ask for, as far as this kernel has them."""
    values = {name: text_or_none("/proc/sys/" + name.replace(".", "/")) for name in SYSCTLS}
    return {name: value for name, value in values.items() if value is not None}


def modules() -> list[str]:
    """Names of the loaded kernel modules; a kernel without module support has no such file."""
    return sorted(line.split()[0] for line in (text_or_none("/proc/modules") or "").splitlines() if line.split())


# --- files -----------------------------------------------------------------------------------------------------------


def attributes(status: os.stat_result) -> Json:
    """Mode and owner, by name where it has one."""
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return {"mode": f"{stat.S_IMODE(status.st_mode):04o}", "owner": owner, "group": group}


def regular(path: str, status: os.stat_result) -> Json:
    """One file: hash and attributes; content if everybody may read it, and it is text and short."""
    with open(path, "rb") as file:
        head = file.read(MAX_CONTENT + 1)
        digest = hashlib.sha256(head)
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    content = None
    if status.st_mode & stat.S_IROTH and len(head) <= MAX_CONTENT and b"\0" not in head:
        try:
            content = head.decode("utf-8")
        except UnicodeDecodeError:
            content = None
    known = {"sha256": digest.hexdigest(), "size": status.st_size, "ctime": status.st_ctime}
    return {**known, **attributes(status), "content": content, "target": None}


def walk(patterns: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    """All that the patterns name, directories with what is in them; links are not followed, what vanishes is left out."""
    waiting = [path for pattern in reversed(patterns) for path in sorted(glob.glob(pattern), reverse=True)]
    while waiting:
        path = waiting.pop()
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode) and path not in CLOSED:
                waiting += sorted((entry.path for entry in os.scandir(path)), reverse=True)
        except OSError:
            continue
        yield path, status


def link(path: str, status: os.stat_result) -> Json:
    """One symbolic link."""
    known = {"sha256": None, "size": status.st_size, "ctime": status.st_ctime, "content": None}
    return {**known, **attributes(status), "target": printable(os.readlink(path))}


def files() -> Json:
    """Regular files of the configuration, and all symbolic links."""
    found = {}
    for patterns, wants_regular in ((CONFIGURATION, True), (DATA, False)):
        for path, status in walk(patterns):
            try:
                if stat.S_ISLNK(status.st_mode):
                    found[printable(path)] = link(path, status)
                elif stat.S_ISREG(status.st_mode) and wants_regular:
                    found[printable(path)] = regular(path, status)
            except FileNotFoundError:
                continue
    return found


def of_kind(is_kind: Callable[[int], bool]) -> Json:
    """Attributes of everything of one kind in all places."""
    found = walk((*CONFIGURATION, *DATA))
    return {printable(path): attributes(status) for path, status in found if is_kind(status.st_mode)}


def directories() -> Json:
    """Directories of the configuration and the data."""
    return of_kind(stat.S_ISDIR)


def sockets() -> Json:
    """UNIX sockets in our places, and the engine's."""
    return of_kind(stat.S_ISSOCK)


def parse_certificates(pem: str) -> str:
    """Only the certificates of a PEM file: a key in the same file stays behind."""
    found = re.findall(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----", pem)
    return "".join(f"{certificate}\n" for certificate in found)


def certificates() -> Json:
    """Public certificates of the proxy."""
    found = {path: parse_certificates(text(path)) for path in sorted(glob.glob("/etc/casemate/proxy/*.pem"))}
    return {printable(path): {"pem": pem} for path, pem in found.items() if pem}


# --- systemd ---------------------------------------------------------------------------------------------------------

_UNIT_PROPERTIES = (
    "Id,Names,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,StateChangeTimestamp,FragmentPath,"
    "DropInPaths,NRestarts,Result"
)


def parse_time(stamp: str) -> float | None:
    """`Mon 2026-11-23 07:04:41.123456 UTC` as seconds since 1970; None for "never"."""
    parts = stamp.split()
    if len(parts) != 4:
        return None
    moment = datetime.datetime.fromisoformat(f"{parts[1]} {parts[2]}+00:00")
    return moment.timestamp()


def parse_units(shown: str) -> Json:
    """The paragraphs of `systemctl show`; a unit is found under each of its names."""
    found: Json = {}
    for paragraph in shown.split("\n\n"):
        fields = dict(pairs(paragraph.splitlines(), "="))
        if "Id" not in fields:
            continue
        unit = {
            "load": fields.get("LoadState", ""),
            "active": fields.get("ActiveState", ""),
            "sub": fields.get("SubState", ""),
            "enabled": fields.get("UnitFileState", ""),
            "needs_reload": fields.get("NeedDaemonReload") == "yes",
            "main_pid": int(fields.get("MainPID") or 0),
            "changed": parse_time(fields.get("StateChangeTimestamp", "")) or 0.0,
            "fragment": fields.get("FragmentPath", ""),
            "drop_ins": fields.get("DropInPaths", "").split(),
            "restarts": int(fields.get("NRestarts") or 0),
            "result": fields.get("Result", ""),
        }
        for name in {fields["Id"], *fields.get("Names", "").split()}:
            found[name] = unit
    return found


def units() -> Json:
    """Our units and the daemons', by one call. Microseconds, because a file may be written in the second of a restart."""
    own = {os.path.basename(path) for path in glob.glob("/etc/systemd/system/casemate-*.*") if not path.endswith(".d")}
    names = sorted({*UNITS, *own})
    return parse_units(output("systemctl", "show", "--timestamp=us+utc", f"--property={_UNIT_PROPERTIES}", "--", *names))


# --- docker ----------------------------------------------------------------------------------------------------------


class _Engine(http.client.HTTPConnection):
    """HTTP over the engine's UNIX socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)

    def ask(self, path: str) -> Any:
        """The answer's JSON; raises RuntimeError for any status but 200."""
        self.request("GET", path, headers={"Host": "docker"})
        answer = self.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:200].decode(errors='replace').strip()}")
        return json.loads(body)

    def ask_existing(self, path: str) -> Any:
        """The same; None when the thing went away since it was listed."""
        try:
            return self.ask(path)
        except RuntimeError as error:
            if f"GET {path}: 404" in str(error):
                return None
            raise


def redacted(value: Any) -> Any:
    """The same JSON without values that look secret: NAME=value, `--name value`, and passwords in URLs."""
    if isinstance(value, dict):
        return {key: redacted(part) for key, part in value.items()}
    if isinstance(value, list):
        parts = [redacted(part) for part in value]
        for index, option in enumerate(value[:-1]):
            if isinstance(option, str) and _SECRET_OPTION.match(option) and isinstance(value[index + 1], str):
                parts[index + 1] = "<redacted>"
        return parts
    if isinstance(value, str):
        return _URL_PASSWORD.sub("<redacted>@", _SECRET_VALUE.sub(r"\1<redacted>", value))
    return value


def image(found: Json) -> Json:
    """What matters of an image's inspect."""
    configuration = found.get("Config") or {}
    return {
        "tags": found.get("RepoTags") or [],
        "digests": found.get("RepoDigests") or [],
        "labels": configuration.get("Labels") or {},
        "layers": (found.get("RootFS") or {}).get("Layers") or [],
        "created": found.get("Created"),
        "size": found.get("Size"),
        "user": configuration.get("User", ""),
        "environment": redacted(configuration.get("Env") or []),
        "command": redacted(configuration.get("Cmd") or []),
        "entrypoint": redacted(configuration.get("Entrypoint") or []),
        "architecture": found.get("Architecture"),
    }


def ask_docker(engine: _Engine) -> Json:
    """Everything about the engine that answers on this connection."""
    listed = {kind: engine.ask(path) for kind, path in _DOCKER_LISTS.items()}
    networks = [engine.ask_existing(f"/networks/{row['Id']}") for row in listed["networks"]]
    containers = [engine.ask_existing(f"/containers/{row['Id']}/json") for row in listed["containers"]]
    images = [engine.ask_existing(f"/images/{row['Id']}/json") for row in listed["images"]]
    return {
        "version": engine.ask("/version"),
        "info": redacted(engine.ask("/info")),
        "networks": {row["Name"]: row for row in networks if row},
        "containers": {row["Name"].lstrip("/"): redacted(row) for row in containers if row},
        "images": {row["Id"]: image(row) for row in images if row},
    }


_DOCKER_LISTS = {"networks": "/networks", "containers": "/containers/json?all=1", "images": "/images/json"}


def docker(units: Json | None) -> Json:
    """The engine, asked over its socket, and judged by status codes: a dead engine is not an empty one."""
    if not shutil.which("dockerd", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"):
        return {"installed": False}
    state = ((units or {}).get("docker.service") or {"active": "active"})["active"]
    if state not in ("active", "reloading"):
        # To connect would start it: docker.socket activates the service, and looking must change nothing.
        return {"installed": True, "reachable": False, "error": f"docker.service is {state}"}
    engine = _Engine(DOCKER_SOCKET, timeout=COMMAND_SECONDS)
    try:
        return {"installed": True, "reachable": True, "error": None, **ask_docker(engine)}
    except (OSError, http.client.HTTPException, RuntimeError, ValueError, LookupError, TypeError) as error:
        return {"installed": True, "reachable": False, "error": reason(error)}
    finally:
        engine.close()


# --- the firewall ----------------------------------------------------------------------------------------------------

_VERDICTS = ("accept", "drop", "reject", "return", "continue", "queue", "jump", "goto", "masquerade")
_REMARKS = ("counter", "log", "comment")


def matched(left: Any) -> str:
    """The name of what a match looks at: iifname, ct_state, tcp_dport, or the kinds of words in it."""
    if isinstance(left, dict) and len(left) == 1:
        ((kind, what),) = left.items()
        if isinstance(what, dict):
            if kind == "meta":
                return str(what.get("key"))
            if kind == "ct":
                return f"ct_{what.get('key')}"
            if kind == "payload":
                return f"{what.get('protocol')}_{what.get('field')}"
        return str(kind)
    return "expression"


def simplified(rule: Json) -> Json:
    """One rule as {name matched: value, "matches": [names], "verdict": word, "expr": what nft said}.

    "matches" names every condition, also those not understood here: a rule that drops "iifname csm0 and tcp dport 22" has
    two, and is never taken for one that drops all of csm0. A negated value is {"not": value}.
    """
    found: Json = {"matches": [], "verdict": None}
    expressions = rule.get("expr") if isinstance(rule.get("expr"), list) else []
    for expression in expressions or []:
        ((kind, what),) = expression.items() if isinstance(expression, dict) and len(expression) == 1 else (("?", None),)
        if kind == "match" and isinstance(what, dict):
            name, right = matched(what.get("left")), what.get("right")
            value = right["set"] if isinstance(right, dict) and "set" in right else right
            found["matches"].append(name)
            found[name] = {"not": value} if what.get("op") == "!=" else value
        elif kind in _VERDICTS:
            found["verdict"] = kind
            if isinstance(what, dict) and "target" in what:
                found["target"] = what["target"]
        elif kind not in _REMARKS:
            found["matches"].append(str(kind))
    return {**found, "expr": expressions}


def parse_rules(listed: Json) -> Json:
    """`nft -j list ruleset` as {"family table": {chain: [rules in their order]}}."""
    tables: Json = {}
    for item in listed.get("nftables", []):
        chain, rule = item.get("chain"), item.get("rule")
        if "table" in item:
            tables.setdefault(f"{item['table']['family']} {item['table']['name']}", {})
        elif chain:
            tables.setdefault(f"{chain['family']} {chain['table']}", {}).setdefault(chain["name"], [])
        elif rule:
            table = tables.setdefault(f"{rule['family']} {rule['table']}", {})
            table.setdefault(rule["chain"], []).append(simplified(rule))
    return tables


def parse_chains(listed: Json) -> Json:
    """`nft -j list ruleset` as {"family table": {chain: {"hook", "type", "policy", "priority"}}}; null where no base chain."""
    tables: Json = {}
    for chain in (item["chain"] for item in listed.get("nftables", []) if "chain" in item):
        known = {key: chain.get(key) for key in ("hook", "type", "policy")}
        tables.setdefault(f"{chain['family']} {chain['table']}", {})[chain["name"]] = {**known, "priority": chain.get("prio")}
    return tables


@functools.lru_cache(maxsize=1)
def ruleset() -> Json:
    """All nftables rules, as nft says them."""
    return dict(json.loads(output("nft", "-j", "list", "ruleset")))


# --- what runs, by /proc ---------------------------------------------------------------------------------------------

_STATUS = ("Name", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Threads")
_NAMESPACES = ("net", "pid", "ipc", "mnt", "uts", "user", "cgroup")
_UNLIMITED = 1 << 62


def parse_status(status: str) -> dict[str, str]:
    """The lines of /proc/PID/status that say what a process may do, as they stand there."""
    return {key: " ".join(value.split()) for key, value in pairs(status.splitlines(), ":") if key in _STATUS}


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


def parse_limits(limits: str) -> Json:
    """/proc/PID/limits as {"open_files": {"soft": 1024, "hard": -1}}."""
    found = {}
    for name, soft, hard in re.findall(r"^Max (.+?)\s{2,}(\S+)\s+(\S+)", limits, re.MULTILINE):
        found[name.replace(" ", "_")] = {"soft": limit(soft), "hard": limit(hard)}
    return found


def limit(word: str) -> int:
    """A limit of the kernel's; -1 when there is none. Version 1 of control groups writes "none" as a huge number."""
    return -1 if word in ("max", "unlimited") or int(word) >= _UNLIMITED or int(word) < 0 else int(word)


def parse_routes(routes: str) -> list[Json]:
    """/proc/PID/net/route: {"interface", "destination": "0.0.0.0/0", "gateway"}."""
    found = []
    for row in (line.split() for line in routes.splitlines()[1:]):
        if len(row) >= 8:
            destination, gateway, mask = (address(row[index]) for index in (1, 2, 7))
            prefix = bin(int(row[7], 16)).count("1")
            found.append({"interface": row[0], "destination": f"{destination}/{prefix}", "gateway": gateway, "mask": mask})
    return found


def parse_routes6(routes: str) -> list[Json]:
    """/proc/PID/net/ipv6_route without what the kernel keeps for itself (loopback, local and unreachable entries)."""
    found = []
    for row in (line.split() for line in routes.splitlines()):
        if len(row) >= 10 and row[9] != "lo" and not int(row[8], 16) & 0x80200200:
            destination = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0]))
            gateway = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[4]))
            found.append({"interface": row[9], "destination": f"{destination}/{int(row[1], 16)}", "gateway": gateway})
    return found


def address(word: str) -> str:
    """An address as /proc/net writes it: 32-bit words in the machine's byte order."""
    words = [int(word[index : index + 8], 16).to_bytes(4, "little") for index in range(0, len(word), 8)]
    packed = b"".join(words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def parse_listeners(table: str, protocol: str) -> list[Json]:
    """Sockets that wait for somebody in one of /proc/net's tables: TCP in LISTEN, UDP bound and not connected."""
    found = []
    waiting = "0A" if protocol.startswith("tcp") else "07"
    for row in (line.split() for line in table.splitlines()[1:]):
        if len(row) >= 10 and row[3] == waiting and ":" in row[1]:
            ip, port = row[1].split(":")
            found.append({"protocol": protocol, "address": address(ip), "port": int(port, 16), "inode": row[9]})
    return found


def listeners_of(pid: int | str) -> list[Json]:
    """Sockets that wait for somebody in a process's network namespace."""
    found = []
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        table = text_or_none(f"/proc/{pid}/net/{protocol}")
        found += parse_listeners(table or "", protocol)
    return found


def parse_unix(table: str) -> list[str]:
    """Paths of the UNIX sockets that accept connections, from /proc/PID/net/unix; abstract ones begin with @."""
    rows = (line.split(None, 7) for line in table.splitlines()[1:])
    return sorted({row[7] for row in rows if len(row) == 8 and int(row[3], 16) & 0x10000})


def socket_owners(inodes: set[str]) -> Json:
    """Which process holds these sockets: {inode: {"pid", "process"}}."""
    owners: Json = {}
    for directory in glob.iglob("/proc/[0-9]*/fd"):
        if len(owners) == len(inodes):
            break
        pid = directory.split("/")[2]
        try:
            held = [os.readlink(entry.path) for entry in os.scandir(directory)]
        except OSError:
            continue
        for name in held:
            if name.startswith("socket:[") and name[8:-1] in inodes:
                owners.setdefault(name[8:-1], {"pid": int(pid), "process": text_or_none(f"/proc/{pid}/comm") or ""})
    return owners


def listeners() -> list[Json]:
    """Sockets of the host that wait for somebody, with the process that holds each."""
    found = listeners_of("self")
    owners = socket_owners({row["inode"] for row in found})
    nobody = {"pid": None, "process": None}
    return [{**{k: v for k, v in row.items() if k != "inode"}, **owners.get(row["inode"], nobody)} for row in found]


def parse_cgroup(membership: str) -> dict[str, str]:
    """/proc/PID/cgroup as {controller: path}; version 2's one path is under ""."""
    rows = [line.split(":", 2) for line in membership.splitlines()]
    return {name: row[2] for row in rows if len(row) == 3 for name in row[1].split(",")}


def cgroup_directory(controller: str, membership: dict[str, str], mounts: list[Json]) -> str | None:
    """Where the limits of a controller stand, of version 1 if it is there, else of version 2."""
    for name, fits in ((controller, lambda m: m["fstype"] == "cgroup" and controller in m["super_options"]), ("", lambda m: m["fstype"] == "cgroup2")):
        for mount in mounts:
            if name in membership and fits(mount):
                inside = membership[name]
                if mount["root"] != "/" and inside.startswith(mount["root"]):
                    inside = inside[len(mount["root"]) :]
                found = f"{mount['target']}/{inside.strip('/')}"
                if os.path.isdir(found):
                    return found
    return None


def cgroup(pid: int) -> Json:
    """Limits that hold now: {"memory_bytes", "swap_bytes", "pids", "cpus"}; one that could not be read is left out."""
    membership, mounts = parse_cgroup(text(f"/proc/{pid}/cgroup")), parse_mounts(text("/proc/self/mountinfo"))
    places = {name: cgroup_directory(name, membership, mounts) for name in ("memory", "pids", "cpu")}

    def word(controller: str, name: str) -> str | None:
        return text_or_none(f"{places[controller]}/{name}") if places[controller] else None

    found: Json = {}
    memory = word("memory", "memory.max") or word("memory", "memory.limit_in_bytes")
    swap, both = word("memory", "memory.swap.max"), word("memory", "memory.memsw.limit_in_bytes")
    pids = word("pids", "pids.max")
    processors = parse_processors(
        word("cpu", "cpu.max") or f"{word('cpu', 'cpu.cfs_quota_us')} {word('cpu', 'cpu.cfs_period_us')}"
    )
    if memory:
        found["memory_bytes"] = limit(memory)
    if swap:
        found["swap_bytes"] = limit(swap)
    elif memory and both:
        found["swap_bytes"] = -1 if limit(both) < 0 else limit(both) - limit(memory)
    if pids:
        found["pids"] = limit(pids)
    return {**found, **({} if processors is None else {"cpus": processors})}


def parse_processors(words: str) -> float | None:
    """`200000 100000` is 2.0 processors, `max 100000` and `-1 100000` are -1; None when there is nothing to read."""
    quota, _, period = words.partition(" ")
    if not period.isdigit() or int(period) == 0 or quota == "None":
        return None
    return -1.0 if limit(quota) < 0 else int(quota) / int(period)


def same_namespaces(pid: int) -> Json:
    """For each kind of namespace whether the process shares the host's."""
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/1/ns/{name}") for name in _NAMESPACES}


def process(pid: int, resolver: str) -> Json:
    """What one container's first process may do, from the kernel's own files."""
    at = f"/proc/{pid}"
    nameservers = re.findall(r"^nameserver\s+(\S+)", text_or_none(resolver) or "", re.MULTILINE) if resolver else None
    interfaces = [line.split(":")[0].strip() for line in text(f"{at}/net/dev").splitlines()[2:]]
    return {
        "pid": pid,
        "status": parse_status(text(f"{at}/status")),
        "mounts": parse_mounts(text(f"{at}/mountinfo")),
        "cgroup": cgroup(pid),
        "interfaces": sorted(interfaces),
        "routes": parse_routes(text(f"{at}/net/route")) + parse_routes6(text_or_none(f"{at}/net/ipv6_route") or ""),
        "ipv6": sorted(line.split()[-1] for line in (text_or_none(f"{at}/net/if_inet6") or "").splitlines()),
        "listeners": [{k: v for k, v in row.items() if k != "inode"} for row in listeners_of(pid)],
        "unix_listeners": parse_unix(text_or_none(f"{at}/net/unix") or ""),
        "limits": parse_limits(text(f"{at}/limits")),
        "namespaces": same_namespaces(pid),
        "apparmor": text_or_none(f"{at}/attr/apparmor/current") or text_or_none(f"{at}/attr/current"),
        "nameservers": nameservers,
    }


def processes(docker: Json | None) -> Json | None:
    """The first process of every running container; None as a value where it could not be read, with "why" beside it."""
    if docker is None or docker.get("installed") and not docker.get("reachable"):
        raise RuntimeError(f"the engine did not answer: {(docker or {}).get('error')}")
    found: Json = {}
    for name, container in docker.get("containers", {}).items():
        pid = (container.get("State") or {}).get("Pid") or 0
        if pid > 0:
            try:
                found[name] = process(pid, container.get("ResolvConfPath") or "")
            except (OSError, ValueError, LookupError) as error:
                found[name] = {"pid": pid, "error": reason(error)}
    return found


def sshd() -> Json:
    """What `sshd -T` would use; a keyword that may stand several times is a list."""
    found: Json = {}
    for key, value in pairs(output("sshd", "-T").splitlines(), " "):
        found.setdefault(key.lower(), []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


# --- casemate's own --------------------------------------------------------------------------------------------------


def release() -> Json:
    """What the release program noted, and what lies half sent: {"state": JSON or null, "incoming": {name: bytes}}."""
    try:
        state = json.loads(text("/var/lib/casemate/releases/state.json"))
    except FileNotFoundError:
        state = None
    incoming = {}
    for path, status in walk(("/var/lib/casemate/incoming",)):
        if stat.S_ISREG(status.st_mode):
            incoming[printable(os.path.relpath(path, "/var/lib/casemate/incoming"))] = status.st_size
    return {"state": state, "incoming": incoming}


def lock() -> Json | None:
    """Who holds the deploy lock; null when nobody does."""
    content = text_or_none("/run/casemate/deploy.lock")
    if not content:
        return None
    try:
        held = json.loads(content)
    except ValueError:
        held = content
    return held if isinstance(held, dict) else {"holder": str(held)}


# --- all of it -------------------------------------------------------------------------------------------------------


def reason(error: BaseException) -> str:
    """One line for the operator."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def gather(sections: dict[str, Callable[[Json], Any]]) -> Json:
    """Every section in its order; a reader gets those before it. One that fails is null, its reason is in "errors"."""
    found: Json = {}
    errors: dict[str, str] = {}
    for name, read in sections.items():
        try:
            found[name] = read(found)
        except Exception as error:  # whatever it is: the other sections are still wanted
            found[name] = None
            errors[name] = reason(error)
    return {**found, "errors": errors}


SECTIONS: dict[str, Callable[[Json], Any]] = {
    "os": lambda _: operating_system(),
    "resources": lambda _: resources(),
    "packages": lambda _: packages(),
    "users": lambda _: users(),
    "groups": lambda _: groups(),
    "files": lambda _: files(),
    "directories": lambda _: directories(),
    "sockets": lambda _: sockets(),
    "units": lambda _: units(),
    "docker": lambda found: docker(found["units"]),
    "nft": lambda _: parse_rules(ruleset()),
    "nft_chains": lambda _: parse_chains(ruleset()),
    "processes": lambda found: processes(found["docker"]),
    "listeners": lambda _: listeners(),
    "sysctl": lambda _: sysctl(),
    "modules": lambda _: modules(),
    "sshd": lambda _: sshd(),
    "release": lambda _: release(),
    "certificates": lambda _: certificates(),
    "lock": lambda _: lock(),
}


def main() -> None:
    """Print the snapshot as one line."""
    began = time.monotonic()
    found = gather(SECTIONS)
    print(json.dumps({"schema": 1, **found, "seconds": round(time.monotonic() - began, 3)}))


if __name__ == "__main__":
    main()
