# SPDX-License-Identifier: Apache-2.0
"""gRPC's interoperability cases as its doc/interop-test-descriptions.md has them, by grpcio.

    interop.py PORT CA CERTIFICATE KEY

Prints the outcome of each case as JSON. Whether a response was compressed grpcio does not tell: the C++ client
looks at that.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PORT, *FILES = sys.argv[1:]
ROOT = pathlib.Path(__file__).resolve().parents[3]


def messages():
    """The classes of grpc.testing, of the same .proto files that the server was made of."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            ["protoc", "-I", ROOT / "proto", "--include_imports", f"--descriptor_set_out={file.name}",
             "grpc/testing/test.proto"], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for each in files.file:
        pool.Add(each)
    return message_factory.GetMessageClassesForFiles([each.name for each in files.file], pool)


M = {name.removeprefix("grpc.testing."): cls for name, cls in messages().items()}
Empty, Bool, Payload, Echo = M["Empty"], M["BoolValue"], M["Payload"], M["EchoStatus"]
Simple, SimpleResponse = M["SimpleRequest"], M["SimpleResponse"]
Input, InputResponse = M["StreamingInputCallRequest"], M["StreamingInputCallResponse"]
Output, OutputResponse = M["StreamingOutputCallRequest"], M["StreamingOutputCallResponse"]
Parameters = M["ResponseParameters"]

authority, certificate, key = (pathlib.Path(f).read_bytes() for f in FILES)
channel = grpc.secure_channel(
    f"localhost:{PORT}", grpc.ssl_channel_credentials(authority, key, certificate))


def method(kind, name, request, response, service="TestService"):
    return getattr(channel, kind)(
        f"/grpc.testing.{service}/{name}", request_serializer=request.SerializeToString,
        response_deserializer=response.FromString)


empty_call = method("unary_unary", "EmptyCall", Empty, Empty)
unary_call = method("unary_unary", "UnaryCall", Simple, SimpleResponse)
streaming_output = method("unary_stream", "StreamingOutputCall", Output, OutputResponse)
streaming_input = method("stream_unary", "StreamingInputCall", Input, InputResponse)
full_duplex = method("stream_stream", "FullDuplexCall", Output, OutputResponse)
half_duplex = method("stream_stream", "HalfDuplexCall", Output, OutputResponse)

REQUEST_SIZES, RESPONSE_SIZES = [27182, 8, 1828, 45904], [31415, 9, 2653, 58979]
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def payload(size):
    return Payload(body=bytes(size))


def check(condition, *what):
    if not condition:
        raise AssertionError(*what)


def fails(code, call, details=None):
    try:
        result = call()
        if hasattr(result, "__iter__"):
            list(result)
    except grpc.RpcError as error:
        check(error.code() == code, f"{code} was expected, came {error.code()}: {error.details()}")
        check(details is None or error.details() == details, f"details: {error.details()!r}")
        return error
    raise AssertionError(f"{code} was expected, the call succeeded")


def sizes(responses):
    return [len(r.payload.body) for r in responses]


def empty_unary():
    check(empty_call(Empty(), timeout=20) == Empty())


def large_unary():
    r = unary_call(Simple(response_size=314159, payload=payload(271828)), timeout=20)
    check(r.payload.body == bytes(314159))


def client_streaming():
    r = streaming_input(iter([Input(payload=payload(s)) for s in REQUEST_SIZES]), timeout=20)
    check(r.aggregated_payload_size == 74922)


def server_streaming():
    request = Output(response_parameters=[Parameters(size=s) for s in RESPONSE_SIZES])
    check(sizes(streaming_output(request, timeout=20)) == RESPONSE_SIZES)


class Pipe:
    """Requests that are sent one by one."""

    def __init__(self):
        self.items, self.ready, self.closed = [], threading.Condition(), False

    def put(self, item):
        with self.ready:
            self.items.append(item)
            self.ready.notify()

    def close(self):
        with self.ready:
            self.closed = True
            self.ready.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.ready:
            self.ready.wait_for(lambda: self.items or self.closed)
            if self.items:
                return self.items.pop(0)
            raise StopIteration


def turn(request_size, response_size):
    return Output(
        response_parameters=[Parameters(size=response_size)], payload=payload(request_size))


def ping_pong():
    pipe = Pipe()
    call = full_duplex(pipe, timeout=20)
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        pipe.put(turn(request_size, response_size))
        check(len(next(call).payload.body) == response_size)
    pipe.close()
    check(list(call) == [])


def half_duplex_streaming():
    requests = [turn(*s) for s in zip(REQUEST_SIZES, RESPONSE_SIZES)]
    check(sizes(half_duplex(iter(requests), timeout=20)) == RESPONSE_SIZES)


