# SPDX-License-Identifier: Apache-2.0
"""What bf16 and int8 cost: networks trained here on Fashion-MNIST, their 10,000 test pictures in every precision.

`ours` of an accuracy is the narrow network's and `peer` that of the same network in fp32, in points; of an agreement, how many
pictures of a hundred get the same class, and `peer` is what is asked."""
import gzip
import os
import pathlib

import numpy as np

from bench import Line

ORDER = 10
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
LINES = [
    Line(f"narrow_accuracy_{network}", "narrow_accuracy", {"network": network, "epochs": epochs}, threads=2)
    for network, epochs in (("mlp", 3), ("lstm", 2), ("cnn", 1))]


def idx(name, kind, header):
    with gzip.open(DATA / f"{name}.gz") as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header).astype(kind)


def measure(bench, line):
    values = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        values[f"{split}.images"] = idx(f"{stem}-images-idx3-ubyte", np.uint8, 16).reshape(-1, 784)
        values[f"{split}.labels"] = idx(f"{stem}-labels-idx1-ubyte", np.int32, 8)
    _, path = bench.tensors(line.name, values)
    ours = bench.ours(line, path)
    ours.ask("run 0")
    exact, bf16, int8, bf16_same, int8_same = 100 * ours.result(os.path.join(bench.folder.name, "ours"))
    ours.close()
    network = line.parameters["network"]
    print(f"# {line.name}: peer the same network in fp32; asked within 0.5 points for int8, 99.9 of 100 alike for bf16")
    for name, mine, other in (
            (f"bf16_accuracy_{network}", bf16, exact), (f"int8_accuracy_{network}", int8, exact),
            (f"bf16_agreement_{network}", bf16_same, 99.9), (f"int8_agreement_{network}", int8_same, 99.0)):
        print(
            f"bench name={name} ours={mine:.2f} peer={other:.2f} unit=percent"
            f" ratio={mine / other:.4f} rounds=1", flush=True)
