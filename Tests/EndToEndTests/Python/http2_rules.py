# SPDX-License-Identifier: Apache-2.0
"""Each rule of RFC 9113 that a server must enforce: one breach at a time, and what comes back.

    http2_rules.py --server HOST:PORT --certificates DIRECTORY

Every case has a connection of its own. `goaway` ends the connection with that code, `reset` the stream alone; where the
RFC lets a server treat a stream error as a connection error, both are given. After each case a healthy client is served.
"""
import struct
import sys

from http2 import *  # noqa: F403: the vocabulary of this file

GOAWAY_PROTOCOL = {("goaway", PROTOCOL_ERROR)}
GOAWAY_SIZE = {("goaway", FRAME_SIZE_ERROR)}
MALFORMED = {("reset", PROTOCOL_ERROR), ("goaway", PROTOCOL_ERROR)}
CLOSED_STREAM = {("goaway", STREAM_CLOSED), ("reset", STREAM_CLOSED)}
SERVED = "served"
# A server that keeps no list of the streams that were cannot tell a stream that was skipped or reset by the client from one
# that it has itself reset, whose frames may be under way (§5.1); nghttp2 drops their field blocks, and so does this server.
IGNORED = "ignored"
WORD = struct.Struct(">I").pack
OPEN = frame(HEADERS, END_HEADERS, 1, call())
PING8 = b"12345678"

