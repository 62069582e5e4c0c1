# SPDX-License-Identifier: Apache-2.0
"""Cuts the first images and labels out of Fashion-MNIST's IDX files, so that a test trains in seconds.

    subset.py DIRECTORY OUTPUT TRAIN TEST
"""
import gzip
import pathlib
import struct
import sys

source, output = map(pathlib.Path, sys.argv[1:3])
counts = {"train": int(sys.argv[3]), "t10k": int(sys.argv[4])}
for prefix, count in counts.items():
    for kind, header, size in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
        data = gzip.open(source / f"{prefix}-{kind}-ubyte.gz").read(header + count * size)
        if len(data) != header + count * size:
            sys.exit(f"subset: {prefix}-{kind} has fewer than {count} items")
        cut = data[:4] + struct.pack(">I", count) + data[8:]
        with gzip.open(output / f"{prefix}-{kind}-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(cut)
