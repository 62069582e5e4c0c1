# SPDX-License-Identifier: Apache-2.0
"""Fails in every way that massif.testing.ErrorService knows; prints what grpcio-status sees of it as JSON.

    error_details.py PORT CA CERTIFICATE KEY
"""
import json
import pathlib
import sys

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

port, *files = sys.argv[1:]
authority, certificate, key = (pathlib.Path(f).read_bytes() for f in files)
channel = grpc.secure_channel(
    f"localhost:{port}", grpc.ssl_channel_credentials(authority, key, certificate))


def describe(error):
    status = rpc_status.from_call(error)
    details = {}
    for each in status.details:
        name = each.type_url.rsplit(".", 1)[-1]
        message = getattr(error_details_pb2, name)()
        if not each.Unpack(message):
            raise SystemExit(f"{each.type_url} is not a {name}")
        details[name] = json_format.MessageToDict(message)
    return {"code": error.code().name, "message": status.message, "details": details}


answers = {}
for name in ("Unary", "AfterAResponse", "DataPlane"):
    kind = channel.unary_stream if name == "AfterAResponse" else channel.unary_unary
    call = kind(f"/massif.testing.ErrorService/{name}")
    try:
        result = call(b"hello", timeout=20)
        list(result)
    except grpc.RpcError as error:
        answers[name] = describe(error)
print(json.dumps(answers))
