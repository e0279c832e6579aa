"""Drives build/relaysim, the simulated relays, from Python. Standard library only; nothing in here sleeps.

    with Relaysim([{"name": "a", "family": "newapi", "key": "sk-a", "models": ["gpt-4o-mini"]}]) as sim:
        sim.url("a")                                  # "http://127.0.0.1:40123", append /v1/...
        sim.set("a", first_token=250, gap={"uniform": [5, 20]})
        sim.set("a", model="gpt-4o-mini", error="rate_limited", retry_after=7)
        before = sim.seq
        ...                                           # requests
        sim.wait("a", count=3, since=before)          # until three more have ended
        sim.log("a", since=before)                    # what came and went, with its times
        sim.reset("a")

Every relay has a port of its own unless it says "shared": True. tests/relaysim/README.md describes relays and behaviours.
"""
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_TIMEOUT = 60.0
ANSWER_TIMEOUT = 120.0


class RelaysimError(RuntimeError):
    """relaysim refused a command, or did not start."""


def program():
    """The binary: $RELAYSIM, $PROBED_BUILD/relaysim, or build/relaysim."""
    build = os.environ.get("PROBED_BUILD", os.path.join(TOP, "build"))
    return os.environ.get("RELAYSIM", os.path.join(build, "relaysim"))


