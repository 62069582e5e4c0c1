# SPDX-License-Identifier: Apache-2.0
"""Inference of two LSTM layers of 256 units, 100 steps of 128 features, beside ONNX Runtime."""
import numpy as np

from bench import Line, onnx_peer, random

ORDER = 7
STEPS, UNITS = 100, 256
INPUTS = (128, UNITS)
OPERATIONS = 2.0 * STEPS * 4 * UNITS * sum(inputs + UNITS for inputs in INPUTS)
LINES = [
    Line(
        name, "lstm", {"batch": batch}, peers=("onnxruntime",), operations=batch * OPERATIONS,
        tolerance=1e-4, target=target)
    for name, batch, target in (("infer_lstm_b1", 1, 1.3), ("infer_lstm_b32", 32, 1.0))]


def tensors(batch):
    """Weights as PyTorch initialises them, and an input."""
    values = {"x": random(batch, STEPS, INPUTS[0], seed=2)}
    for layer, inputs in enumerate(INPUTS):
        values[f"lstm{layer}.weights"] = random(inputs, 4 * UNITS, seed=3, scale=UNITS ** -0.5)
        values[f"lstm{layer}.recurrent_weights"] = random(UNITS, 4 * UNITS, seed=4, scale=UNITS ** -0.5)
        values[f"lstm{layer}.bias"] = random(4 * UNITS, seed=5, scale=0.1)
    return values


def measure(bench, line):
    bench.compare("lstm", line, tensors(line.parameters["batch"]))


def peer_onnxruntime(line, tensors):
    from onnx import helper

    def gates(values):
        """Ours are input, forget, cell, output; ONNX has input, output, forget, cell."""
        i, f, c, o = np.split(values.T, 4)
        return np.concatenate([i, o, f, c])[None]

    nodes = [helper.make_node("Transpose", ["x"], ["a0"], perm=[1, 0, 2])]
    weights = {"axis": np.array([1])}
    for layer in range(len(INPUTS)):
        name = f"lstm{layer}"
        weights[f"w{layer}"] = gates(tensors[f"{name}.weights"])
        weights[f"r{layer}"] = gates(tensors[f"{name}.recurrent_weights"])
        bias = gates(tensors[f"{name}.bias"][None]).reshape(1, -1)
        weights[f"b{layer}"] = np.concatenate([bias, np.zeros_like(bias)], 1)
        nodes.append(helper.make_node(
            "LSTM", [f"a{layer}", f"w{layer}", f"r{layer}", f"b{layer}"], [f"h{layer}"],
            hidden_size=UNITS))
        nodes.append(helper.make_node("Squeeze", [f"h{layer}", "axis"], [f"a{layer + 1}"]))
    nodes.append(helper.make_node("Transpose", [f"a{len(INPUTS)}"], ["y"], perm=[1, 0, 2]))
    return onnx_peer(nodes, weights, tensors["x"])
