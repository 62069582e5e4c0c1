# SPDX-License-Identifier: Apache-2.0
"""A mutual-TLS connection as a foreign client makes it, from the arguments that every script here takes."""
import argparse
import pathlib

import grpc
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc


def parser(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--server", required=True, help="HOST:PORT")
    p.add_argument("--certificates", required=True, type=pathlib.Path)
    p.add_argument("--as", dest="name", default="alice", help="whose certificate")
    return p


def files(arguments):
    d = arguments.certificates
    return d / "ca.pem", d / f"{arguments.name}.key", d / f"{arguments.name}.pem"


def client(arguments):
    root, key, chain = files(arguments)
    return triton.InferenceServerClient(
        arguments.server, ssl=True, root_certificates=str(root), private_key=str(key),
        certificate_chain=str(chain))


def channel(arguments, options=()):
    root, key, chain = (f.read_bytes() for f in files(arguments))
    credentials = grpc.ssl_channel_credentials(root, key, chain)
    return grpc.secure_channel(arguments.server, credentials, options=options)


def stub(arguments):
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    return service_pb2_grpc.GRPCInferenceServiceStub(channel(arguments, unlimited))


def request(model, name="INPUT0", datatype="FP32", shape=(16,), raw=None, version=""):
    """A ModelInferRequest with one input, without the checks that tritonclient would make."""
    r = service_pb2.ModelInferRequest(model_name=model, model_version=version)
    tensor = r.inputs.add()
    tensor.name, tensor.datatype = name, datatype
    tensor.shape.extend(shape)
    if raw is not None:
        r.raw_input_contents.append(raw)
    return r
