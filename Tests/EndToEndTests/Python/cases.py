# SPDX-License-Identifier: Apache-2.0
"""Cases of a suite that a foreign client runs: each has a name, each runs, the outcomes are printed as JSON."""
import inspect
import json
import traceback


class Cases:
    def __init__(self):
        self._cases = {}

    def case(self, function):
        """Adds a function as a case under its name."""
        self._cases[function.__name__] = function
        return function

    def add(self, name, function):
        self._cases[name] = function

    async def run_async(self):
        outcomes = {}
        for name, function in self._cases.items():
            try:
                result = function()
                if inspect.isawaitable(result):
                    await result
                outcomes[name] = "ok"
            except Exception as error:  # one case that fails does not keep the others from running
                place = traceback.extract_tb(error.__traceback__)[-1]
                outcomes[name] = f"{type(error).__name__}: {error} (line {place.lineno}: {place.line})"
        print(json.dumps(outcomes))

    def run(self):
        coroutine = self.run_async()
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise RuntimeError("a case waits; use run_async")


def refused(code, call):
    """Expects an InferenceServerException of this code and returns its message."""
    from tritonclient.utils import InferenceServerException

    try:
        call()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", f"{code} was expected, came {error}"
        return error.message()
    raise AssertionError(f"{code} was expected, the call succeeded")
