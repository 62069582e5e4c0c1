# SPDX-License-Identifier: Apache-2.0
"""Sends one malformed request after the other to an identity model of 16 floats; prints what came back as JSON."""
import json

import grpc

from connection import parser, request, stub

p = parser(__doc__)
p.add_argument("--model", required=True)
p.add_argument("--input", default="INPUT0")
arguments = p.parse_args()
service = stub(arguments)
GOOD = bytes(64)


def case(**fields):
    return request(arguments.model, **{"name": arguments.input, "raw": GOOD, **fields})


def typed():
    r = case(raw=None)
    r.inputs[0].contents.fp32_contents.extend([1.0] * 16)
    return r


def raw_and_typed():
    r = typed()
    r.raw_input_contents.append(GOOD)
    return r


def named(model):
    r = case()
    r.model_name = model
    return r


def twice():
    r = case()
    r.inputs.add().CopyFrom(r.inputs[0])
    r.raw_input_contents.append(GOOD)
    return r


def wants(output):
    r = case()
    r.outputs.add().name = output
    return r


cases = {
    "good": case(),
    "typed": typed(),
    "wrong_datatype": case(datatype="INT8", raw=bytes(16)),
    "unknown_datatype": case(datatype="FLOAT"),
    "wrong_shape": case(shape=(4, 4)),
    "negative_shape": case(shape=(-16,)),
    "huge_shape": case(shape=(2**62, 2**62)),
    "raw_too_short": case(raw=bytes(63)),
    "raw_too_long": case(raw=bytes(65)),
    "no_contents": case(raw=None),
    "raw_and_typed": raw_and_typed(),
    "unknown_input": case(name="NOBODY"),
    "input_twice": twice(),
    "unknown_output": wants("NOBODY"),
    "unknown_model": named("nobody"),
    "other_teams_model": named("other/secret"),
    "traversal": named("../../etc/passwd"),
    "unknown_version": case(version="99"),
    "version_that_is_no_alias": case(version="one"),
    "message_over_the_limit": case(shape=(17 << 20,), raw=bytes(17 << 22)),
    "good_again": case(),
}

results = {}
for name, r in cases.items():
    try:
        answer = service.ModelInfer(r, timeout=20)
        results[name] = {"code": "OK", "bytes": len(answer.raw_output_contents[0])}
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        results[name] = {
            "code": error.code().name, "message": error.details(), "details": len(details)}
print(json.dumps(results))
