# SPDX-License-Identifier: Apache-2.0
"""Functions over 10^6 floats beside PyTorch."""
import numpy as np

from bench import Line, random, torch_peer

ORDER = 4
ROWS, COLUMNS = 1000, 1000
LINES = [
    Line(
        name, "elementwise", {"function": name}, peers=("torch",), unit="us", tolerance=1e-6,
        target=1.5)
    for name in ("exp", "tanh", "sigmoid", "gelu", "softmax", "layernorm")]


def measure(bench, line):
    bench.compare("elementwise", line, {
        "x": random(ROWS, COLUMNS, seed=2, scale=4), "scale": random(COLUMNS, seed=3),
        "offset": random(COLUMNS, seed=4)})


def peer_torch(line, tensors):
    import torch
    from torch.nn import functional

    scale, offset = (torch.from_numpy(tensors[name]) for name in ("scale", "offset"))
    out = torch.empty(ROWS, COLUMNS)
    functions = {
        # Into memory that is there, as ours; the others cannot.
        "exp": lambda x: torch.exp(x, out=out),
        "tanh": lambda x: torch.tanh(x, out=out),
        "sigmoid": lambda x: torch.sigmoid(x, out=out),
        "gelu": functional.gelu,
        "softmax": lambda x: torch.softmax(x, 1),
        "layernorm": lambda x: functional.layer_norm(x, (COLUMNS,), scale, offset),
    }
    return torch_peer(functions[line.name], tensors["x"])
