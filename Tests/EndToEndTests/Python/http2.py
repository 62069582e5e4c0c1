# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 peer below every rule: TLS from Python's `ssl`, frames as bytes, HPACK from `hpack`."""
import argparse
import pathlib
import socket
import ssl
import struct

import hpack
import hyperframe.frame as frames

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x1, 0x4, 0x8, 0x20
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, \
    REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(12)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LIVE = "/inference.GRPCInferenceService/ServerLive"


def parser(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--server", required=True, help="HOST:PORT")
    p.add_argument("--certificates", required=True, type=pathlib.Path)
    p.add_argument("--as", dest="name", default="alice", help="whose certificate")
    return p


def frame(kind, flags=0, stream=0, payload=b""):
    """A frame, whatever its parts."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, ack=False):
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", i, v) for i, v in pairs))


def literal(name, value):
    """A header field in HPACK's plainest form: not indexed, not compressed (RFC 7541 §6.2.2)."""
    def text(t):
        t = t if isinstance(t, bytes) else t.encode()
        n = len(t)
        if n < 127:
            return bytes([n]) + t
        out, n = bytearray([127]), n - 127
        while n >= 128:
            out.append(n & 127 | 128)
            n >>= 7
        return bytes(out + bytes([n])) + t
    return b"\0" + text(name) + text(value)


def call(path=LIVE, without=(), extra=(), **changed):
    """The header block of a gRPC call; `method=None` leaves a pseudo-header out."""
    fields = {":method": "POST", ":scheme": "https", ":path": path, ":authority": "test", "te": "trailers",
              "content-type": "application/grpc"}
    for name, value in changed.items():
        fields[name if name in ("te",) else ":" + name] = value
    block = b"".join(literal(n, v) for n, v in fields.items() if v is not None and n not in without)
    return block + b"".join(literal(n, v) for n, v in extra)


def request(stream, block=None, message=b"", ends=True):
    """A whole unary call."""
    return frame(HEADERS, END_HEADERS, stream, call() if block is None else block) + frame(
        DATA, END_STREAM if ends else 0, stream, b"\0" + struct.pack(">I", len(message)) + message)


class Peer:
    """A connection that says what it is told, and remembers what came."""

    def __init__(self, arguments, preface=True, certificate=True, patience=10, first=()):
        host, port = arguments.server.rsplit(":", 1)
        context = ssl.create_default_context(cafile=str(arguments.certificates / "ca.pem"))
        if certificate:
            context.load_cert_chain(arguments.certificates / f"{arguments.name}.pem",
                                    arguments.certificates / f"{arguments.name}.key")
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(
            socket.create_connection((host, int(port)), timeout=patience), server_hostname=host)
        self.unread = b""
        self.decoder = hpack.Decoder()
        self.is_closed = False
        if preface:
            self.send(PREFACE + settings(*first))

    def send(self, data):
        """False where the server does not take it any more."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def frames(self):
        """Frames until the server closes; settings and pings are answered. Raises TimeoutError."""
        while True:
            while len(self.unread) >= 9:
                parsed, length = frames.Frame.parse_frame_header(memoryview(self.unread[:9]))
                if len(self.unread) < 9 + length:
                    break
                parsed.parse_body(memoryview(self.unread[9:9 + length]))
                self.unread = self.unread[9 + length:]
                if isinstance(parsed, frames.SettingsFrame) and "ACK" not in parsed.flags:
                    self.send(settings(ack=True))
                if isinstance(parsed, frames.PingFrame) and "ACK" not in parsed.flags:
                    self.send(frame(PING, ACK, 0, parsed.opaque_data))
                yield parsed
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise
            except OSError:
                data = b""
            if not data:
                self.is_closed = True
                return
            self.unread += data

    def outcome(self, stream=1):
        """How a stream, or the connection, ended: ('goaway', code), ('reset', code), ('status', headers) or ('closed', None)."""
        headers = {}
        for f in self.frames():
            if isinstance(f, frames.GoAwayFrame) and f.error_code != NO_ERROR:
                return "goaway", f.error_code
            if f.stream_id == stream and isinstance(f, frames.RstStreamFrame) and f.error_code != NO_ERROR:
                return "reset", f.error_code
            if isinstance(f, frames.HeadersFrame):
                decoded = dict(self.decoder.decode(f.data))
                if f.stream_id == stream:
                    headers.update(decoded)
                    if "END_STREAM" in f.flags:
                        return "status", headers
        return "closed", None

    def wait_for_close(self):
        """Reads to the end; the code of the last GOAWAY, or None."""
        code = None
        for f in self.frames():
            if isinstance(f, frames.GoAwayFrame):
                code = f.error_code
        return code

    def close(self):
        self.socket.close()


def is_served(arguments):
    """Whether a client of good will gets its answer."""
    peer = Peer(arguments)
    peer.send(request(1))
    kind, headers = peer.outcome()
    peer.close()
    return kind == "status" and headers.get("grpc-status") == "0"
