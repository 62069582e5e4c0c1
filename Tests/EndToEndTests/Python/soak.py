# SPDX-License-Identifier: Apache-2.0
"""Loads a server with everything at once and looks for errors that no client caused, and for memory that grows.

    soak.py --server HOST:PORT --certificates DIRECTORY --model NAME... --pid SERVER [--seconds N]

Small and large (600 KB) calls, streams, calls that are cancelled, deadlines that pass, connections that come and go.
Every answer is checked. Prints one line of JSON and fails where something is wrong. A --model gives back its input of
any length; a --batched model has a queue, in which much of what it holds was cancelled.

gRPC's C core may reset a call that it has not opened yet when the call is cancelled at once (grpc/grpc#19655), and
RFC 9113 §5.1 has the connection closed for that. So what is cancelled early has connections of its own, and an error
that this brings there is counted as the client's own.
"""
import asyncio
import collections
import json
import math
import os
import pathlib
import random
import statistics
import struct
import sys
import time

import grpc

from connection import files, parser, request
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import triton_to_np_dtype

p = parser(__doc__)
p.add_argument("--model", required=True, action="append", dest="models")
p.add_argument("--batched", help="a model that batches")
p.add_argument("--pid", required=True, type=int, help="the server's process, to read its memory")
p.add_argument("--seconds", type=float, default=600)
p.add_argument("--growth", type=float, default=8, help="MiB of resident memory that may come on top")
arguments = p.parse_args()

Code = grpc.StatusCode
OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1),
           # Channels of their own are to have connections of their own.
           ("grpc.use_local_subchannel_pool", 1)]
SMALL, LARGE = bytes(64), os.urandom(602_112)
root, key, chain = (f.read_bytes() for f in files(arguments))
credentials = grpc.ssl_channel_credentials(root, key, chain)
# The input of the batched model, as its metadata has it.
row = None
counts, unexpected = collections.Counter(), collections.Counter()


def channel():
    return grpc.aio.secure_channel(arguments.server, credentials, options=OPTIONS)


def service(connection):
    return service_pb2_grpc.GRPCInferenceServiceStub(connection)


