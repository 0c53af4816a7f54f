#!/usr/bin/env bash
# What this machine must bring, by what is to be done on it: prerequisites.sh [python|lab|test], without a word: lab.
#   python  what .venv is made with
#   lab     also a Docker engine, and what root file systems, images and signatures are made with
#   test    also what only tests run
# As root on Debian or Ubuntu this installs what is missing and starts an engine where none answers; otherwise it says
# what to do. It never touches an engine that answers, and is quick (0.1 s) when all is there.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
what=${1:-lab}
python=${PYTHON:-python3}
engine_log=/var/log/casemate-dockerd.log

say() { printf 'casemate: %s\n' "$*" >&2; }
stop() { say "$1"; say "Next: $2"; exit 1; }
there() { command -v "$1" >/dev/null; }
has_systemd() { [[ -d /run/systemd/system ]]; }
can_install() { [[ $EUID == 0 ]] && there apt-get; }

# Sets version (ok or what there is), venv (yes or no) and engine (answers, silent or denied), in one start of Python.
look() {
    read -r version venv engine < <("$python" - 2>/dev/null <<'PROGRAM' || echo absent no silent
import importlib.util, os, socket, sys
version = "ok" if sys.version_info >= (3, 11) else ".".join(map(str, sys.version_info[:3]))
venv = "yes" if importlib.util.find_spec("ensurepip") else "no"
engine = "answers"
if not os.environ.get("DOCKER_HOST"):  # else the operator's own choice, and perhaps not here
    try:
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.settimeout(5)
            daemon.connect("/var/run/docker.sock")
            daemon.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            engine = "answers" if b"200 OK" in daemon.recv(64) else "silent"
    except PermissionError:
        engine = "denied"
    except OSError:
        engine = "silent"
print(version, venv, engine)
PROGRAM
    )
}

# "PROGRAM PACKAGE" pairs: print the packages whose program is not here.
absent() {
    while (($#)); do
        there "${1%% *}" || printf '%s\n' "${1#* }"
        shift
    done
}

missing() {
    absent "$python python3"
    [[ $venv == yes ]] || echo python3-venv
    [[ $what == python ]] && return
    absent "mmdebstrap mmdebstrap" "zstd zstd" "ssh-keygen openssh-client"
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || echo debian-archive-keyring
    [[ $engine != silent ]] || absent "dockerd docker.io" "iptables iptables"
    [[ $what == lab ]] && return
    absent "nginx nginx-light" "openssl openssl" "promtool prometheus" "chromium chromium" \
        "inotifywait inotify-tools" "aide aide" "g++ g++"
    [[ -e /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc ]] || echo fonts-noto-cjk
}

# Installing starts nothing: the engine is started below, and servers that only tests run stay off.
install() {
    local policy=/usr/sbin/policy-rc.d
    say "installing $*"
    if [[ ! -e $policy ]]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 0755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    local log
    log=$(apt-get update -qq 2>&1 && apt-get install -y -qq --no-install-recommends "$@" 2>&1) ||
        stop "apt-get could not install $*:"$'\n'"$(tail -n 8 <<<"$log")" "repair apt, then run this again"
    local server
    for server in nginx prometheus; do
        if has_systemd && [[ " $* " == *" $server"* ]]; then
            systemctl disable --quiet "$server.service"
        fi
    done
}

# An engine that was killed leaves its numbers behind; where another process has them by now, dockerd would not start.
forget_dead_engine() {
    local file
    for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
        [[ -s $file ]] && [[ $(cat "/proc/$(<"$file")/comm" 2>/dev/null) != @(dockerd|containerd) ]] && rm -f "$file"
    done
    return 0
}

start_engine() {
    if has_systemd; then
        say "starting the Docker engine (systemctl enable --now docker)"
        systemctl enable --quiet --now docker.service || true
    else
        say "starting the Docker engine; no systemd runs here, so as a process of its own; its log: $engine_log"
        forget_dead_engine
        setsid dockerd >>"$engine_log" 2>&1 </dev/null &
    fi
    for _ in {1..120}; do
        look
        [[ $engine == answers ]] && return
        sleep 0.5
    done
    stop "the Docker engine did not answer within a minute" \
        "$(has_systemd && echo 'journalctl -u docker' || echo "tail $engine_log")"
}

case $what in python | lab | test) ;; *) say "got '$what', expected python, lab or test"; exit 2 ;; esac

look
mapfile -t packages < <(missing)
if ((${#packages[@]})); then
    can_install || stop "this machine lacks ${packages[*]} (names of Debian packages)" \
        "install them (on Debian or Ubuntu: sudo deploy/lab/prerequisites.sh $what), then run this again"
    install "${packages[@]}"
    look
fi
[[ $version == ok ]] || stop "$python is $version, expected 3.11 or newer" \
    "install a newer one (Ubuntu 22.04: apt-get install python3.11-venv), then: make PYTHON=python3.11 ..."
[[ $what == python || $engine == answers ]] && exit
[[ $engine == silent ]] || stop "the Docker engine does not let $(id -un) in" \
    "sudo usermod -aG docker $(id -un), and log in again; or run this as root"
can_install || stop "no Docker engine answers" "start one (sudo deploy/lab/prerequisites.sh), then run this again"
start_engine
