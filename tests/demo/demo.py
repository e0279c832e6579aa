#!/usr/bin/python3
"""make demo: the real probed on the shipped configuration, with nine simulated relays in the places of the real ones and a script of incidents.

On a terminal the ranked table is live (routectl watch), with what happens told below it; elsewhere the table is printed at each change. DEMO_SECONDS bounds
it (90 by default), DEMO_MODEL chooses the model. Everything listens on loopback, lives in one temporary directory, and ends with this program.
"""
import argparse
import fcntl
import glob
import json
import os
import pty
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
import relaysim  # noqa: E402
from daemon import request  # noqa: E402

MODEL = os.environ.get("DEMO_MODEL", "gpt-4o-mini")
STORY_LINES = 9
# What each simulated relay is like on a good day: error bodies, first token (ms, lognormal), input price (USD per million tokens of gpt-4o-mini).
RELAYS = {
    "poloapi": ("newapi", 340, 0.120), "openrouter": ("openrouter", 300, 0.150), "siliconflow": ("siliconflow", 260, 0.140),
    "dmxapi": ("dmxapi", 420, 0.110), "4sapi": ("newapi", 460, 0.095), "aihubmix": ("aihubmix", 330, 0.145),
    "apiyi": ("apiyi", 380, 0.125), "whatai": ("newapi", 520, 0.090), "explinks": ("openai", 240, 0.160),
}
# A model's price as a multiple of gpt-4o-mini's.
CNY = 0.14
FACTOR = {"gpt-4o-mini": 1, "gpt-5-mini": 2, "claude-sonnet-4-5": 20, "deepseek-v3": 2, "qwen3": 1, "qwen3-vl": 1}


class Interrupted(Exception):
    pass


def derive(directory, sim):
    """The shipped configuration with the relays' addresses, keys, simulated prices and a pace of seconds."""
    with open(os.path.join(TOP, "etc/probed.yaml")) as f:
        main = yaml.safe_load(f)
    main.update(include=["policies.yaml", "platforms/*.yaml"], vantage="demo", state_dir=os.path.join(directory, "state"),
                socket=os.path.join(directory, "probed.sock"), budget={"all": "100000 USD/day"}, lease="10s", health={"samples": 10})
    for name in ("socket_mode", "self_check"):
        main.pop(name, None)
    main["probes"] = {
        "reach": {"interval": "1s", "fast": "500ms", "slow": "2s", "timeouts": {"connect": "300ms", "headers": "400ms", "total": "450ms"}},
        "models": {"interval": "3s", "fast": "1s", "slow": "4s", "timeouts": {"connect": "300ms", "headers": "800ms", "total": "900ms"}},
        "chat": {"interval": "1400ms", "fast": "400ms", "slow": "3s",
                 "timeouts": {"connect": "400ms", "headers": "1250ms", "first": "1250ms", "stall": "800ms", "total": "1350ms"}},
        "price": {"interval": "1s", "fast": "500ms", "slow": "2s", "timeouts": {"connect": "300ms", "headers": "800ms", "total": "900ms"}},
        "balance": {"interval": "2s", "fast": "500ms", "slow": "4s", "timeouts": {"connect": "300ms", "headers": "800ms", "total": "900ms"}},
        "burst": {"interval": "15s", "size": 4,
                  "timeouts": {"connect": "400ms", "headers": "1250ms", "first": "1250ms", "stall": "800ms", "total": "1350ms"}},
    }
    os.makedirs(os.path.join(directory, "platforms"))
    write_yaml(os.path.join(directory, "probed.yaml"), main)
    shutil.copy(os.path.join(TOP, "etc/policies.yaml"), directory)
    for path in sorted(glob.glob(os.path.join(TOP, "etc/platforms/*.yaml"))):
        derive_platform(path, directory, sim)


def usd(name, value):
    """A relay's own unit for so many USD: DMXAPI counts in CNY."""
    return value / CNY if name == "dmxapi" else value


def set_prices(sim, name, models, dearer=1):
    """What the relay's own price list says, and what it charges."""
    for model, upstream in models.items():
        cost = usd(name, RELAYS[name][2] * FACTOR.get(model, 1) * dearer)
        sim.set(name, model=upstream, price_input=cost, price_output=cost * 4)


def has_list(platform):
    source = platform.get("price_source", "config")
    return (source["source"] if isinstance(source, dict) else source) not in ("config", "none")