CASES = [
    # Frames (§4)
    ("4.1 a frame of an unknown type is ignored", frame(0xbb, 0xff, 0, b"x") + request(1), SERVED),
    ("4.1 unknown flags are ignored", frame(PING, 0xf0, 0, PING8) + request(1), SERVED),
    ("4.1 the reserved bit of the stream is ignored", frame(PING, 0, 1 << 31, PING8) + request(1), SERVED),
    ("4.2 a frame over the announced size", frame(HEADERS, END_HEADERS, 1, b"x" * (256 * 1024 + 1)), GOAWAY_SIZE),
    ("4.3 a field block that does not decompress", frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
     {("goaway", COMPRESSION_ERROR)}),
    ("4.3 an index that no table has", frame(HEADERS, END_HEADERS, 1, b"\xbf\x80\x01"), {("goaway", COMPRESSION_ERROR)}),
    ("4.3 a table larger than was allowed", frame(HEADERS, END_HEADERS, 1, b"\x3f\xe1\xff\x03" + call()),
     {("goaway", COMPRESSION_ERROR)}),
    # Streams (§5)
    ("5.1 DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), GOAWAY_PROTOCOL),
    ("5.1 RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, WORD(CANCEL)), GOAWAY_PROTOCOL),
    ("5.1 WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, WORD(9)), GOAWAY_PROTOCOL),
    ("5.1 CONTINUATION on an idle stream", frame(CONTINUATION, END_HEADERS, 1, call()), GOAWAY_PROTOCOL),
    ("5.1 DATA behind END_STREAM",
     frame(HEADERS, END_HEADERS | END_STREAM, 1, call(path="/x/Y")) + frame(DATA, 0, 1, b"x"), CLOSED_STREAM),
    ("5.1 HEADERS behind END_STREAM",
     frame(HEADERS, END_HEADERS | END_STREAM, 1, call()) + frame(HEADERS, END_HEADERS | END_STREAM, 1, call()),
     CLOSED_STREAM | GOAWAY_PROTOCOL),
    ("5.1 HEADERS behind RST_STREAM", OPEN + frame(RST_STREAM, 0, 1, WORD(CANCEL)) + OPEN,
     IGNORED),
    ("5.1.1 a stream of an even number", frame(HEADERS, END_HEADERS, 2, call()), GOAWAY_PROTOCOL),
    ("5.1.1 a stream below one that was opened", frame(HEADERS, END_HEADERS, 5, call())
     + frame(HEADERS, END_HEADERS, 3, call()), IGNORED, 3),
    ("5.1.2 more streams than were allowed",
     b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, call()) for i in range(258)),
     {("goaway", PROTOCOL_ERROR), ("reset", REFUSED_STREAM), ("reset", PROTOCOL_ERROR)}, 515),
    # DATA, HEADERS, PRIORITY, RST_STREAM (§6.1-6.4)
    ("6.1 DATA on stream 0", frame(DATA, 0, 0, b"x"), GOAWAY_PROTOCOL),
    ("6.1 padding longer than the frame", OPEN + frame(DATA, PADDED, 1, b"\x09x"), GOAWAY_PROTOCOL),
    ("6.2 HEADERS on stream 0", frame(HEADERS, END_HEADERS, 0, call()), GOAWAY_PROTOCOL),
    ("6.2 padding longer than the frame", frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + b"x"),
     GOAWAY_PROTOCOL | GOAWAY_SIZE),
    ("6.2 padding is taken off", frame(HEADERS, END_HEADERS | PADDED, 1, b"\x03" + call() + b"\0\0\0")
     + frame(DATA, END_STREAM | PADDED, 1, b"\x02" + b"\0" * 5 + b"\0\0"), SERVED),
    ("6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, b"\0" * 5), GOAWAY_PROTOCOL),
    ("6.3 PRIORITY of a wrong length", frame(PRIORITY, 0, 1, b"\0" * 4),
     {("goaway", FRAME_SIZE_ERROR), ("reset", FRAME_SIZE_ERROR)}),
    ("6.4 RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, WORD(CANCEL)), GOAWAY_PROTOCOL),
    ("6.4 RST_STREAM of a wrong length", OPEN + frame(RST_STREAM, 0, 1, b"\0" * 3), GOAWAY_SIZE),
    # SETTINGS (§6.5)
    ("6.5 an acknowledgement with a payload", frame(SETTINGS, ACK, 0, b"\0" * 6), GOAWAY_SIZE),
    ("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1), GOAWAY_PROTOCOL),
    ("6.5 SETTINGS of a wrong length", frame(SETTINGS, 0, 0, b"\0" * 5), GOAWAY_SIZE),
    ("6.5.2 ENABLE_PUSH that is not 0 or 1", settings((2, 2)), GOAWAY_PROTOCOL),
    ("6.5.2 INITIAL_WINDOW_SIZE over 2^31-1", settings((4, 1 << 31)), {("goaway", FLOW_CONTROL_ERROR)}),
    ("6.5.2 MAX_FRAME_SIZE below 16384", settings((5, 16383)), GOAWAY_PROTOCOL),
    ("6.5.2 MAX_FRAME_SIZE over 2^24-1", settings((5, 1 << 24)), GOAWAY_PROTOCOL),
    ("6.5.2 an unknown setting is ignored", settings((0xf000, 7)) + request(1), SERVED),
    # PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION (§6.6-6.10)
    ("6.6 PUSH_PROMISE from a client", OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, WORD(2) + call()), GOAWAY_PROTOCOL),
    ("6.7 PING on a stream", frame(PING, 0, 1, PING8), GOAWAY_PROTOCOL),
    ("6.7 PING of a wrong length", frame(PING, 0, 0, b"1234567"), GOAWAY_SIZE),
    ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, b"\0" * 8), GOAWAY_PROTOCOL),
    ("6.9 an increment of 0 on the connection", frame(WINDOW_UPDATE, 0, 0, WORD(0)), GOAWAY_PROTOCOL),
    ("6.9 an increment of 0 on a stream", OPEN + frame(WINDOW_UPDATE, 0, 1, WORD(0)), MALFORMED),
    ("6.9 WINDOW_UPDATE of a wrong length", frame(WINDOW_UPDATE, 0, 0, b"\0" * 3), GOAWAY_SIZE),
    ("6.9.1 a connection's window over 2^31-1", frame(WINDOW_UPDATE, 0, 0, WORD((1 << 31) - 1)),
     {("goaway", FLOW_CONTROL_ERROR)}),
    ("6.9.1 a stream's window over 2^31-1", OPEN + frame(WINDOW_UPDATE, 0, 1, WORD((1 << 31) - 1)),
     {("reset", FLOW_CONTROL_ERROR), ("goaway", FLOW_CONTROL_ERROR)}),
    ("6.9.2 a setting that carries a window over 2^31-1",
     OPEN + frame(WINDOW_UPDATE, 0, 1, WORD((1 << 30))) + settings((4, (1 << 31) - 1)),
     {("reset", FLOW_CONTROL_ERROR), ("goaway", FLOW_CONTROL_ERROR)}),
    ("6.10 CONTINUATION without a beginning", OPEN + frame(CONTINUATION, END_HEADERS, 1, call()), GOAWAY_PROTOCOL),
    ("6.10 a frame inside of a field block", frame(HEADERS, 0, 1, call()) + frame(PING, 0, 0, PING8), GOAWAY_PROTOCOL),
    ("6.10 CONTINUATION on another stream", frame(HEADERS, 0, 1, call()) + frame(CONTINUATION, END_HEADERS, 3, b""),
     GOAWAY_PROTOCOL),
    ("6.10 a field block in pieces is one", frame(HEADERS, 0, 1, call()[:20]) + frame(CONTINUATION, 0, 1, call()[20:40])
     + frame(CONTINUATION, END_HEADERS, 1, call()[40:]) + frame(DATA, END_STREAM, 1, b"\0" * 5), SERVED),
    # Requests (§8)
    ("8.1 a message with trailers", OPEN + frame(DATA, 0, 1, b"\0" * 5)
     + frame(HEADERS, END_HEADERS | END_STREAM, 1, literal("x", "y")), SERVED),
    ("8.1 a second field block that is no end", OPEN + frame(HEADERS, END_HEADERS, 1, literal("x", "y")), MALFORMED),
    ("8.1 pseudo-fields in trailers", OPEN + frame(DATA, 0, 1, b"\0" * 5)
     + frame(HEADERS, END_HEADERS | END_STREAM, 1, literal(":path", "/x")), MALFORMED),
    ("8.2 a field name in capitals", request(1, call(extra=[("X-A", "b")])), MALFORMED),
    ("8.2.1 a line break in a value", request(1, call(extra=[("x-a", b"b\r\nc: d")])), MALFORMED),
    ("8.2.1 a NUL in a value", request(1, call(extra=[("x-a", b"b\0c")])), MALFORMED),
    ("8.2.1 a colon inside of a name", request(1, call(extra=[("x:a", "b")])), MALFORMED),
    ("8.2.1 an empty field name", request(1, call(extra=[("", "b")])), MALFORMED),
    *((f"8.2.2 the field {name} of a connection", request(1, call(extra=[(name, value)])), MALFORMED)
      for name, value in [("connection", "close"), ("keep-alive", "1"), ("proxy-connection", "x"),
                          ("transfer-encoding", "chunked"), ("upgrade", "h2c")]),
    ("8.2.2 te that is not trailers", request(1, call(te="gzip")), MALFORMED),
    ("8.3 an unknown pseudo-field", request(1, literal(":x", "y") + call()), MALFORMED),
    ("8.3 a pseudo-field behind a field", request(1, call(path=None, extra=[(":path", LIVE)])), MALFORMED),
    ("8.3 a pseudo-field of responses", request(1, literal(":status", "200") + call()), MALFORMED),
    *((f"8.3.1 no :{name}", request(1, call(**{name: None})), MALFORMED) for name in ("method", "scheme", "path")),
    *((f"8.3.1 :{name} twice", request(1, literal(f":{name}", value) + call()), MALFORMED)
      for name, value in [("method", "POST"), ("scheme", "https"), ("path", LIVE), ("authority", "b")]),
    ("8.3.1 an empty :path", request(1, call(path="")), MALFORMED),
    ("8.1.1 content-length that is too long", request(1, call(extra=[("content-length", "6")])), MALFORMED),
    ("8.1.1 content-length that is too short", request(1, call(extra=[("content-length", "4")])), MALFORMED),
    ("8.1.1 content-length twice, unlike",
     request(1, call(extra=[("content-length", "5"), ("content-length", "6")])), MALFORMED),
]


