# SPDX-License-Identifier: Apache-2.0
"""Inference of a perceptron 784-512-256-10 beside ONNX Runtime."""
from bench import Line, onnx_peer, random

ORDER = 8
SIZES = (784, 512, 256, 10)
OPERATIONS = 2.0 * sum(a * b for a, b in zip(SIZES, SIZES[1:]))
LINES = [
    Line(
        name, "mlp", {"batch": batch}, threads, peers=("onnxruntime",), operations=batch * OPERATIONS,
        target=target)
    for name, batch, threads, target in (
        ("infer_mlp_b1", 1, 1, 1.3), ("infer_mlp_b32_t1", 32, 1, 1.0), ("infer_mlp_b32_t2", 32, 2, 1.1))]


def tensors(batch):
    """Weights as He et al. initialise them, and an input."""
    values = {"x": random(batch, SIZES[0], seed=2)}
    for layer, (inputs, units) in enumerate(zip(SIZES, SIZES[1:]), 1):
        values[f"dense{layer}.weights"] = random(inputs, units, seed=3, scale=(6 / inputs) ** 0.5)
        values[f"dense{layer}.bias"] = random(units, seed=4, scale=0.1)
    return values


def measure(bench, line):
    bench.compare("mlp", line, tensors(line.parameters["batch"]))


def peer_onnxruntime(line, tensors):
    from onnx import helper

    nodes, x = [], "x"
    for layer in range(1, len(SIZES)):
        y = "y" if layer == len(SIZES) - 1 else f"z{layer}"
        nodes.append(
            helper.make_node("Gemm", [x, f"dense{layer}.weights", f"dense{layer}.bias"], [y]))
        x = y
        if y != "y":
            x = f"a{layer}"
            nodes.append(helper.make_node("Relu", [y], [x]))
    weights = {name: value for name, value in tensors.items() if name != "x"}
    return onnx_peer(nodes, weights, tensors["x"])
