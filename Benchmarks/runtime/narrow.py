# SPDX-License-Identifier: Apache-2.0
"""Inference in bf16 and int8 beside ONNX Runtime in fp32, and products beside the machine's limits of those types."""
import dataclasses
import importlib
import os
import statistics
import sys

import numpy as np

from bench import Line, Side, random

ORDER = 9
# Of our results from the peer's in fp32, as a part of the largest: what the precision costs on random weights.
BF16, INT8 = 2e-2, 8e-2


def network(name, case, precision, batch, threads, target, tolerance):
    return Line(
        name, case, {"batch": batch, "precision": precision}, threads, peers=("onnxruntime",),
        tolerance=tolerance, target=target)


LINES = [
    *(Line(
        f"matmul_{kind}_t{threads}", "narrow_matmul", {"type": kind, "m": 1024, "n": 1024, "k": 1024}, threads,
        unit="GFLOP/s", operations=2.0 * 1024**3, target=0.85, tolerance=tolerance)
      for kind, tolerance in (("int8", 2e-2), ("bf16", 1e-2)) for threads in (1, 2)),
    *(network(f"bf16_resnet18_b{b}_t{t}", "resnet18", "bf16", b, t, 1.6, BF16)
      for b, t in ((1, 1), (8, 1), (8, 2))),
    *(network(f"bf16_lstm_b{b}", "lstm", "bf16", b, 1, 1.6, BF16) for b in (1, 32)),
    *(network(f"bf16_mlp_b{b}", "mlp", "bf16", b, 1, 1.6, BF16) for b in (1, 32)),
    *(network(f"int8_resnet18_b{b}_t{t}", "resnet18", "int8", b, t, 2.2, INT8)
      for b, t in ((1, 1), (8, 1), (8, 2))),
    *(network(f"int8_mlp_b{b}", "mlp", "int8", b, 1, 2.2, INT8) for b in (1, 32)),
]


def measure(bench, line):
    if line.case == "narrow_matmul":
        return measure_product(bench, line)
    case = importlib.import_module(line.case)
    # The peer's process looks its line up by name: the one in fp32 of the same work.
    single = next(
        other for other in case.LINES if other.parameters["batch"] == line.parameters["batch"])
    values = case.tensors(line.parameters["batch"])
    _, path = bench.tensors(line.name, values)
    ours = bench.ours(line, path)
    theirs = bench.peer(line.case, dataclasses.replace(single, threads=line.threads), "onnxruntime", path)
    for side in (ours, theirs):
        side.ask("run 0")
    difference = bench.same(line, ours, theirs, "onnxruntime")
    mine, other = bench.rounds_of(ours, theirs)
    ours.close(), theirs.close()
    bench.report(line, mine, other, f"onnxruntime in fp32, difference {difference:.1g}")


def measure_product(bench, line):
    """The peer is the limit: so many operations of the type in the registers."""
    kind = line.parameters["type"]
    a, b = random(1024, 1024, seed=1), random(1024, 1024, seed=2)
    bits = a.view(np.uint32)
    # As the runtime rounds: halves to nearest even, bytes over -1 ... 1 with 127 for zero.
    narrow = (
        ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16) if kind == "bf16"
        else np.clip(np.rint(a * 127.5) + 127, 0, 255).astype(np.uint8))
    _, path = bench.tensors(line.name, {"a": narrow, "b": b})
    ours = bench.ours(line, path)
    ours.ask("run 0")
    c, exact = ours.result(os.path.join(bench.folder.name, "ours")), (a @ b).ravel()
    difference = float(np.max(np.abs(c - exact)) / np.max(np.abs(exact)))
    if not difference <= line.tolerance:
        sys.exit(f"bench-runtime: {line.name}: results differ from the exact ones by {difference:.2g}")
    limit = Side([bench.compiled("narrow_limits", "-lpthread"), kind, line.threads])
    mine, peak = [], []
    for _ in range(bench.rounds):
        mine.append(ours.ask(f"run {bench.seconds}")[bench.clock])
        peak.append(limit.ask(f"run {bench.seconds}")[bench.clock] * line.operations * 1e-9)
    ours.close(), limit.close()
    bench.report(
        dataclasses.replace(line, operations=0, unit="ms"), statistics.median(mine),
        statistics.median(peak), f"the limit of {kind} in registers, difference {difference:.1g}")
