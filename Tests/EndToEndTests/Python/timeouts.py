# SPDX-License-Identifier: Apache-2.0
"""Sends grpc-timeout headers that no gRPC library would send, with curl; prints the grpc-status of each as JSON.

    timeouts.py PORT CA CERTIFICATE KEY
"""
import json
import re
import subprocess
import sys

port, authority, certificate, key = sys.argv[1:]
TAKEN = ["1H", "1M", "30S", "30000m", "30000000u", "99999999H", "00000001H"]
PASSED = ["0H", "0M", "0S", "0m", "0u", "0n", "00000000n"]
MALFORMED = ["100000000n", "123456789S", "1", "S", "1s", "1x", "-1S", "+1S", "1.5S", "1 S", "0x1S"]


def status(timeout, body):
    command = [
        "curl", "--silent", "--show-error", "--http2", "--max-time", "30", "--cacert", authority,
        "--cert", certificate, "--key", key, "--dump-header", "-", "--output", "/dev/null",
        "-H", "content-type: application/grpc", "-H", "te: trailers",
        "-H", f"grpc-timeout: {timeout}", "-X", "POST"]
    if body:
        command += ["--data-binary", "@-"]
    url = f"https://localhost:{port}/grpc.testing.TestService/EmptyCall"
    result = subprocess.run(command + [url], input=bytes(5), capture_output=True)
    found = re.search(rb"(?mi)^grpc-status: *(\d+)", result.stdout)
    return int(found.group(1)) if found else (result.stdout + result.stderr).decode(errors="replace")


# What is refused on its headers needs no body: whether curl would still send it is a race.
print(json.dumps({
    "taken": {t: status(t, body=True) for t in TAKEN},
    "passed": {t: status(t, body=False) for t in PASSED},
    "malformed": {t: status(t, body=False) for t in MALFORMED},
}))