def is_ignored(peer, stream):
    """Whether the connection goes on and nothing was said about the stream."""
    peer.send(frame(PING, 0, 0, PING8))
    for f in peer.frames():
        if f.stream_id == stream or isinstance(f, frames.GoAwayFrame):
            return False
        if isinstance(f, frames.PingFrame) and "ACK" in f.flags:
            return True
    return False


def check(arguments, name, bytes_, expected, stream=1):
    peer = Peer(arguments)
    peer.send(bytes_)
    if expected == IGNORED:
        return None if is_ignored(peer, stream) else f"{name}: expected silence and a connection that goes on"
    try:
        kind, value = peer.outcome(stream)
    except TimeoutError:
        kind, value = "silence", None
    peer.close()
    if expected == SERVED:
        if kind == "status" and value.get("grpc-status") == "0":
            return None
    elif (kind, value) in expected:
        return None
    return f"{name}: expected {expected}, came {(kind, value)}"


def check_preface(arguments):
    """§3.4: what is no preface ends the connection."""
    for bytes_ in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE[:-1] + b"x" + settings(),
                   PREFACE + frame(PING, 0, 0, PING8)):
        peer = Peer(arguments, preface=False)
        peer.send(bytes_)
        try:
            code = peer.wait_for_close()
        except TimeoutError:
            return f"3.4 {bytes_[:20]!r}: the connection stays open"
        if code not in (None, PROTOCOL_ERROR):
            return f"3.4 {bytes_[:20]!r}: expected PROTOCOL_ERROR, came {code}"
    return None


def main():
    arguments = parser(__doc__).parse_args()
    failures = [check_preface(arguments)]
    for case in CASES:
        failures.append(check(arguments, *case))
        if not is_served(arguments):
            failures.append(f"{case[0]}: a healthy client is not served afterwards")
    failures = [f for f in failures if f]
    print(f"{len(CASES) + 1} rules, {len(failures)} broken")
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
