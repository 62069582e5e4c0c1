# SPDX-License-Identifier: Apache-2.0
"""One case for each public method of tritonclient's asyncio client that the server supports.

Expects the model echo-fp32, loaded or not.
"""
import asyncio

import numpy

import tritonclient.grpc as triton
import tritonclient.grpc.aio as aio
from cases import Cases
from connection import files, parser
from tritonclient.utils import InferenceServerException

arguments = parser(__doc__).parse_args()
cases = Cases()
MODEL = "echo-fp32"
X = numpy.arange(16, dtype=numpy.float32)
c = None


def tensor(x=X):
    result = triton.InferInput("INPUT0", list(x.shape), "FP32")
    result.set_data_from_numpy(x)
    return result


def same(result, x=X):
    assert numpy.array_equal(result.as_numpy("OUTPUT0"), x)


async def refused(code, call):
    try:
        await call
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", error
        return
    raise AssertionError(f"{code} was expected, the call succeeded")


@cases.case
async def load_and_unload_model():
    await c.load_model(MODEL)
    assert await c.is_model_ready(MODEL)
    await c.unload_model(MODEL)
    assert not await c.is_model_ready(MODEL)
    await c.load_model(MODEL)


@cases.case
async def is_server_live_and_ready():
    assert await c.is_server_live() and await c.is_server_ready()


@cases.case
async def get_server_metadata():
    assert (await c.get_server_metadata()).name == "massif"


@cases.case
async def get_model_metadata_and_config():
    assert (await c.get_model_metadata(MODEL)).inputs[0].name == "INPUT0"
    assert (await c.get_model_config(MODEL)).config.name == MODEL


@cases.case
async def get_model_repository_index():
    index = (await c.get_model_repository_index(as_json=True))["models"]
    assert {"name": f"vision/{MODEL}", "version": "1", "state": "READY"} in index, index


@cases.case
async def get_inference_statistics():
    same(await c.infer(MODEL, [tensor()]))
    assert (await c.get_inference_statistics(MODEL)).model_stats[0].inference_count >= 1


@cases.case
async def infer():
    result = await c.infer(
        MODEL, [tensor()], request_id="seven", client_timeout=20, compression_algorithm="gzip")
    same(result)
    assert result.get_response().id == "seven"
    await refused("NOT_FOUND", c.infer("nobody", [tensor()]))


@cases.case
async def infer_many_at_once():
    async def one(number):
        x = numpy.full(5, number, numpy.float32)
        same(await c.infer(MODEL, [tensor(x)]), x)

    await asyncio.gather(*(one(n) for n in range(100)))


@cases.case
async def infer_cancelled():
    task = asyncio.ensure_future(c.infer(MODEL, [tensor()]))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    same(await c.infer(MODEL, [tensor()]))


@cases.case
async def stream_infer():
    async def requests():
        for number in range(100):
            x = numpy.full(3, number, numpy.float32)
            name = "nobody" if number == 50 else MODEL
            yield {"model_name": name, "inputs": [tensor(x)], "request_id": str(number)}

    seen, errors = set(), []
    async for result, error in c.stream_infer(requests(), stream_timeout=30):
        if error:
            errors.append(error)
            continue
        number = result.get_response().id
        same(result, numpy.full(3, int(number), numpy.float32))
        seen.add(number)
    assert len(seen) == 99 and len(errors) == 1 and "nobody" in errors[0].message()


@cases.case
async def stream_infer_cancelled():
    hold = asyncio.Event()

    async def requests():
        yield {"model_name": MODEL, "inputs": [tensor()]}
        await hold.wait()

    stream = c.stream_infer(requests())
    same((await stream.__aiter__().__anext__())[0])
    assert stream.cancel()
    hold.set()
    same(await c.infer(MODEL, [tensor()]))


async def main():
    global c
    root, key, chain = files(arguments)
    async with aio.InferenceServerClient(
            arguments.server, ssl=True, root_certificates=str(root), private_key=str(key),
            certificate_chain=str(chain)) as c:
        await cases.run_async()


asyncio.run(main())
