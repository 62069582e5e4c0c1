# SPDX-License-Identifier: Apache-2.0
"""Calls the public methods of tritonclient's gRPC client that the server supports; prints the answers as JSON."""
import json

import numpy

import tritonclient.grpc as triton
from connection import client, parser

p = parser(__doc__)
p.add_argument("--model", required=True)
arguments = p.parse_args()

with client(arguments) as c:
    answers = {
        "server_live": c.is_server_live(),
        "server_ready": c.is_server_ready(),
        "model_ready": c.is_model_ready(arguments.model),
        "server_metadata": c.get_server_metadata(as_json=True),
        "model_metadata": c.get_model_metadata(arguments.model, as_json=True),
        "model_config": c.get_model_config(arguments.model, as_json=True),
        "repository_index": c.get_model_repository_index(as_json=True),
    }
    metadata = answers["model_metadata"]
    name = metadata["inputs"][0]["name"]
    x = numpy.arange(16, dtype=numpy.float32)
    tensor = triton.InferInput(name, list(x.shape), "FP32")
    tensor.set_data_from_numpy(x)
    result = c.infer(arguments.model, [tensor], request_id="seventeen")
    y = result.as_numpy(metadata["outputs"][0]["name"])
    answers["infer"] = {"equal": bool((x == y).all()), "id": result.get_response().id}
    answers["statistics"] = c.get_inference_statistics(arguments.model, as_json=True)
    c.unload_model(arguments.model)
    answers["ready_after_unload"] = c.is_model_ready(arguments.model)
    c.load_model(arguments.model)
    answers["ready_after_load"] = c.is_model_ready(arguments.model)
print(json.dumps(answers))
