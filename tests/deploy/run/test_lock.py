"""The deploy lock over a real SSH connection, of an operator whose every heartbeat falls on the end of a run."""

import subprocess
import sys

from deploy.paths import ROOT

RUN = """
import deploy.cli  # as casemate starts: greenlets, paramiko's among them
import os, socket, threading, time
from types import SimpleNamespace
import paramiko
from deploy.run import lock

HEARD = []

class Host(paramiko.ServerInterface):
    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL
    def check_channel_request(self, kind, number):
        return paramiko.OPEN_SUCCEEDED
    def check_channel_exec_request(self, channel, command):
        threading.Thread(target=shell, args=[channel], daemon=True).start()
        return True

def shell(channel):
    channel.sendall(b"locked\\n")
    while heard := channel.recv(1000):
        HEARD.append(heard)
    time.sleep(0.3)  # a busy host: its shell has been told, and has not ended yet
    channel.send_exit_status(0)
    channel.close()

ours, theirs = socket.socketpair()
server = paramiko.Transport(theirs)
server.add_server_key(paramiko.RSAKey.generate(2048))
server.start_server(threading.Event(), Host())  # whoever gives an event does not wait here
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("host", sock=ours, username="ops", password="any", allow_agent=False, look_for_keys=False)

lock.raw = lambda *_: "hold"
lock.HEARTBEAT_SECONDS = 0.01
host = SimpleNamespace(name="gpu1", data={}, connector=SimpleNamespace(client=client), connector_data={})
lock.hold(host, "run")
assert lock.held(host)
while len(b"".join(HEARD)) < 3:
    time.sleep(0.01)
lock.release(host)
assert not lock.held(host)
print("released", flush=True)
os._exit(0)
"""


def test_a_heartbeat_at_the_moment_of_release_does_not_hold_up_the_run_for_ever() -> None:
    """`sendall` of a paramiko channel whose end was sent spins: a run of 15.0 s never ended."""
    done = subprocess.run([sys.executable, "-c", RUN], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "released\n"), done.stderr
