#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train a Massif model in Gymnasium environments of this process, with plain grpcio over mutual TLS.

    pip install gymnasium grpcio grpcio-tools protobuf
    ./gymnasium_environments.py --server 127.0.0.1:8001 --certificates ../../../certs/dev \\
        --environment CliffWalking-v1 --plugin q-learning --model cliff --count 4
    ./gymnasium_environments.py ... --environment CartPole-v1 --plugin dqn --model pole \\
        --configuration '{"epochs": 4, "steps_per_epoch": 5000}'

The server commands (reset, step) and the environments answer. A lost connection is opened again; the result of the
last command of each environment is kept until the next command acknowledges it, so no step is lost or made twice.
Ctrl-C leaves the job waiting for its environments; --job ID lends them again, from new episodes.
"""
import argparse
import importlib
import json
import pathlib
import queue
import sys
import tempfile
import time

import grpc
import gymnasium
import numpy as np

PROTOS = pathlib.Path(__file__).resolve().parents[3] / "proto"


def stubs():
    """The generated modules of environments.proto and jobs.proto, made in a temporary folder."""
    from grpc_tools import protoc

    folder = tempfile.TemporaryDirectory()
    names = ["massif/v1/common.proto", "massif/v1/jobs.proto", "massif/v1/environments.proto"]
    google = pathlib.Path(importlib.import_module("grpc_tools").__file__).parent / "_proto"
    status = protoc.main(
        ["protoc", f"-I{PROTOS}", f"-I{google}", f"--python_out={folder.name}",
         f"--grpc_python_out={folder.name}", *names])
    if status != 0:
        sys.exit(f"protoc failed on {', '.join(names)}")
    sys.path.insert(0, folder.name)
    modules = [importlib.import_module(f"massif.v1.{name}") for name in (
        "environments_pb2", "environments_pb2_grpc", "jobs_pb2", "jobs_pb2_grpc")]
    folder.cleanup()
    return modules


class Lender:
    """Carries a learner's commands out, each once, however often it is told."""

    def __init__(self, environments, messages):
        self.environments, self.messages = environments, messages
        self.session, self.last = "", [None] * len(environments)
        self.resets = self.steps = self.repeated = 0

    def begin(self, session):
        """Another session is another worker, which begins anew."""
        if session != self.session:
            self.session, self.last = session, [None] * len(self.environments)

    def perform(self, commands):
        return [self.answer(command) for command in commands]

    def answer(self, command):
        index, last = command.environment, self.last[command.environment]
        done = last.command if last is not None else 0
        if last is not None and command.number == done:
            self.repeated += 1
            return last
        if command.number != done + 1:
            raise RuntimeError(f"environment {index}: expected command {done + 1}, came {command.number}")
        result = self.messages.EnvironmentResult(environment=index, command=command.number)
        try:
            self.carry_out(command, self.environments[index], result)
        except Exception as error:  # the training fails with it
            result.failure = f"{type(error).__name__}: {error}"[:1000]
        self.last[index] = result
        return result

    def carry_out(self, command, environment, result):
        if command.WhichOneof("command") == "reset":
            seed = command.reset.seed % 2**31 if command.reset.HasField("seed") else None
            observation, _ = environment.reset(seed=seed)
            self.resets += 1
        else:
            observation, reward, terminated, truncated, _ = environment.step(command.action)
            result.reward, result.terminated, result.truncated = float(reward), bool(terminated), bool(truncated)
            self.steps += 1
        if isinstance(environment.observation_space, gymnasium.spaces.Discrete):
            result.state = int(observation)
        else:
            result.box = np.ascontiguousarray(observation, dtype="<f4").tobytes()


def specification(messages, environment, count):
    """What the environments are like, for the stream and for the job's configuration."""
    if not isinstance(environment.action_space, gymnasium.spaces.Discrete):
        sys.exit(f"expected discrete actions, came {environment.action_space}")
    actions = int(environment.action_space.n)
    space = environment.observation_space
    result = messages.EnvironmentSpecification(count=count, actions=actions)
    if isinstance(space, gymnasium.spaces.Discrete):
        result.states = int(space.n)
        observation = {"type": "states", "count": int(space.n)}
    elif isinstance(space, gymnasium.spaces.Box):
        result.box.shape.extend(int(n) for n in space.shape)
        observation = {"type": "box", "shape": [int(n) for n in space.shape]}
    else:
        sys.exit(f"expected discrete or box observations, came {space}")
    return result, {"type": "remote", "count": count, "actions": actions, "observation": observation}