def message(data, name=None):
    return request(name or random.choice(arguments.models), shape=(len(data) // 4,), raw=data)


def check(answer, data):
    if answer.raw_output_contents[0] != data:
        raise AssertionError("the answer is not the request")


async def small(stub):
    data = struct.pack("<Q", random.getrandbits(64)) * 8
    check(await stub.ModelInfer(message(data), timeout=30), data)


async def large(stub):
    check(await stub.ModelInfer(message(LARGE), timeout=30), LARGE)


def rows(count):
    shape = (count, *row.shape[1:])
    size = triton_to_np_dtype(row.datatype)().itemsize * math.prod(shape)
    return request(arguments.batched, row.name, row.datatype, shape, bytes(size))


async def batched(stub):
    count = random.randint(1, 4)
    answer = await stub.ModelInfer(rows(count), timeout=30)
    if any(output.shape[0] != count for output in answer.outputs):
        raise AssertionError(f"{count} rows went in, another number came out")


async def cancelled_in_the_queue(stub):
    calls = [stub.ModelInfer(rows(1), timeout=30) for _ in range(8)]
    await calls[0]
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def stream(stub):
    count = random.randint(1, 60)
    broken = random.randrange(count) if random.random() < 0.3 else None

    async def requests():
        for number in range(count):
            data = LARGE if random.random() < 0.02 else struct.pack("<Q", number) * 8
            sent[str(number)] = data
            r = message(data, "nobody" if number == broken else None)
            r.id = str(number)
            yield r

    sent, errors = {}, 0
    async for answer in stub.ModelStreamInfer(requests(), timeout=60):
        number = answer.infer_response.id
        if answer.error_message:
            errors += 1
            if number != str(broken):
                raise AssertionError(f"request {number} of a stream: {answer.error_message}")
        else:
            check(answer.infer_response, sent[number])
        del sent[number]
    if sent or errors != (broken is not None):
        raise AssertionError(f"{len(sent)} requests of a stream were not answered")


async def cancelled(stub):
    call = stub.ModelInfer(message(random.choice([SMALL, LARGE])), timeout=30)
    await asyncio.sleep(random.random() * 0.005)
    call.cancel()
    try:
        await call
    except asyncio.CancelledError:
        pass


async def cancelled_stream(stub):
    async def requests():
        while True:
            yield message(random.choice([SMALL, SMALL, LARGE]))

    call = stub.ModelStreamInfer(requests(), timeout=60)
    try:
        for _ in range(random.randint(0, 20)):
            answer = await call.read()
            if answer.error_message:
                raise AssertionError(answer.error_message)
    finally:
        call.cancel()


async def expired(stub):
    timeout = random.random() * 0.003
    try:
        if random.random() < 0.5:
            await stub.ModelInfer(message(random.choice([SMALL, LARGE])), timeout=timeout)
        else:
            await stub.ModelMetadata(
                service_pb2.ModelMetadataRequest(name=arguments.models[0]), timeout=timeout)
    except grpc.RpcError as error:
        if error.code() != Code.DEADLINE_EXCEEDED:
            raise


async def reconnected(_):
    connection = channel()
    try:
        stub = service(connection)
        for _ in range(random.randint(1, 4)):
            await small(stub)
        if random.random() < 0.5:
            # Leaves in the middle of a call.
            call = stub.ModelInfer(message(LARGE), timeout=30)
            await asyncio.sleep(random.random() * 0.003)
            del call
    finally:
        await connection.close()


async def refused(stub):
    try:
        await stub.ModelInfer(message(SMALL, "nobody"), timeout=30)
    except grpc.RpcError as error:
        if error.code() != Code.NOT_FOUND:
            raise


# How many of each go on at the same time; those that cancel have connections apart.
STEADY = {small: 6, large: 2, stream: 3, reconnected: 2, refused: 1}
CANCELLING = {cancelled: 2, cancelled_stream: 1, expired: 2}
if arguments.batched:
    STEADY[batched] = 2
    CANCELLING[cancelled_in_the_queue] = 1
CONNECTIONS = 3


def is_the_clients_own(work, error):
    """What the C core makes of the end of its connection."""
    if work not in CANCELLING or not isinstance(error, grpc.RpcError):
        return False
    # UNAVAILABLE says "GOAWAY received" or, when the end itself is seen first, "Socket closed".
    return (error.code() == Code.UNAVAILABLE
            or error.code() == Code.INTERNAL and error.details() == "Internal error from Core")


async def repeat(work, stub, end):
    while time.monotonic() < end:
        try:
            await work(stub)
            counts[work.__name__] += 1
        except Exception as error:
            if is_the_clients_own(work, error):
                counts["clients_own_errors"] += 1
                continue
            text = f"{error.code().name}: {error.details()}" if isinstance(error, grpc.RpcError) else repr(error)
            unexpected[f"{work.__name__}: {text}"] += 1
            # What is broken for good is not to fill the memory with its errors.
            await asyncio.sleep(0.1)


def resident():
    """MiB of the server."""
    for line in pathlib.Path(f"/proc/{arguments.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("soak: the server has ended")


DESCRIPTOR_SLACK = 8


def descriptors():
    return len(os.listdir(f"/proc/{arguments.pid}/fd"))


async def watch(samples, end):
    while time.monotonic() < end:
        samples.append(resident())
        await asyncio.sleep(min(1, arguments.seconds / 100))


async def main():
    global row
    if arguments.batched:
        asking = channel()
        metadata = await service(asking).ModelMetadata(
            service_pb2.ModelMetadataRequest(name=arguments.batched), timeout=30)
        row = metadata.inputs[0]
        await asking.close()
    before = descriptors()
    end = time.monotonic() + arguments.seconds
    samples, connections, tasks = [], [], []
    for load in (STEADY, CANCELLING):
        stubs = []
        for _ in range(CONNECTIONS):
            connections.append(channel())
            stubs.append(service(connections[-1]))
        every = [work for work, count in load.items() for _ in range(count)]
        tasks += [repeat(work, stubs[n % CONNECTIONS], end) for n, work in enumerate(every)]
    await asyncio.gather(watch(samples, end), *tasks)
    # It answers still, and lets go of its connections.
    await small(service(connections[0]))
    for connection in connections:
        await connection.close()
    for _ in range(100):
        if descriptors() <= before:
            break
        await asyncio.sleep(0.1)

    # The first fifth warms up; pools and caches are full after it.
    fifth = max(len(samples) // 5, 1)
    early = statistics.median(samples[fifth:2 * fifth])
    late = statistics.median(samples[-fifth:])
    result = {
        "seconds": arguments.seconds, "calls": dict(counts), "unexpected": dict(unexpected),
        "resident_mib_early": round(early, 1), "resident_mib_late": round(late, 1),
        "descriptors_before": before, "descriptors_after": descriptors(),
    }
    idle = [w.__name__ for w in (*STEADY, *CANCELLING) if not counts[w.__name__]]
    problems = [f"{n} x {text}" for text, n in unexpected.items()]
    problems += [f"no call of the kind '{name}' came through" for name in idle]
    if late - early > arguments.growth:
        problems.append(f"resident memory grew from {early:.1f} to {late:.1f} MiB")
    # The server opens a few for itself as it warms up; connections come and go by the hundred.
    if result["descriptors_after"] > before + DESCRIPTOR_SLACK:
        problems.append(f"{before} descriptors were open, now {result['descriptors_after']}")
    print(json.dumps(result))
    for problem in problems:
        print(f"soak: {problem}", file=sys.stderr)
    return 1 if problems else 0


sys.exit(asyncio.run(main()))