def empty_stream():
    check(list(full_duplex(iter([]), timeout=20)) == [])


def timeout_on_sleeping_server():
    pipe = Pipe()
    pipe.put(Output(payload=payload(27182)))
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: full_duplex(pipe, timeout=0.2))
    pipe.close()


def status(message, calls=("unary", "duplex")):
    echo = Echo(code=2, message=message)
    if "unary" in calls:
        fails(grpc.StatusCode.UNKNOWN,
              lambda: unary_call(Simple(response_status=echo), timeout=20), message)
    if "duplex" in calls:
        fails(grpc.StatusCode.UNKNOWN,
              lambda: full_duplex(iter([Output(response_status=echo)]), timeout=20), message)


def status_code_and_message():
    status("test status method")


def special_status_message():
    status("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n", ("unary",))


def unimplemented_method():
    call = method("unary_unary", "UnimplementedCall", Empty, Empty)
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: call(Empty(), timeout=20))


def unimplemented_service():
    call = method("unary_unary", "UnimplementedCall", Empty, Empty, "UnimplementedService")
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: call(Empty(), timeout=20))


def custom_metadata():
    initial, trailing = "test_initial_metadata_value", b"\x0a\x0b\x0a\x0b\x0a\x0b"
    metadata = ((INITIAL, initial), (TRAILING, trailing))
    _, call = unary_call.with_call(
        Simple(response_size=314159, payload=payload(271828)), timeout=20, metadata=metadata)
    duplex = full_duplex(iter([turn(271828, 314159)]), timeout=20, metadata=metadata)
    list(duplex)
    for each in (call, duplex):
        check(dict(each.initial_metadata()).get(INITIAL) == initial, each.initial_metadata())
        check(dict(each.trailing_metadata()).get(TRAILING) == trailing, each.trailing_metadata())


def cancel_after_begin():
    pipe = Pipe()
    call = streaming_input.future(pipe, timeout=20)
    call.cancel()
    pipe.close()
    check(call.cancelled() and call.code() == grpc.StatusCode.CANCELLED, call.code())


def cancel_after_first_response():
    pipe = Pipe()
    call = full_duplex(pipe, timeout=20)
    pipe.put(turn(27182, 31415))
    check(len(next(call).payload.body) == 31415)
    call.cancel()
    fails(grpc.StatusCode.CANCELLED, lambda: call)
    pipe.close()


GZIP, DEFLATE = grpc.Compression.Gzip, grpc.Compression.Deflate


def client_compressed_unary():
    def request(compressed):
        return Simple(expect_compressed=Bool(value=compressed), response_size=314159,
                      payload=payload(271828))

    # Does the server look? An uncompressed message that claims to be compressed is refused.
    fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: unary_call(request(True), timeout=20))
    for algorithm in (GZIP, DEFLATE):
        r = unary_call(request(True), timeout=20, compression=algorithm)
        check(r.payload.body == bytes(314159))
    r = unary_call(request(False), timeout=20)
    check(r.payload.body == bytes(314159))


def server_compressed_unary():
    for compressed in (True, False):
        request = Simple(response_compressed=Bool(value=compressed), response_size=314159,
                         payload=payload(271828))
        check(unary_call(request, timeout=20).payload.body == bytes(314159))


def client_compressed_streaming():
    def request(compressed, size):
        return Input(expect_compressed=Bool(value=compressed), payload=payload(size))

    fails(grpc.StatusCode.INVALID_ARGUMENT,
          lambda: streaming_input(iter([request(True, 27182)]), timeout=20))
    r = streaming_input(
        iter([request(True, 27182), request(True, 45904)]), timeout=20, compression=GZIP)
    check(r.aggregated_payload_size == 73086)


def server_compressed_streaming():
    parameters = [Parameters(size=s, compressed=Bool(value=c))
                  for s, c in ((31415, True), (92653, False))]
    call = streaming_output(Output(response_parameters=parameters), timeout=20)
    check(sizes(call) == [31415, 92653])


CASES = [
    empty_unary, large_unary, client_streaming, server_streaming, ping_pong, half_duplex_streaming,
    empty_stream, timeout_on_sleeping_server, status_code_and_message, special_status_message,
    unimplemented_method, unimplemented_service, custom_metadata, cancel_after_begin,
    cancel_after_first_response, client_compressed_unary, server_compressed_unary,
    client_compressed_streaming, server_compressed_streaming,
]

outcomes = {}
for case in CASES:
    try:
        case()
        outcomes[case.__name__] = "ok"
    except Exception as error:  # one case that fails does not keep the others from running
        outcomes[case.__name__] = f"{type(error).__name__}: {error}"
channel.close()
print(json.dumps(outcomes))
