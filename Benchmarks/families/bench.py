# SPDX-License-Identifier: Apache-2.0
"""What the cases of bench-families share: data sets as files, our trainer, alternating rounds.

A case is a file of this folder with NAME, PEER and `cases(bench)`; see logistic_regression.py. Names
of cases are those of the `bench name=…` lines.
"""
import gzip
import json
import os
import pathlib
import shutil
import statistics
import struct
import subprocess
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]

TYPES = {
    "float32": "F32", "float64": "F64", "int32": "I32", "int64": "I64", "uint8": "U8",
}


def write_dataset(path, tensors):
    """Writes a data set: arrays by name `<split>/<column>`, and `categories/<column>` as lists."""
    arrays = {}
    for name, value in tensors.items():
        if isinstance(value, list):
            value = np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
        arrays[name] = np.ascontiguousarray(value)
    # Large elements first, so that every tensor is aligned.
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    header, end = {}, 0
    for name in order:
        array = arrays[name]
        header[name] = {
            "dtype": TYPES[array.dtype.name], "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(arrays[name].tobytes())


def read_tensors(path):
    """The tensors of a safetensors file."""
    types = {value: key for key, value in TYPES.items()}
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    result = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        result[name] = np.frombuffer(
            data[8 + length + begin : 8 + length + end], dtype=types[entry["dtype"]]
        ).reshape(entry["shape"])
    return result


class Bench:
    """One run of the benchmark: where files are, how many rounds and threads."""

    def __init__(self, executable, rounds=3, threads=2, quick=False):
        self.executable, self.rounds, self.threads, self.quick = executable, rounds, threads, quick
        self.directory = tempfile.mkdtemp(prefix="bench-families-")

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def dataset(self, name, tensors):
        """Writes a data set once and gives its path."""
        path = os.path.join(self.directory, name + ".safetensors")
        if not os.path.exists(path):
            write_dataset(path, tensors)
        return path

    def fashion(self, rows=60000):
        """Fashion-MNIST: (train images, labels, test images, labels), bytes, images as rows."""
        folder = os.environ.get("MASSIF_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")

        def read(name, offset):
            for path in (f"{folder}/{name}", f"{folder}/{name}.gz"):
                if os.path.exists(path):
                    with (gzip.open if path.endswith("gz") else open)(path, "rb") as file:
                        return np.frombuffer(file.read(), dtype=np.uint8, offset=offset)
            raise SystemExit(f"{folder}/{name}: not there; apt-get install dataset-fashion-mnist")

        rows = min(rows, 6000) if self.quick else rows
        train = read("train-images-idx3-ubyte", 16).reshape(-1, 784)[:rows]
        labels = read("train-labels-idx1-ubyte", 8)[:rows]
        test = read("t10k-images-idx3-ubyte", 16).reshape(-1, 784)
        return train, labels, test, read("t10k-labels-idx1-ubyte", 8)

    def real(self, name):
        """The folder with the files of a data set that scripts/dataset makes; made once, in .data."""
        folder = ROOT / ".data" / name
        if not folder.exists():
            partial = ROOT / ".data" / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            subprocess.run([ROOT / "scripts/dataset", name, partial], check=True, stdout=subprocess.DEVNULL)
            partial.rename(folder)
        return folder

    def fit(self, dataset, plugin, configuration, seed=0, export=None, threads=None):
        """Trains with our trainer in a process of its own; the seconds are those of the fit."""
        command = [
            self.executable, dataset, plugin, json.dumps(configuration), "--seed", str(seed),
            "--threads", str(threads or self.threads),
        ]
        if export:
            shutil.rmtree(export, ignore_errors=True)
            command += ["--export", export]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        result = json.loads(output)
        result["seconds"] = result["prepare_seconds"] + result["fit_seconds"]
        return result

    def compare(self, name, ours, peer, note=None):
        """Runs both in alternating rounds and prints the line; each returns (seconds, what).

        `note(ours, peer)` says in words whether the results are equally good.
        """
        own, other = [], []
        for _ in range(self.rounds):
            seconds, what = ours()
            own.append(seconds)
            seconds, reference = peer()
            other.append(seconds)
        a, b = statistics.median(own), statistics.median(other)
        if note:
            print(f"# {name}: {note(what, reference)}", flush=True)
        print(
            f"bench name={name} ours={a:.4g} peer={b:.4g} unit=s ratio={b / a:.2f}"
            f" rounds={self.rounds}",
            flush=True,
        )


def timed(body):
    """The seconds that `body` takes, and its result."""
    start = time.perf_counter()
    result = body()
    return time.perf_counter() - start, result
