# SPDX-License-Identifier: Apache-2.0
"""Inference of ResNet-18 on images of 224x224 beside ONNX Runtime, its batch normalisations folded by both."""
import numpy as np

from bench import Line, onnx_peer, random

ORDER = 6
# name, channels, filters, kernel, stride, size of the result
CONVOLUTIONS = [("stem", 3, 64, 7, 2, 112)]
for stage, filters in enumerate((64, 128, 256, 512)):
    for block in range(2):
        first = stage > 0 and block == 0
        channels, stride, size = (filters // 2, 2, 56 >> stage) if first else (filters, 1, 56 >> stage)
        name = f"stage{stage}.block{block}"
        CONVOLUTIONS.append((f"{name}.conv1", channels, filters, 3, stride, size))
        CONVOLUTIONS.append((f"{name}.conv2", filters, filters, 3, 1, size))
        if first:
            CONVOLUTIONS.append((f"{name}.shortcut", channels, filters, 1, stride, size))
OPERATIONS = 2.0 * (
    sum(c * o * k * k * size * size for _, c, o, k, _, size in CONVOLUTIONS) + 512 * 1000)
LINES = [
    Line(
        f"infer_resnet18_b{batch}_t{threads}", "resnet18", {"batch": batch}, threads,
        peers=("onnxruntime",), operations=batch * OPERATIONS, tolerance=1e-3, target=1.15)
    for batch in (1, 8) for threads in (1, 2)]


def tensors(batch):
    """Weights as He et al. initialise them, statistics near those of a network that learned, and images."""
    values = {
        "x": random(batch, 224, 224, 3, seed=2),
        "dense.weights": random(512, 1000, seed=3, scale=0.05), "dense.bias": random(1000, seed=4)}
    for number, (name, channels, filters, kernel, _, _) in enumerate(CONVOLUTIONS):
        values[f"{name}.weights"] = random(
            kernel, kernel, channels, filters, seed=10 + number,
            scale=(6 / (kernel * kernel * channels)) ** 0.5)
        values[f"{name}.scale"] = 0.6 + 0.2 * random(filters, seed=100 + number)
        values[f"{name}.offset"] = random(filters, seed=200 + number, scale=0.1)
        values[f"{name}.mean"] = random(filters, seed=300 + number, scale=0.1)
        values[f"{name}.variance"] = 1 + 0.5 * random(filters, seed=400 + number)
    return values


def measure(bench, line):
    bench.compare("resnet18", line, tensors(line.parameters["batch"]))


def peer_onnxruntime(line, tensors):
    from onnx import helper

    nodes, weights = [], {}

    def convolution(name, x):
        kernel, stride = next((k, s) for n, _, _, k, s, _ in CONVOLUTIONS if n == name)
        weights[f"{name}.w"] = tensors[f"{name}.weights"].transpose(3, 2, 0, 1)
        nodes.append(helper.make_node(
            "Conv", [x, f"{name}.w"], [f"{name}.z"], strides=[stride] * 2, pads=[kernel // 2] * 4))
        statistics = [f"{name}.{part}" for part in ("scale", "offset", "mean", "variance")]
        weights.update({part: tensors[part] for part in statistics})
        nodes.append(helper.make_node(
            "BatchNormalization", [f"{name}.z", *statistics], [f"{name}.y"], epsilon=1e-5))
        return f"{name}.y"

    def apply(operation, inputs, output, **options):
        nodes.append(helper.make_node(operation, inputs, [output], **options))
        return output

    x = apply("Transpose", ["x"], "images", perm=[0, 3, 1, 2])
    x = apply("Relu", [convolution("stem", x)], "stem.a")
    x = apply("MaxPool", [x], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for name in sorted({n.rsplit(".", 1)[0] for n, *_ in CONVOLUTIONS if "." in n}):
        y = apply("Relu", [convolution(f"{name}.conv1", x)], f"{name}.a")
        y = convolution(f"{name}.conv2", y)
        if any(n == f"{name}.shortcut" for n, *_ in CONVOLUTIONS):
            x = convolution(f"{name}.shortcut", x)
        x = apply("Relu", [apply("Add", [y, x], f"{name}.sum")], f"{name}.out")
    x = apply("Flatten", [apply("GlobalAveragePool", [x], "averages")], "features")
    weights.update({name: tensors[name] for name in ("dense.weights", "dense.bias")})
    apply("Gemm", [x, "dense.weights", "dense.bias"], "y")
    return onnx_peer(nodes, weights, tensors["x"])