def derive_sources(name, platform):
    """The shipped sources; a site's dollar is a dollar here, and keys that are not the platform's come from the same variable."""
    for what in ("price_source", "balance_source"):
        source = platform.get(what)
        source = dict(source) if isinstance(source, dict) else {"source": source}
        if source["source"] in ("config", "none"):
            continue
        source["currency"] = "CNY" if name in ("dmxapi", "siliconflow") else "USD"
        if "key" in source:
            source["key"] = {"env": "DEMO_KEY"}
        platform[what] = source


def derive_platform(path, directory, sim, dearer=1):
    with open(path) as f:
        everything = yaml.safe_load(f)
    for name, platform in everything["platforms"].items():
        price = RELAYS[name][2]
        dialects = {e.get("dialect", "openai") for e in platform["endpoints"] if isinstance(e, dict)} | {"openai"}
        platform["endpoints"] = [{"url": sim.url(name) + "/v1"}]
        if "anthropic" in dialects:
            platform["endpoints"].append({"url": sim.url(name), "dialect": "anthropic"})
        platform.update(level="chat", key={"env": "DEMO_KEY"})
        derive_sources(name, platform)
        platform.pop("probes", None)
        models = platform.get("models") or {}
        if name == "explinks":
            models = {m: m for m in FACTOR}
        platform["models"] = {}
        for model, entry in models.items():
            entry = dict(entry) if isinstance(entry, dict) else {"upstream": entry or model}
            cost = price * FACTOR.get(model, 1) * dearer
            entry.pop("price", None)
            if not has_list(platform):
                entry["price"] = {"input": f"{cost:.4f} USD/1M", "output": f"{cost * 4:.4f} USD/1M"}
            entry.pop("level", None)
            entry.pop("max_probe_cost", None)
            if entry.get("dialect") == "anthropic" and "anthropic" not in dialects:
                entry.pop("dialect")
            platform["models"][model] = entry
        upstream = {m: e.get("upstream", m) for m, e in platform["models"].items()}
        sim.set_models(name, list(upstream.values()))
        set_prices(sim, name, upstream, dearer)
    write_yaml(os.path.join(directory, "platforms", os.path.basename(path)), everything)


def write_yaml(path, value):
    with open(path + ".new", "w") as f:
        yaml.safe_dump(value, f, allow_unicode=True, sort_keys=False)
    os.rename(path + ".new", path)


