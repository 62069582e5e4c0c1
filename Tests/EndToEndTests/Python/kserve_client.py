# SPDX-License-Identifier: Apache-2.0
"""One case for each public method of kserve's gRPC client, with typed and raw contents.

Expects the model echo-fp32, loaded.
"""
import argparse
import asyncio
import pathlib

import grpc
import numpy

from cases import Cases
from kserve import InferenceGRPCClient, InferInput, InferRequest

p = argparse.ArgumentParser(description=__doc__)
p.add_argument("--server", required=True)
p.add_argument("--certificates", required=True, type=pathlib.Path)
arguments = p.parse_args()
cases = Cases()
MODEL = "echo-fp32"
X = numpy.arange(16, dtype=numpy.float32)
c = None


def request(binary, x=X, model=MODEL, datatype="FP32"):
    tensor = InferInput("INPUT0", list(x.shape), datatype)
    tensor.set_data_from_numpy(x, binary_data=binary)
    return InferRequest(model, [tensor], request_id="seven")


@cases.case
async def is_server_live():
    assert await c.is_server_live()


@cases.case
async def is_server_ready():
    assert await c.is_server_ready()


@cases.case
async def is_model_ready():
    assert await c.is_model_ready(MODEL)
    assert not await c.is_model_ready("nobody")


def infer(binary):
    async def run():
        response = await c.infer(request(binary), timeout=20)
        assert response.id == "seven" and response.model_name == MODEL
        assert numpy.array_equal(response.outputs[0].as_numpy(), X), response

    return run


cases.add("infer_with_typed_contents", infer(False))
cases.add("infer_with_raw_contents", infer(True))


@cases.case
async def infer_of_what_is_not_there():
    try:
        await c.infer(request(True, model="nobody"), timeout=20)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("nobody answers")


@cases.case
async def infer_with_the_wrong_datatype():
    try:
        await c.infer(request(True, X.astype(numpy.float64), datatype="FP64"), timeout=20)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        assert "inputs[0].datatype" in error.details(), error.details()
    else:
        raise AssertionError("FP64 was accepted")


@cases.case
async def close():
    await c.close()


async def main():
    global c
    d = arguments.certificates
    c = InferenceGRPCClient(
        arguments.server, use_ssl=True, root_certificates=str(d / "ca.pem"),
        private_key=str(d / "alice.key"), certificate_chain=str(d / "alice.pem"), retries=0)
    await cases.run_async()


asyncio.run(main())
