#!/usr/bin/python3
"""The load that one core has to bear: N relays (1,000), `chat` each every 10 s on kept connections, `models` and `reach` every 30 s.

Prints CPU, memory and lateness of probed; then the relays are stopped (SIGSTOP) for a while and go on: no crash, no growth, no herd. LOAD_RELAYS,
LOAD_SECONDS (40) and LOAD_STOP (60) change the size.
"""
import os
import signal
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
from daemon import Probed  # noqa: E402
from relaysim import Relaysim  # noqa: E402

RELAYS = int(os.environ.get("LOAD_RELAYS", "1000"))
SECONDS = int(os.environ.get("LOAD_SECONDS", "40"))
STOP = int(os.environ.get("LOAD_STOP", "60"))
HEAD = """
vantage: bench
budget: 1000000 USD/day
concurrency: 2000
platform_concurrency: 4
models: {m: {}}
policies:
  production: {second: 0.0375, money: 0.025}
probes:
  reach: {interval: 30s, timeouts: {total: 10s}}
  models: {interval: 30s, fast: 30s, timeouts: {total: 10s}}
  chat: {interval: 10s, fast: 10s, slow: 10s, timeouts: {total: 9s}}
platforms:
"""


def usage(pid):
    """(CPU seconds, resident MiB, descriptors) of a process."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/status") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss / 1024, len(os.listdir(f"/proc/{pid}/fd"))


def sample(daemon, seconds, what):
    before, sent = usage(daemon.process.pid), daemon.status()["probes"]["sent"]
    time.sleep(seconds)
    after, status = usage(daemon.process.pid), daemon.status()
    n = sum(status["probes"]["sent"].values()) - sum(sent.values())
    cpu = after[0] - before[0]
    print(f"{what}: {n / seconds:.0f} probes/s, {cpu / seconds:.1%} of one core, {cpu / max(n, 1) * 1e6:.0f} us CPU a probe, {after[1]:.0f} MiB, {after[2]} descriptors, "
          f"in flight {status['probes']['in_flight']}, queued {status['probes']['queued']}, latest start {status['probes']['late_ms_max']:.1f} ms late, "
          f"timers at most {status['loop']['lag_ms_max']:.0f} ms late, loop stalls {status['loop']['stalls']} (worst {status['loop']['worst_ms']:.1f} ms: {status['loop']['worst_of']})", flush=True)
    return status


def main():
    names = [f"r{i:04}" for i in range(RELAYS)]
    with Relaysim([{"name": n, "family": "openai", "models": ["m"]} for n in names],
                  behaviour={"first_token": {"lognormal": [300, 0.2]}, "gap": 5, "tokens": 8}) as sim:
        config = HEAD + "".join(
            f"  {n}: {{endpoints: ['{sim.url(n)}/v1'], key: {{required: false}}, "
            f"models: {{m: {{price: {{input: 0.1 USD/1M, output: 0.4 USD/1M}}}}}}}}\n" for n in names)
        with Probed(config, start=False) as daemon:
            daemon.quiet = True
            daemon.start()
            sample(daemon, 15, "warm-up")
            steady = sample(daemon, SECONDS, f"{RELAYS} relays")
            os.kill(sim.process.pid, signal.SIGSTOP)
            try:
                sample(daemon, STOP, f"relays stopped for {STOP} s")
            finally:
                os.kill(sim.process.pid, signal.SIGCONT)
            herd = 0
            for _ in range(50):
                herd = max(herd, daemon.status()["probes"]["in_flight"])
                time.sleep(0.1)
            print(f"after they go on: at most {herd} probes in flight at once in 5 s")
            after = sample(daemon, SECONDS, "afterwards")
            states = {name: n for name, n in after["routes"].items() if n and name != "total"}
            print(f"{RELAYS} routes are now: " + ", ".join(f"{n} {name}" for name, n in states.items()))
            return 0 if after["probes"]["queued"] == 0 and steady["probes"]["queued"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
