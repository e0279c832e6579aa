"""The real probed and routectl, driven from tests: started on a configuration, asked over the socket, waited for with a deadline.

    with Probed(config_text) as d:
        d.wait(lambda: d.row("m1", "p")["state"] == "up")
        d.routectl("routes", "m1")
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PROBED_BUILD") or os.path.join(TOP, "build")
DEADLINE = 60.0 if os.environ.get("PROBED_VALGRIND") or "san" in BUILD else 20.0


def wait_until(condition, deadline=DEADLINE, what=None):
    """The first true value of condition(); an AssertionError with the last value or exception when the deadline passes."""
    end = time.monotonic() + deadline
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, KeyError, IndexError, TypeError, json.JSONDecodeError, AssertionError) as e:
            last = repr(e)
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or condition}; last: {last!r}")
        time.sleep(0.02)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def parse_head(data):
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers[name.strip().lower()] = value.strip()
    return int(lines[0].split()[1]), headers, body


def unchunk(data):
    out = b""
    while data:
        size, rest = data.split(b"\r\n", 1)
        n = int(size.split(b";")[0], 16)
        if n == 0:
            break
        out += rest[:n]
        data = rest[n + 2:]
    return out


def request(path, method, target, body=None, headers=None, timeout=10):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        data = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {target} HTTP/1.1\r\nHost: probed\r\nConnection: close\r\n"
        for name, value in (headers or {}).items():
            head += f"{name}: {value}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        s.sendall(head.encode() + b"\r\n" + data)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    status, fields, rest = parse_head(got)
    if fields.get("transfer-encoding") == "chunked":
        rest = unchunk(rest)
    return Answer(status, fields, rest.decode())


class Probed:
    def __init__(self, config, env=None, args=(), files=None, start=True, prefix=()):
        self.dir = tempfile.mkdtemp(prefix="probed-e2e-")
        self.socket = os.path.join(self.dir, "s")
        self.config_file = os.path.join(self.dir, "probed.yaml")
        self.state_dir = os.path.join(self.dir, "state")
        self.log_file = os.path.join(self.dir, "log")
        self.env = dict(os.environ, **(env or {}))
        self.args = list(args)
        self.prefix = list(prefix)
        self.process = None
        self.quiet = False  # no line for each probe
        for name, text in (files or {}).items():
            self.write(name, text)
        self.write("probed.yaml", config)
        if start:
            self.start()

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def start(self, ready=True):
        debug = [] if self.quiet else ["-d"]
        command = self.prefix + [os.path.join(BUILD, "probed"), *debug, "-c", self.config_file, "-s", self.socket, "-S", self.state_dir]
        if os.environ.get("PROBED_VALGRIND"):
            command = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite"] + command
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command + self.args, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if ready:
            wait_until(lambda: self.alive() and self.get("/healthz").status == 200, what="probed is ready")

    def alive(self):
        code = self.process.poll()
        if code is not None:
            raise RuntimeError(f"probed ended with {code}:\n{self.log()[-4000:]}")
        return True

    def log(self):
        with open(self.log_file, errors="replace") as f:
            return f.read()

    def stop(self, sig=signal.SIGTERM, deadline=DEADLINE):
        """The exit code; the process is gone afterwards."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(deadline)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("probed did not end:\n" + self.log()[-4000:])
        code, self.process = self.process.returncode, None
        return code

    def reload(self, config=None):
        if config is not None:
            self.write("probed.yaml", config)
        self.process.send_signal(signal.SIGHUP)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        try:
            code = self.stop()
            log = self.log()
            assert kind or code in (0, None), f"probed ended with {code}:\n{log[-6000:]}"
            for mark in ("ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer", "==ERROR", "definitely lost"):
                assert mark not in log, log[-6000:]
            if kind:
                print("--- probed's log ---\n" + log[-6000:])
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    # --- asking

    def get(self, target, **kw):
        return request(self.socket, "GET", target, **kw)

    def post(self, target, body, **kw):
        return request(self.socket, "POST", target, body, **kw)

    def status(self):
        return self.get("/v1/status").json

    def routes(self, model, policy=None):
        """The rows of the model's ranking, in rank order."""
        target = "/v1/routes?model=" + urllib.parse.quote(model, safe="")
        if policy:
            target += "&policy=" + policy
        return self.get(target).json["models"][0]["routes"]

    def row(self, model, platform, policy=None):
        return next(r for r in self.routes(model, policy) if r["platform"] == platform)

    def first(self, model, policy=None):
        return self.routes(model, policy)[0]["platform"]

    def explain(self, platform, model, policy=None):
        target = f"/v1/explain?platform={platform}&model=" + urllib.parse.quote(model, safe="")
        return self.get(target + (f"&policy={policy}" if policy else "")).json

    def routectl(self, *args, env=None, timeout=20):
        return subprocess.run([os.path.join(BUILD, "routectl"), "--socket", self.socket, *args], env=dict(self.env, **(env or {})),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)

    def wait(self, condition, deadline=DEADLINE, what=None):
        def check():
            self.alive()
            return condition()
        return wait_until(check, deadline, what)