def lend(channel, modules, lender, offer, job, cut_after=0, leave_after=0, patience=60.0):
    """Lends environments until the job has ended; opens the stream again when it is lost.

    cut_after: for tests, cut the stream after so many results, before and after they are sent in turns.
    leave_after: for tests, leave as Ctrl-C does after so many.
    """
    messages, services = modules[0], modules[1]
    deadline, cuts = time.monotonic() + patience, 0
    while True:
        outgoing = queue.SimpleQueue()
        attach = messages.EnvironmentMessage()
        attach.attach.job = job
        attach.attach.session = lender.session
        attach.attach.specification.CopyFrom(offer)
        outgoing.put(attach)
        call = services.EnvironmentsStub(channel).Connect(iter(outgoing.get, None))
        answered = 0
        try:
            for message in call:
                deadline = time.monotonic() + patience
                kind = message.WhichOneof("message")
                if kind == "attached":
                    lender.begin(message.attached.session)
                elif kind == "ended":
                    outgoing.put(None)
                    return message.ended.job
                else:
                    results = messages.EnvironmentMessage()
                    results.results.results.extend(lender.perform(message.commands.commands))
                    answered += 1
                    if answered == leave_after:
                        raise KeyboardInterrupt
                    is_due = cut_after and answered >= cut_after
                    if not (is_due and cuts % 2 == 0):
                        outgoing.put(results)
                    if is_due:
                        cuts += 1
                        call.cancel()
        except KeyboardInterrupt:
            outgoing.put(None)
            call.cancel()
            raise
        except grpc.RpcError as error:
            outgoing.put(None)
            is_ours = cut_after and error.code() == grpc.StatusCode.CANCELLED
            if not is_ours and error.code() != grpc.StatusCode.UNAVAILABLE:
                sys.exit(f"{error.code().name}: {error.details()}")
            if time.monotonic() > deadline:
                sys.exit(f"the server has not come back for {patience:.0f} s: {error.details()}")
            if not is_ours:
                print(f"connection lost ({error.details()}); trying again", file=sys.stderr)
                time.sleep(0.5)


def submit(channel, modules, options, configuration):
    request = modules[2].SubmitJobRequest()
    request.specification.model = options.model
    request.specification.plugin = options.plugin
    request.specification.configuration = json.dumps(configuration)
    request.specification.seed = options.seed
    try:
        return modules[3].JobsStub(channel).SubmitJob(request).id
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--server", default="127.0.0.1:8001", help="HOST:PORT")
    p.add_argument("--certificates", default="certs/dev", type=pathlib.Path,
                   help="the directory with ca.pem and NAME.pem, NAME.key")
    p.add_argument("--as", dest="name", default="alice", help="whose certificate to use")
    p.add_argument("--environment", required=True, help="a Gymnasium environment, such as CliffWalking-v1")
    p.add_argument("--arguments", default="{}", type=json.loads, help="of the environment, JSON")
    p.add_argument("--count", type=int, default=1, help="how many of them")
    p.add_argument("--plugin", default="q-learning", help="q-learning, sarsa or dqn")
    which = p.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="the model that gets the trained version")
    which.add_argument("--job", help="lend environments to this job, which was submitted before")
    p.add_argument("--configuration", default="{}", type=json.loads, help="the rest of the configuration, JSON")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--cut-after", type=int, default=0, help="for tests: cut the stream after so many answers")
    p.add_argument("--leave-after", type=int, default=0, help="for tests: leave after so many answers, as Ctrl-C does")
    p.add_argument("--json", action="store_true", help="one JSON document")
    options = p.parse_args()

    modules = stubs()
    files = [(options.certificates / name).read_bytes()
             for name in ("ca.pem", f"{options.name}.key", f"{options.name}.pem")]
    credentials = grpc.ssl_channel_credentials(*files)
    environments = [gymnasium.make(options.environment, **options.arguments) for _ in range(options.count)]
    offer, remote = specification(modules[0], environments[0], options.count)
    configuration = {**options.configuration}
    configuration["environment"] = {**remote, **configuration.get("environment", {})}

    with grpc.secure_channel(options.server, credentials) as channel:
        identifier = options.job or submit(channel, modules, options, configuration)
        print(f"lending {options.count} × {options.environment} to job {identifier}", file=sys.stderr)
        lender = Lender(environments, modules[0])
        try:
            job = lend(channel, modules, lender, offer, identifier, options.cut_after, options.leave_after)
        except KeyboardInterrupt:
            print(f"\njob {identifier} waits for its environments; go on with --job {identifier} instead of --model, or end "
                  f"it with: massif jobs cancel {identifier}", file=sys.stderr)
            return 130

    state = modules[2].JobState.Name(job.state).removeprefix("JOB_STATE_")
    metrics = {m.name: m.value for m in job.epochs[-1].metrics} if job.epochs else {}
    if options.json:
        print(json.dumps({
            "job": job.id, "state": state, "version": job.version, "error": job.error, "metrics": metrics,
            "steps": lender.steps, "resets": lender.resets, "repeated": lender.repeated}))
    else:
        outcome = job.error or (f"{job.specification.model}@{job.version}" if job.version else "")
        print(f"job {job.id} {state}" + (f": {outcome}" if outcome else ""))
        print(", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
        print(f"{lender.steps} steps, {lender.resets} episodes, {lender.repeated} answers given again")
    return 0 if state == "SUCCEEDED" else 1


if __name__ == "__main__":
    sys.exit(main())
