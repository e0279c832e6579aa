"""What the end-to-end tests of behaviours share: configurations as values, the newest chats of a route, nghttpx in front of a relay.

A configuration is a dict with the words of probed.yaml(5), written out as JSON, which is YAML. Everything is quick: a chat each 200 ms while something is
unsettled, so that a route's verdict stands within a second or two.
"""
import json
import os
import shutil
import socket
import subprocess
import tempfile

from daemon import BUILD, wait_until

# Under valgrind or a sanitizer all is slower, and no verdict may hang on that.
SLOW = bool(os.environ.get("PROBED_VALGRIND")) or "san" in BUILD
PACE = 3 if SLOW else 1
FREE = {"input": "0 USD/1M", "output": "0 USD/1M"}
NGHTTPX = shutil.which("nghttpx") or shutil.which("nghttpx", path="/usr/sbin:/usr/local/sbin")
OPENSSL = shutil.which("openssl")


def probes(chat_interval=1600, chat_fast=200, chat_timeout=1500, first=1100, stall=900, headers=1100, connect=800, reach=500):
    def ms(n):
        return f"{n * PACE}ms"
    return {
        "reach": {"interval": ms(reach), "fast": ms(reach // 2), "slow": "1500ms",
                  "timeouts": {"connect": ms(reach - 100), "headers": ms(reach - 100), "total": ms(reach - 50)}},
        "models": {"interval": "1500ms", "fast": "500ms", "slow": "1500ms", "timeouts": {"connect": "600ms", "headers": "800ms", "total": "1200ms"}},
        "chat": {"interval": ms(chat_interval), "fast": ms(chat_fast), "slow": ms(chat_interval),
                 "timeouts": {"connect": ms(connect), "headers": ms(headers), "first": ms(first), "stall": ms(stall), "total": ms(chat_timeout)}},
    }


def platform(*urls, models=("m",), dialect="openai", upstream=None, price=None, **more):
    """A platform that is reached at the urls (base URLs without /v1), with routes to the models."""
    return {
        "endpoints": [{"url": u + ("/v1" if dialect == "openai" else ""), "dialect": dialect} for u in urls],
        "key": {"required": False},
        "models": {m: {"price": price or FREE, "dialect": dialect, **({"upstream": upstream} if upstream else {})} for m in models},
        **more,
    }


def config(platforms, **more):
    """The text of a configuration with these platforms; the models are those that they have."""
    models = {m: {} for p in platforms.values() for m in p["models"]}
    whole = {
        "vantage": "test",
        "lease": "60s",
        "max_body": "64KiB",
        "concurrency": 512,
        "platform_concurrency": 64,
        "budget": {"all": "100 USD/day", "platform": "100 USD/day", "route": "100 USD/day"},
        "health": {"samples": 3},
        "policies": {
            "quick": {"latency": "mean", "second": 3, "money": 0.01},
            "honest": {"latency": "mean", "second": 0.001, "money": 0.01, "honesty": 1},
        },
        "probes": probes(),
        "models": models,
        "platforms": platforms,
        **more,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False)


def chats(daemon, platform_name, model):
    """The chats that explain knows of, newest first."""
    return [o for o in daemon.explain(platform_name, model)["last"] if o["probe"] == "chat"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accepts(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Nghttpx:
    """nghttpx (Debian: nghttp2-proxy) in front of plain HTTP/1.1 relays: TLS and HTTP/2 towards probed, with a certificate of its own.

    backends: one port each; `urls` are the frontends' in the same order, `ca_file` is what signed their certificate, log() what came.
    """

    def __init__(self, backends):
        self.dir = tempfile.mkdtemp(prefix="nghttpx-")
        self.ca_file = os.path.join(self.dir, "cert.pem")
        self.key_file = os.path.join(self.dir, "key.pem")
        self.log_file = os.path.join(self.dir, "access")
        self.backends = list(backends)
        self.ports = [free_port() for _ in backends]
        self.urls = [f"https://127.0.0.1:{p}" for p in self.ports]
        self.processes = []

    def __enter__(self):
        subprocess.run([OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key_file, "-out", self.ca_file],
                       check=True, capture_output=True)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        for port, backend in zip(self.ports, self.backends):
            self.processes.append(self.start_one(port, backend))
        for port in self.ports:
            wait_until(lambda port=port: accepts(port), what="nghttpx accepts")

    def start_one(self, port, backend):
        command = [NGHTTPX, "--conf=/dev/null", f"--frontend=127.0.0.1,{port}", f"--backend=127.0.0.1,{backend}",
                   "--workers=1", "--single-process", "--errorlog-file=" + os.path.join(self.dir, "errors"), "--accesslog-file=" + self.log_file,
                   "--accesslog-format=$server_port $alpn $method $status", self.key_file, self.ca_file]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        for p in self.processes:
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        self.processes = []

    def log(self):
        """[port, alpn, method, status] of each request that is over."""
        if not os.path.exists(self.log_file):
            return []
        with open(self.log_file) as f:
            return [line.split() for line in f]

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
