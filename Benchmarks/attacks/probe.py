# SPDX-License-Identifier: Apache-2.0
"""A server to measure, and a healthy client in a process of its own that measures it."""
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import time

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "Tests/EndToEndTests/Python"))

import http2  # noqa: E402


class Server:
    """`massif serve` on a port of its own, stopped when the `with` block ends."""

    def __init__(self, massif, directory, *options):
        self.directory = pathlib.Path(directory)
        self.certificates = self.directory / "certificates"
        subprocess.run([massif, "certs", "init", "--directory", self.certificates], check=True,
                       stdout=subprocess.DEVNULL)
        self.log = self.directory / "server.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [massif, "serve", "--listen", "127.0.0.1:0", "--data-directory", self.directory / "data",
                 "--certificates", self.certificates, *options], stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        match = re.match(r"massif serving on (\S+)", line)
        if not match:
            self.stop()
            sys.exit(f"bench: the server did not start: {line!r}\n{self.log.read_text()}")
        self.address = match.group(1)

    @property
    def arguments(self):
        """What the peers of http2.py take."""
        return http2.parser("").parse_args(["--server", self.address, "--certificates", str(self.certificates)])

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def calls(arguments, pipe, pause):
    """One small call after the other until told to stop; sends the latencies in seconds."""
    peer = http2.Peer(arguments)
    latencies, stream = [], 1
    while not pipe.poll():
        begin = time.perf_counter()
        peer.send(http2.request(stream))
        kind, value = peer.outcome(stream)
        if kind != "status" or value.get("grpc-status") != "0":
            pipe.send(f"a healthy call ended with {kind} {value}")
            return
        latencies.append(time.perf_counter() - begin)
        stream += 2
        time.sleep(pause)
    pipe.send(latencies)


class Probe:
    """A healthy client; `stop` gives the latencies of its calls."""

    def __init__(self, arguments, pause=0.001):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=calls, args=(arguments, theirs, pause), daemon=True)
        self.process.start()

    def stop(self):
        self.pipe.send("stop")
        result = self.pipe.recv()
        self.process.join(10)
        if isinstance(result, str):
            sys.exit(f"bench: {result}")
        return result


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def release_build():
    """Builds and finds the release binary."""
    path = subprocess.run(["scripts/build-release", "massif"], check=True, cwd=root,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
    return pathlib.Path(path) / "massif"
