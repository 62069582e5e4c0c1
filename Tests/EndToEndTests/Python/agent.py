# SPDX-License-Identifier: Apache-2.0
"""Asks a served agent what to do, with the unmodified tritonclient; one JSON document."""
import json

import numpy as np
import tritonclient.grpc as triton

import connection


def main():
    p = connection.parser(__doc__)
    p.add_argument("--model", required=True)
    p.add_argument("--observations", required=True, type=json.loads, help="a JSON array of rows")
    p.add_argument("--datatype", required=True, help="INT64 or FP32")
    arguments = p.parse_args()
    rows = np.array(arguments.observations, dtype={"INT64": np.int64, "FP32": np.float32}[arguments.datatype])
    tensor = triton.InferInput("observation", list(rows.shape), arguments.datatype)
    tensor.set_data_from_numpy(rows)
    answer = connection.client(arguments).infer(arguments.model, [tensor])
    print(json.dumps({
        "actions": answer.as_numpy("action").ravel().tolist(),
        "q_values": answer.as_numpy("q_values").tolist()}))


main()
