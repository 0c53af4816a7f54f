"""Routes and listening sockets, as the kernel writes them."""

import os
import socket

from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.posture.wire import (
    address,
    listeners,
    parse_listeners,
    parse_routes,
    parse_routes6,
    parse_unix,
    routes,
)

ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	01FAA8C0	0003	0	0	0	00000000	0	0	0
eth0	00FAA8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""
NONE = "0" * 32
ROUTES6 = f"""{NONE} 00 {NONE} 00 fd{"0" * 29}1 00000400 00000001 00000000 00000003 eth0
{NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200 lo
fd{"0" * 29}2 80 {NONE} 00 {NONE} 00000000 00000003 00000000 80200001 eth0
"""
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 0200007F:1F91 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0        0 112 1
"""
UNIX = """Num       RefCount Protocol Flags    Type St Inode Path
0000: 00000002 00000000 00010000 0001 01 1 /run/vision/vision.sock
0000: 00000002 00000000 00000000 0001 03 2 /run/connected
0000: 00000002 00000000 00010000 0001 01 3 @abstract name
0000: 00000002 00000000 00010000 0001 01 4
"""


def test_routes_with_their_gateways() -> None:
    assert parse_routes(ROUTES) == [
        {"interface": "eth0", "destination": "0.0.0.0/0", "gateway": "192.168.250.1"},
        {"interface": "eth0", "destination": "192.168.250.0/24", "gateway": "0.0.0.0"},
    ]


def test_routes_of_ipv6_without_the_kernel_s_own() -> None:
    assert parse_routes6(ROUTES6) == [{"interface": "eth0", "destination": "::/0", "gateway": "fd00::1"}]


def test_only_who_listens_is_a_listener() -> None:
    assert parse_listeners(TCP, "tcp") == [{"protocol": "tcp", "address": "127.0.0.1", "port": 8080, "inode": "111"}]


def test_unix_sockets_that_accept() -> None:
    assert parse_unix(UNIX) == ["/run/vision/vision.sock", "@abstract name"]


def test_an_own_listener_is_found_with_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        [found] = [row for row in listeners() if row["port"] == port and row["protocol"] == "tcp"]
    assert (found["address"], found["pid"]) == ("127.0.0.1", os.getpid())
    assert found["process"]
    assert set(found) == {"protocol", "address", "port", "pid", "process"}


def test_this_machine_s_routes_are_read() -> None:
    assert all({"interface", "destination", "gateway"} == set(row) for row in routes())


@given(st.ip_addresses(v=4))
def test_addresses_of_version_4(ip: object) -> None:
    packed = socket.inet_pton(socket.AF_INET, str(ip))
    assert address(packed[::-1].hex()) == str(ip)


@given(st.ip_addresses(v=6))
def test_addresses_of_version_6(ip: object) -> None:
    packed = socket.inet_pton(socket.AF_INET6, str(ip))
    words = b"".join(packed[index : index + 4][::-1] for index in range(0, 16, 4))
    assert address(words.hex()) == socket.inet_ntop(socket.AF_INET6, packed)
