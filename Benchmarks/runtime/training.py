# SPDX-License-Identifier: Apache-2.0
"""Training steps beside PyTorch: Benchmarks/train/run does the work."""
import importlib.machinery
import importlib.util
import os

from bench import ROOT, Line

ORDER = 5
TARGETS = {"cnn": 1.5, "lstm": 1.5, "mlp": 2.5}
LINES = [
    Line(f"train_{kind}", kind, {}, threads=2, unit="images/s", target=target)
    for kind, target in TARGETS.items()]
# Of a round: some seconds on either side.
STEPS = {"cnn": 24, "lstm": 120, "mlp": 500}


def measure(bench, line):
    loader = importlib.machinery.SourceFileLoader("train", str(ROOT / "Benchmarks/train/run"))
    train = importlib.util.module_from_spec(importlib.util.spec_from_loader("train", loader))
    loader.exec_module(train)
    path = os.path.join(bench.folder.name, "fashion-mnist.safetensors")
    if not os.path.exists(path):
        train.write_data(path)
    binary = bench.binaries / "bench-train"
    steps = max(1, round(STEPS[line.case] * bench.seconds)) * bench.rounds
    train.measure(binary, path, line.threads, steps, bench.rounds, line.case, name=line.name)
