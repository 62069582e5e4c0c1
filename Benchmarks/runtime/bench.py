# SPDX-License-Identifier: Apache-2.0
"""What the cases of bench-runtime share: sides in processes of their own, alternating rounds, lines.

A case is a file of this folder with ORDER, LINES and `measure(bench, line)`; most call `Bench.compare`. Its
functions `peer_NAME(line, tensors)` run in a peer's process and give a function to repeat and one that gives the result.
"""
import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]


@dataclasses.dataclass
class Line:
    """A line of the output: what our executable runs, and against whom."""

    name: str
    case: str
    parameters: dict
    threads: int = 1
    # Names of functions `peer_…` of the case's file; the fastest is the peer of the line.
    peers: tuple = ()
    # ms or us of a repetition, or GFLOP/s of `operations` in it.
    unit: str = "ms"
    operations: float = 0
    # Bytes that must come from memory in a repetition; 0 where caches hold all.
    bytes: float = 0
    # Largest difference of results, as a part of the peer's largest value.
    tolerance: float = 1e-5
    # The ratio that is asked for.
    target: float = 1.0


class Side:
    """A program that runs on our word: a line in, a line with two numbers out."""

    def __init__(self, command, threads=1):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=FOLDER,
            env={**os.environ, **{name: str(threads) for name in names}})

    def ask(self, line):
        try:
            print(line, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            sys.exit(f"bench-runtime: {' '.join(self.command)} ended with status {self.process.wait()}")
        return [float(word) for word in answer.split()]

    def result(self, path):
        self.ask(f"result {path}")
        return np.fromfile(path, dtype=np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def serve(case, name, peer, tensors):
    """The process of a Python peer."""
    from safetensors.numpy import load_file

    line = next(line for line in case.LINES if line.name == name)
    run, result = getattr(case, f"peer_{peer}")(line, load_file(tensors))
    run()
    for command in sys.stdin:
        word, argument = command.split()
        if word == "run":
            start, processor, times = time.perf_counter(), time.process_time(), 0
            while True:
                run()
                times += 1
                elapsed = time.perf_counter() - start
                if elapsed >= float(argument):
                    break
            print(elapsed / times, (time.process_time() - processor) / times, flush=True)
        else:
            np.concatenate([np.asarray(x, dtype=np.float32).ravel() for x in result()]).tofile(argument)
            print("0 0", flush=True)


class Bench:
    """One run: options, executables, files for a time."""

    def __init__(self, arguments):
        self.rounds, self.seconds = arguments.rounds, arguments.seconds
        self.clock = 0 if arguments.clock == "wall" else 1
        self.binaries = arguments.binaries

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bench-runtime-")
        if self.binaries is None:
            self.binaries = subprocess.run(
                ["scripts/build-release", "bench-runtime", "bench-train"], check=True, cwd=ROOT,
                stdout=subprocess.PIPE, text=True).stdout.strip()
        self.binaries = pathlib.Path(self.binaries).resolve()
        self.limits = {}
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def heading(self):
        import onnxruntime
        import torch

        print(
            f"# peers: PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}, oneDNN of"
            f" libdnnl-dev; rounds of {self.seconds} s,"
            f" {'wall clock' if self.clock == 0 else 'processor time'}", flush=True)
        for threads in (1, 2):
            print(
                f"# limits, {threads} thread(s): {1 / self.limit('fma', threads):.1f} GFLOP/s fp32"
                f" multiply-adds, {1 / self.limit('read', threads):.1f} GB/s read from memory",
                flush=True)

    def compiled(self, source, *libraries):
        """An executable made of a C file of this folder."""
        target = ROOT / ".build" / f"bench-runtime-{source}"
        target.parent.mkdir(exist_ok=True)
        subprocess.run(
            ["cc", "-O2", "-Wall", "-Wextra", FOLDER / f"{source}.c", "-o", target, *libraries],
            check=True)
        return target

    def limit(self, kind, threads):
        """Seconds of 10^9 operations, or bytes, at best."""
        if (kind, threads) not in self.limits:
            side = self.limit_side(kind, threads)
            side.ask("run 0.1")
            seconds = statistics.median(side.ask("run 0.2")[self.clock] for _ in range(3))
            self.limits[kind, threads] = seconds / (threads if self.clock else 1)
            side.close()
        return self.limits[kind, threads]

    def limit_side(self, kind, threads):
        return Side([self.compiled("limits", "-lpthread"), kind, threads])

    def tensors(self, name, values):
        """Writes arrays by name; they and the file's path."""
        from safetensors.numpy import save_file

        path = os.path.join(self.folder.name, f"{name}.safetensors")
        values = {key: np.ascontiguousarray(value) for key, value in values.items()}
        save_file(values, path)
        return values, path

    def ours(self, line, path):
        parameters = [f"{key}={value}" for key, value in line.parameters.items()]
        return Side(
            [self.binaries / "bench-runtime", line.case, line.threads, path, *parameters])

    def peer(self, case, line, name, path):
        return Side(
            [sys.executable, FOLDER / "run", "--peer", case, line.name, name, path], line.threads)

    def same(self, line, ours, theirs, who):
        """Ends the run where results differ."""
        mine = ours.result(os.path.join(self.folder.name, "ours"))
        other = theirs.result(os.path.join(self.folder.name, "theirs"))
        if mine.shape != other.shape:
            sys.exit(f"bench-runtime: {line.name}: {mine.size} results beside {other.size} of {who}")
        error = float(np.max(np.abs(mine - other)) / np.max(np.abs(other)))
        if not error <= line.tolerance:
            sys.exit(f"bench-runtime: {line.name}: results differ from those of {who} by {error:.2g}")
        return error

    def rounds_of(self, ours, theirs):
        """Medians of both sides' seconds in alternating rounds; who begins changes."""
        times = {ours: [], theirs: []}
        for number in range(self.rounds):
            for side in (ours, theirs) if number % 2 == 0 else (theirs, ours):
                times[side].append(side.ask(f"run {self.seconds}")[self.clock])
        return statistics.median(times[ours]), statistics.median(times[theirs])

    def compare(self, case, line, values):
        """Measures a line against the fastest of its peers."""
        _, path = self.tensors(line.name, values)
        ours = self.ours(line, path)
        ours.ask("run 0")
        sides = {}
        for name in line.peers:
            sides[name] = (
                self.onednn(line, name, values) if name.startswith("onednn") else self.peer(case, line, name, path))
            sides[name].ask("run 0")
        errors = {name: self.same(line, ours, side, name) for name, side in sides.items()}
        quick = {name: min(side.ask("run 0.1")[self.clock] for _ in range(3 if len(sides) > 1 else 1))
                 for name, side in sides.items()}
        best = min(quick, key=quick.get)
        for name, side in sides.items():
            if name != best:
                side.close()
        mine, other = self.rounds_of(ours, sides[best])
        ours.close(), sides[best].close()
        self.report(line, mine, other, f"{best}, difference {errors[best]:.1g}")

    def onednn(self, line, name, values):
        """oneDNN's side of a dense layer; `name` is onednn_ and the weights' form."""
        files = []
        for tensor in ("x", "weights", "bias"):
            files.append(os.path.join(self.folder.name, tensor))
            np.ascontiguousarray(values[tensor], dtype=np.float32).tofile(files[-1])
        shape = [line.parameters[size] for size in "mnk"]
        return Side([self.compiled("onednn", "-ldnnl"), name.removeprefix("onednn_"), *shape, *files], line.threads)

    def report(self, line, mine, other, note):
        """Prints a line from seconds."""
        notes = [note]
        processors = line.threads if self.clock else 1
        if line.operations:
            rate = line.operations / mine * 1e-9 * processors
            notes.append(f"{rate * self.limit('fma', line.threads):.0%} of measured FMA peak")
        if line.bytes:
            rate = line.bytes / mine * 1e-9 * processors
            notes.append(f"{rate * self.limit('read', line.threads):.0%} of measured bandwidth")
        print(f"# {line.name}: peer {', '.join(notes)}; asked {line.target}", flush=True)
        if line.unit == "GFLOP/s":
            a, b = (line.operations / seconds * 1e-9 for seconds in (mine, other))
        else:
            scale = {"ms": 1e3, "us": 1e6}[line.unit]
            a, b = mine * scale, other * scale
        print(
            f"bench name={line.name} ours={a:.4g} peer={b:.4g} unit={line.unit}"
            f" ratio={other / mine:.2f} rounds={self.rounds}", flush=True)


def torch_peer(function, *inputs, layout=None):
    """A peer's functions from one of PyTorch over arrays, in inference mode."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    tensors = [torch.from_numpy(np.array(x)) for x in inputs]
    results = []

    def run():
        with torch.inference_mode():
            y = function(*tensors)
        results[:] = y if isinstance(y, (tuple, list)) else [y]

    return run, lambda: [y.numpy() for y in results]


def onnx_session(model):
    """ONNX Runtime's session over a model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def onnx_peer(nodes, weights, x, outputs=("y",)):
    """A peer's functions from nodes of ONNX over an input `x` and constants."""
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        nodes, "bench",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.ascontiguousarray(w), name) for name, w in weights.items()])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnx_session(model)
    feed, results = {"x": np.ascontiguousarray(x)}, []

    def run():
        results[:] = session.run(None, feed)

    return run, lambda: results


def random(*shape, seed=1, scale=1.0):
    """Uniform numbers in -scale ..< scale."""
    generator = np.random.default_rng([seed, *shape])
    return (generator.random(shape, dtype=np.float32) * 2 - 1) * np.float32(scale)
