# SPDX-License-Identifier: Apache-2.0
"""DQN on CartPole beside Stable-Baselines3, both with settings that learn: steps in the environment a second.

The peer's settings are those of RL Baselines3 Zoo for CartPole-v1; ours are the same (network 256-256, batch 64, 128 steps of learning
every 256 steps), and besides, as dqn_small, ours with the network that is enough. The peer has as many threads as serve it best. What was
learned is played in Gymnasium's own environment, 100 episodes, by a forward pass in numpy over the exported weights: dqn_return.
"""
import json
import os
import pathlib
import statistics
import subprocess
import time

PEER = "Stable-Baselines3 2.9.2 on PyTorch"
ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = 50000
SOLVED = 475

PROGRAM = """
import json, sys, time
import gymnasium, torch
from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy
steps, threads = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
environment = gymnasium.make("CartPole-v1")
model = DQN("MlpPolicy", environment, learning_rate=2.3e-3, batch_size=64, buffer_size=100000, learning_starts=1000,
            gamma=0.99, target_update_interval=10, train_freq=256, gradient_steps=128, exploration_fraction=0.16,
            exploration_final_eps=0.04, policy_kwargs={"net_arch": [256, 256]}, seed=1, device="cpu")
start = time.perf_counter()
model.learn(steps)
seconds = time.perf_counter() - start
mean, _ = evaluate_policy(model, environment, n_eval_episodes=100)
print(json.dumps({"steps_per_second": steps / seconds, "mean_return": mean}))
"""

PLAY = """
import json, sys
import gymnasium, numpy as np
layers = [(np.array(w, dtype=np.float32), np.array(b, dtype=np.float32)) for w, b in json.load(sys.stdin)]
environment = gymnasium.make("CartPole-v1")
returns = []
for episode in range(100):
    x, _ = environment.reset(seed=10000 + episode)
    total, ended = 0.0, False
    while not ended:
        for index, (weights, bias) in enumerate(layers):
            x = x @ weights + bias
            if index + 1 < len(layers):
                x = np.maximum(x, 0)
        x, reward, terminated, truncated, _ = environment.step(int(np.argmax(x)))
        total, ended = total + reward, terminated or truncated
    returns.append(total)
print(json.dumps(sum(returns) / len(returns)))
"""


def configuration(hidden, steps):
    return {
        "environment": {"type": "cart_pole"}, "network": {"hidden": hidden}, "learning_rate": 0.0023, "batch_size": 64,
        "replay": {"capacity": 100000}, "learning_starts": 1000, "train_frequency": 256, "gradient_steps": 128,
        "target_update_interval": 256, "exploration": {"initial": 1, "final": 0.04, "fraction": 0.16},
        "double": False, "epochs": 1, "steps_per_epoch": steps, "evaluation_episodes": 0,
    }


def cases(bench):
    from bench import read_tensors

    python = subprocess.run(
        [ROOT / "scripts/venv", "bench-dqn"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    steps = STEPS // 10 if bench.quick else STEPS

    def run(program, *arguments, text=None):
        output = subprocess.run(
            [python, "-c", program, *map(str, arguments)], input=text, check=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True).stdout
        return json.loads(output.splitlines()[-1])

    trials = {n: run(PROGRAM, 3000, n)["steps_per_second"] for n in sorted({1, bench.threads})}
    threads = max(trials, key=trials.get)
    own, small, other = [], [], []
    for _ in range(bench.rounds):
        for hidden, into in (([256, 256], own), ([64, 64], small)):
            result = bench.fit("-", "dqn", configuration(hidden, steps), seed=1)
            into.append(steps / result["fit_seconds"])
        theirs = run(PROGRAM, steps, threads)
        other.append(theirs["steps_per_second"])
    for name, values in (("dqn", own), ("dqn_small", small)):
        a, b = statistics.median(values), statistics.median(other)
        print(
            f"bench name={name} ours={a:.4g} peer={b:.4g} unit=steps/s ratio={a / b:.2f} rounds={bench.rounds}",
            flush=True)
    # The return: the same training with evaluations, whose best network is kept, as the peer's callback would.
    folder = os.path.join(bench.directory, "dqn")
    learned = {**configuration([256, 256], steps // 10), "epochs": 10, "evaluation_episodes": 20}
    start = time.perf_counter()
    bench.fit("-", "dqn", learned, seed=1, export=folder)
    seconds = time.perf_counter() - start
    weights = read_tensors(os.path.join(folder, "weights.safetensors"))
    layers = [[weights[f"layers.{i}.{name}"].tolist() for name in ("weight", "bias")] for i in range(3)]
    value = run(PLAY, text=json.dumps(layers))
    print(f"# {steps} steps in {seconds:.1f} s; the peer's mean return after as many, its last network: {theirs['mean_return']:.1f}"
          f", with {threads} thread(s)")
    print(f"bench name=dqn_return ours={value:.4g} peer={SOLVED} unit=return ratio={value / SOLVED:.2f} rounds=1", flush=True)
