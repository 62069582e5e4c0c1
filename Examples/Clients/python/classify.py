#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Classify images with a deployed Massif model, using the unmodified tritonclient over mutual TLS.

    pip install 'tritonclient[grpc]' numpy
    D=/usr/share/datasets/fashion-mnist
    ./classify.py --server 127.0.0.1:8001 --certificates ../../../certs/dev --model fashion \\
        --images $D/t10k-images-idx3-ubyte.gz --labels $D/t10k-labels-idx1-ubyte.gz
"""
import argparse
import collections
import gzip
import json
import pathlib
import queue
import sys
import time

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def arguments():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--server", default="127.0.0.1:8001", help="HOST:PORT")
    p.add_argument("--certificates", default="certs/dev", type=pathlib.Path,
                   help="the directory with ca.pem and NAME.pem, NAME.key")
    p.add_argument("--as", dest="name", default="alice", help="whose certificate to use")
    p.add_argument("--model", required=True, help="MODEL or TEAM/MODEL")
    p.add_argument("--version", default="", help="a version; the served one if not given")
    p.add_argument("--images", required=True, help="an IDX file, gzip or not")
    p.add_argument("--labels", required=True, help="an IDX file, gzip or not")
    p.add_argument("--batch", type=int, default=50, help="images in a request")
    p.add_argument("--concurrency", type=int, default=4, help="requests at a time")
    p.add_argument("--json", action="store_true", help="one JSON document, with every class")
    options = p.parse_args()
    if options.batch < 1 or options.concurrency < 1:
        p.error("--batch and --concurrency: expected 1 or more")
    return options


def read_idx(path):
    """An IDX file of bytes as an array."""
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rb") as file:
        content = file.read()
    zero, dtype, rank = int.from_bytes(content[:2], "big"), content[2], content[3]
    if zero != 0 or dtype != 8:
        sys.exit(f"{path}: expected an IDX file of bytes")
    shape = [int.from_bytes(content[4 + 4 * i:8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def connect(options):
    directory = options.certificates
    return triton.InferenceServerClient(
        options.server, ssl=True,
        root_certificates=str(directory / "ca.pem"),
        private_key=str(directory / f"{options.name}.key"),
        certificate_chain=str(directory / f"{options.name}.pem"))


def submit(client, options, signature, batch):
    """Starts a request; returns a function that waits for its answer."""
    tensor = triton.InferInput(signature.name, list(batch.shape), signature.datatype)
    tensor.set_data_from_numpy(np.ascontiguousarray(batch))
    answers = queue.SimpleQueue()
    client.async_infer(
        options.model, [tensor], lambda result, error: answers.put((result, error)),
        model_version=options.version)

    def wait():
        result, error = answers.get()
        if error is not None:
            raise error
        return result

    return wait


def classify(client, options, images):
    """The best class of each image, and the number of requests."""
    metadata = client.get_model_metadata(options.model, options.version)
    signature, output = metadata.inputs[0], metadata.outputs[0].name
    sample = list(signature.shape[1:])  # the first extent counts images
    images = images.reshape([-1] + sample).astype(triton_to_np_dtype(signature.datatype))

    def best(wait):
        return wait().as_numpy(output).argmax(axis=1).tolist()

    # A window of requests: when it is full, the oldest is waited for.
    classes, window = [], collections.deque()
    starts = range(0, len(images), options.batch)
    for start in starts:
        if len(window) == options.concurrency:
            classes += best(window.popleft())
        window.append(submit(client, options, signature, images[start:start + options.batch]))
    while window:
        classes += best(window.popleft())
    return classes, len(starts)


def main():
    options = arguments()
    images, labels = read_idx(options.images), read_idx(options.labels)
    if len(images) != len(labels):
        sys.exit(f"{options.labels}: expected {len(images)} labels, came {len(labels)}")
    with connect(options) as client:
        start = time.perf_counter()
        try:
            classes, requests = classify(client, options, images)
        except InferenceServerException as error:
            sys.exit(f"error: {error.status()}: {error.message()}")
        seconds = time.perf_counter() - start
    correct = int((np.array(classes) == labels).sum())
    accuracy = correct / len(labels)
    if options.json:
        print(json.dumps({
            "model": options.model, "images": len(labels), "classes": classes, "correct": correct,
            "accuracy": accuracy, "requests": requests, "batch": options.batch,
            "seconds": seconds, "requests_per_second": requests / seconds,
            "images_per_second": len(labels) / seconds}))
    else:
        print(f"accuracy   {accuracy:.4f}  ({correct:,} of {len(labels):,})")
        print(f"requests   {requests:,} of {options.batch}, {options.concurrency} at a time, "
              f"{seconds:.2f} s")
        print(f"speed      {requests / seconds:,.0f} requests/s, "
              f"{len(labels) / seconds:,.0f} images/s")


if __name__ == "__main__":
    main()