class Relaysim:
    """One relaysim process, from `with` to its end."""

    def __init__(self, relays=(), *, behaviour=None, seed=1, log=None, directory=None, port=None, tls_port=None, wrapper=()):
        """relays: list of relays, see README.md. behaviour: what all of them start with. directory: where CA and socket go (kept); None: a temporary one.
        wrapper: a command to run it under, such as ["valgrind"]."""
        self._config = {"relays": [self._relay(r) for r in relays], "seed": seed}
        if behaviour:
            self._config["behaviour"] = behaviour
        if log:
            self._config["log"] = log
        self._tls = {r["name"]: bool(r.get("tls")) for r in relays}
        self._directory = directory
        self._made_directory = None
        self._ports = (port, tls_port)
        self._wrapper = list(wrapper)
        self._socket = None
        self._input = b""
        self.process = None
        self.stderr_path = None
        self.port = self.tls_port = self.ca_file = self.control_path = None
        self._urls = {}

    @staticmethod
    def _relay(relay):
        relay = dict(relay)
        if not relay.pop("shared", False):
            relay.setdefault("port", 0)
        return relay

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        said, status = self.stop()
        if kind is None and status is not None and status > 0:  # a sanitizer's or its own complaint; not a signal that a test sent
            raise RelaysimError(f"relaysim ended with status {status}: {said}")

    def start(self):
        if self._directory is None:
            self._made_directory = self._directory = tempfile.mkdtemp(prefix="relaysim-")
        os.makedirs(self._directory, exist_ok=True)
        self.control_path = os.path.join(self._directory, "control")
        self.stderr_path = os.path.join(self._directory, "stderr")
        command = self._wrapper + [program(), "--config", "-", "--control", self.control_path, "--ca-dir", os.path.join(self._directory, "ca"), "--lifeline"]
        for name, port in zip(("--port", "--tls-port"), self._ports):
            if port is not None:
                command += [name, str(port)]
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
        try:
            self._hand_over_config()
            ready = json.loads(self._read_ready())
        except BaseException:
            self.stop()
            raise
        self.port, self.tls_port, self.ca_file = ready["port"], ready["tls_port"], ready["ca"]
        self._urls = ready["urls"]
        self._connect()
        return self

    def _hand_over_config(self):
        try:
            self.process.stdin.write(json.dumps(self._config).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; _read_ready tells why

    def _read_ready(self):
        line, deadline = b"", time.monotonic() + START_TIMEOUT
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RelaysimError("relaysim was not ready in time: " + self.stderr())
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                raise RelaysimError("relaysim did not start: " + self.stderr())
            line += chunk
        return line

    def _connect(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_TIMEOUT)
        self._socket.connect(self.control_path)

    def stop(self):
        """Ends it, by SIGTERM; returns what it said on stderr and its exit status."""
        if self._socket:
            self._socket.close()
            self._socket = None
        status = None
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGCONT)
                self.process.terminate()
            try:
                status = self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                status = self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None
        said = self.stderr()
        if self._made_directory:
            shutil.rmtree(self._made_directory, ignore_errors=True)
            self._made_directory = self._directory = None
        return said, status

    def stderr(self):
        """What it has said on stderr."""
        if not self.stderr_path or not os.path.exists(self.stderr_path):
            return ""
        with open(self.stderr_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def freeze(self):
        """kill -STOP: ports accept, nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    # --- where --------------------------------------------------------------------------------------------------------

    def url(self, name):
        """Base URL of a relay, without /v1."""
        if name in self._urls:
            return self._urls[name]
        if self._tls.get(name):
            return f"https://127.0.0.1:{self.tls_port}/{name}"
        return f"http://127.0.0.1:{self.port}/{name}"

    def own_port(self, name):
        """The port that is the relay's alone."""
        return int(self._urls[name].rsplit(":", 1)[1])

    # --- commands -----------------------------------------------------------------------------------------------------

    def call(self, cmd, **members):
        """One command; its answer as a dict. RelaysimError when it is refused."""
        return self._command({"cmd": cmd, **{k: v for k, v in members.items() if v is not None}})

    def _command(self, request):
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while b"\n" not in self._input:
            chunk = self._socket.recv(1 << 20)
            if not chunk:
                raise RelaysimError("relaysim has gone: " + self.stderr())
            self._input += chunk
        line, _, self._input = self._input.partition(b"\n")
        answer = json.loads(line)
        if not answer.pop("ok"):
            raise RelaysimError(answer["error"])
        return answer

    def set(self, relay, model=None, **behaviour):
        """Lays members over the behaviour of a relay ("*": all; a list of names), or of one model of it. None puts a member back to its default."""
        self.call("set", relay=relay, model=model, behaviour=behaviour)

    def only(self, relay, **behaviour):
        """As set(), but from the defaults."""
        self.reset(relay)
        self.set(relay, **behaviour)

    def reset(self, relay="*", log=False):
        """Behaviour as at the start of a relay without any; log: forgets all requests, too."""
        self.call("reset", relay=relay, log=log)

    def get(self, relay, model=None, everything=False):
        return self.call("get", relay=relay, model=model, all=everything)

    def set_key(self, relay, key):
        """Another key is the right one now; None: every key is."""
        self._command({"cmd": "set", "relay": relay, "key": key})

    def set_secrets(self, relay, **secrets):
        """Another key, access_token, user_id or management_key; None: there is none (key: every one is right)."""
        self._command({"cmd": "set", "relay": relay, **secrets})

    def topup(self, relay, amount, kind="topup", expires=None):
        """Money comes in: kind topup, gift (that expires after so many ms) or correction."""
        self.call("topup", relay=relay, amount=amount, kind=kind, expires=expires)

    def account(self, relay):
        """The truth about the money of a relay (README.md)."""
        return self.call("account", relay=relay)

    def set_models(self, relay, models):
        self.call("set", relay=relay, models=list(models))

    def add(self, *relays):
        """More relays while it runs."""
        answer = self.call("add", relays=[self._relay(r) for r in relays])
        for relay in relays:
            self._tls[relay["name"]] = bool(relay.get("tls"))
            if not relay.get("shared"):
                self._urls[relay["name"]] = answer["urls"][relay["name"]]
        return answer["urls"]

    def remove(self, *names):
        self.call("remove", relay=list(names))
        for name in names:
            self._urls.pop(name, None)

    def log(self, relay=None, kind=None, last=None, since=None, ended=False, duplicates=False):
        """The last requests, oldest first, as dicts (README.md)."""
        return self.call("log", relay=relay, kind=kind, last=last, since=since, ended=ended, duplicates=duplicates)["requests"]

    def last(self, relay=None, kind="chat"):
        """The newest request."""
        requests = self.log(relay, kind=kind, last=1)
        return requests[0] if requests else None

    @property
    def seq(self):
        """The number of the newest request: `since` for what is to come."""
        return self.call("log", last=0)["seq"]

    def wait(self, relay=None, count=1, since=0, kind=None, ended=True, timeout=10.0):
        """Until `count` requests after `since` have ended (or come, ended=False). True, or False after `timeout` seconds."""
        answer = self.call("wait", relay=relay, count=count, since=since, kind=kind, ended=ended, timeout_ms=int(timeout * 1000))
        return answer["reached"]

    def stats(self, relay=None):
        """Counters of one relay, or of all: {"total":{},"open_connections":n,...}."""
        answer = self.call("stats", relay=relay)
        return answer["by_relay"][relay] if relay and relay != "*" else answer

    def clock(self):
        """(steady, real) now, in microseconds: the clocks that the log's times are taken from."""
        answer = self.call("ping")
        return answer["steady_us"], answer["real_us"]