class Screen:
    """Where the demonstration is seen: `routectl watch` in a terminal of its own above, the story below; or plain lines."""

    def __init__(self, command, env):
        self.live = sys.stdout.isatty() and sys.stdin.isatty()
        self.story, self.master, self.child = [], None, None
        self.command, self.env = command, env

    def start(self):
        if not self.live:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self.env)
            self.master = self.child.stdout.fileno()
        else:
            self.rows, self.columns = os.get_terminal_size().lines, os.get_terminal_size().columns
            self.master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", max(8, self.rows - STORY_LINES), self.columns, 0, 0))
            self.child = subprocess.Popen(self.command, stdin=slave, stdout=slave, stderr=slave, env=self.env, start_new_session=True)
            os.close(slave)
        os.set_blocking(self.master, False)

    def turn(self, seconds):
        """Shows what there is to show for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], min(left, 0.2))[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except (BlockingIOError, OSError):
                continue
            if not data:
                time.sleep(min(left, 0.05))
                continue
            self.put(data)
            if self.live:
                self.draw()

    @staticmethod
    def put(data):
        os.set_blocking(sys.stdout.fileno(), True)
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def tell(self, line, mark=""):
        stamp = time.strftime("%H:%M:%S")
        self.story.append((f"{stamp} {line}", mark))
        if self.live:
            self.draw()
        else:
            self.put((f">> {stamp} {line}\n").encode())

    def draw(self):
        out = f"\033[{self.rows - STORY_LINES + 1};1H\033[2m{'─' * self.columns}\033[0m"
        for i, (line, mark) in enumerate(self.story[-(STORY_LINES - 1):]):
            colour = "" if os.environ.get("NO_COLOR") else mark
            out += f"\033[{self.rows - STORY_LINES + 2 + i};1H\033[K{colour}{line[:self.columns - 1]}\033[0m"
        self.put(out.encode())

    def end(self):
        if self.child and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self.live and self.master is not None:
            self.put(f"\033[?25h\033[?7h\033[0m\033[{self.rows};1H\n".encode())


class Demo:
    def __init__(self, build, seconds):
        self.build, self.seconds = build, seconds
        self.directory = tempfile.mkdtemp(prefix="probed-demo-")
        self.good_day = {name: {"first_token": {"lognormal": [ttft, 0.15]}, "gap": 3, "tokens": 6, "comments": 2}
                         for name, (_, ttft, _) in RELAYS.items()}
        self.sim = relaysim.Relaysim([{"name": name, "family": family, "key": "sk-demo", "access_token": "sk-demo", "behaviour": self.good_day[name]}
                                      for name, (family, _, _) in RELAYS.items()], seed=7)
        self.daemon = self.screen = None
        self.answered = []

    # --- life

    def start(self):
        self.sim.start()
        derive(self.directory, self.sim)
        self.socket = os.path.join(self.directory, "probed.sock")
        self.log = open(os.path.join(self.directory, "log"), "wb")
        self.daemon = subprocess.Popen([os.path.join(self.build, "probed"), "-c", os.path.join(self.directory, "probed.yaml")],
                                       env=dict(os.environ, DEMO_KEY="sk-demo"), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.until(self.routes, 15, "probed did not start")
        except RuntimeError as e:
            with open(self.log.name, errors="replace") as log:
                raise RuntimeError(f"{e}:\n{log.read()[-3000:]}")
        env = dict(os.environ, PROBED_SOCKET=self.socket)
        self.screen = Screen([os.path.join(self.build, "routectl"), "watch", MODEL], env)
        self.screen.start()

    def end(self):
        if self.screen:
            self.screen.end()
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(5)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        self.sim.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if value := condition():
                    return value
            except (OSError, ValueError, LookupError):
                pass
            if self.daemon.poll() is not None:
                break
            self.screen.turn(0.1) if self.screen else time.sleep(0.1)
        raise RuntimeError(what)

    # --- what the table says

    def routes(self, policy=None):
        target = f"/v1/routes?model={MODEL}" + (f"&policy={policy}" if policy else "")
        return request(self.socket, "GET", target).json["models"][0]["routes"]

    def row(self, platform, policy=None):
        return next(r for r in self.routes(policy) if r["platform"] == platform)

    def first(self, policy=None):
        return self.routes(policy)[0]["platform"]

    def why(self, platform):
        row = self.row(platform)
        if row["state"] == "up":
            return f"first token {row['ttft_ms']:.0f} ms"
        answer = request(self.socket, "GET", f"/v1/explain?platform={platform}&model={MODEL}").json
        for seen in answer.get("last") or []:
            if seen["outcome"] != "ok":
                return f"{seen['outcome']} at {seen['stage']}, fault {seen['fault']}"
        return answer.get("reason") or ""

    # --- incidents

    def incident(self, what, platform, expect, seconds, describe, **behaviour):
        """Switches it on and waits for the table's answer."""
        before = self.row(platform)
        self.screen.tell(f"{what}", "\033[33m")
        began = time.monotonic()
        if behaviour:
            self.behave(platform, **behaviour)
        while time.monotonic() - began < seconds:
            row = self.row(platform)
            if expect(row, before):
                took = time.monotonic() - began
                self.answered.append(True)
                self.screen.tell(f"    table, after {took:.1f} s: {describe(row)}", "\033[32m")
                self.screen.turn(max(0, min(seconds - took, self.seconds / 30)))
                return
            self.screen.turn(0.1)
        self.answered.append(False)
        self.screen.tell(f"    table: no answer in {seconds:.0f} s ({describe(self.row(platform))})", "\033[31m")

    def told(self, row):
        return f"{row['platform']} is {row['state']}, rank {row['rank']}, share {row['weight']:.0%} ({self.why(row['platform'])}); first is {self.first()}"

    def price_rise(self, platform, seconds):
        """In the relay's own price list, where it has one; else in the configuration."""
        path = next(p for p in glob.glob(os.path.join(TOP, "etc/platforms/*.yaml")) if os.path.basename(p) == platform + ".yaml")
        rank = self.row(platform, "budget")["rank"]
        with open(os.path.join(self.directory, "platforms", platform + ".yaml")) as f:
            derived = yaml.safe_load(f)["platforms"][platform]
        how = "in its own price list" if has_list(derived) else "new configuration, SIGHUP"
        self.screen.tell(f"price rise: {platform} becomes eight times dearer ({how})", "\033[33m")
        derive_platform(path, self.directory, self.sim, dearer=8)
        if not has_list(derived):
            self.daemon.send_signal(signal.SIGHUP)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            now = self.row(platform, "budget")["rank"]
            if now > rank:
                self.answered.append(True)
                self.screen.tell(f"    table, after {time.monotonic() - began:.1f} s: for policy budget {platform} falls from rank {rank} to {now}; "
                                 f"first is {self.first('budget')}", "\033[32m")
                break
            self.screen.turn(0.1)
        else:
            self.answered.append(False)
            self.screen.tell(f"    table: no answer in {seconds:.0f} s", "\033[31m")
        derive_platform(path, self.directory, self.sim)
        self.daemon.send_signal(signal.SIGHUP)

    def play(self):
        step = self.seconds / 9
        self.screen.tell(f"nine simulated relays, {MODEL}, policy production; {self.seconds:.0f} s in all")
        self.screen.turn(1.5 * step)
        self.screen.tell(f"first is {self.first()} after {1.5 * step:.0f} s of probing")
        left = lambda row, before: row["weight"] == 0 or (row["state"] != before["state"] and row["rank"] > 1)  # noqa: E731
        lower = lambda row, before: row["rank"] > 1 or row["weight"] < before["weight"] * 0.7  # noqa: E731

        slower = lambda row, before: (row["ttft_ms"] or 0) > 700 and lower(row, before)  # noqa: E731

        p = self.first()
        self.incident(f"outage: {p} refuses connections", p, left, 0.8 * step, self.told, fault="refuse")
        out = p
        p = self.first()
        self.incident(f"slow spell: {p} needs 1.1 s to its first token", p, slower, 2.2 * step, self.told, first_token={"lognormal": [1100, 0.03]})
        self.restore(p)
        p = self.first()
        self.incident(f"burst of 429s: {p} says too many requests", p, lower, 0.7 * step, self.told, error="rate_limited", retry_after=6)
        self.restore(p)
        p = self.first()
        self.incident(f"errors under status 200: {p} breaks every stream", p, left, 0.8 * step, self.told, fault="stream_error")
        self.restore(p)
        self.price_rise(self.first("budget"), 1.8 * step)
        p = self.first()
        self.incident(f"credit runs out at {p}", p, lambda row, _: row["state"] == "unusable", 0.7 * step, self.told, error="no_credit")
        self.restore(p)
        self.restore(out)
        self.incident(f"recovery: {out} accepts connections again", out,
                      lambda row, _: row["state"] in ("up", "degraded"), step, self.told)

    def restore(self, platform):
        self.behave(platform, fault=None, error=None, retry_after=None, **self.good_day[platform])

    def behave(self, platform, **behaviour):
        """The relay and each of its models, which have a behaviour (their price) of their own."""
        with open(os.path.join(self.directory, "platforms", platform + ".yaml")) as f:
            models = yaml.safe_load(f)["platforms"][platform]["models"]
        self.sim.set(platform, **behaviour)
        for model, entry in models.items():
            self.sim.set(platform, model=entry.get("upstream", model), **behaviour)

    def summary(self):
        status = request(self.socket, "GET", "/v1/status").json
        env = dict(os.environ, PROBED_SOCKET=self.socket)
        print()
        for what in (["routes", MODEL], ["prices", MODEL], ["spend"]):
            subprocess.run([os.path.join(self.build, "routectl"), *what], env=env, stdin=subprocess.DEVNULL)
            print()
        sent, failed = status["probes"]["sent"], status["probes"]["failed"]
        print()
        if self.screen.live:
            for line, _ in self.screen.story:
                print(line)
        print(f"{sum(self.answered)} of {len(self.answered)} incidents answered by the table; {sum(sent.values())} probes, {sum(failed.values())} of them failed, "
              f"{status['budget']['spent']:.4f} USD (simulated) spent on probing, generation {status['generation']}.")
        return 0 if all(self.answered) else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    options = parser.parse_args()
    os.environ["PROBED_BUILD"] = build = os.path.abspath(options.build)
    seconds = float(os.environ.get("DEMO_SECONDS", "90"))
    random.seed(1)

    def interrupt(*_):
        raise Interrupted
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, interrupt)
    demo = Demo(build, max(20.0, seconds))
    code = 1
    try:
        demo.start()
        demo.play()
        demo.screen.end()
        code = demo.summary()
    except Interrupted:
        code = 130
    except RuntimeError as e:
        print(f"demo: {e}", file=sys.stderr)
    finally:
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        demo.end()
    return code


if __name__ == "__main__":
    sys.exit(main())
