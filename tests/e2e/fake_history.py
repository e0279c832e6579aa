"""A daemon's history made up: the endpoints that `routectl history`, `events` and `report` ask, on a Unix socket, with canned answers.

As a program it serves until its standard input ends: python3 fake_history.py SOCKET [NOW]
"""
import json
import math
import os
import random
import socket
import sys
import threading
import time
import urllib.parse

EVIL = "e\x1b[31mvil|<b>&`*_[x](http://y)\u202e"


class FakeDaemon:
    """answers: path -> what to send (a dict, a (status, dict) pair, or a function of the query, which is {name: [values]})."""

    def __init__(self, path, answers):
        self.path, self.answers, self.asked = path, dict(answers), []
        self.listener = None
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def stop(self):
        listener, self.listener = self.listener, None
        if listener:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
            os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                try:
                    self.answer(client)
                except OSError:
                    pass

    def answer(self, client):
        client.settimeout(5)
        data = b""
        while b"\r\n\r\n" not in data:
            got = client.recv(65536)
            if not got:
                return
            data += got
        url = urllib.parse.urlsplit(data.decode().split(" ")[1])
        query = urllib.parse.parse_qs(url.query, strict_parsing=bool(url.query))
        self.asked.append((url.path, query))
        answer = self.answers.get(url.path, (404, {"title": "Not Found", "status": 404, "detail": "there is no such thing"}))
        if callable(answer):
            answer = answer(query)
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        text = (json.dumps(body) + "\n").encode()
        client.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)


STEPS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200, 86400, 604800]
UNITS = {"ttft": "ms", "total": "ms", "availability": "ratio", "price": "usd_per_mtok", "speed": "tokens_per_s", "rank": "rank", "balance": "usd"}


def ttft(kind, t, r):
    day = math.sin(t / 86400 * 2 * math.pi)
    base = {"slow": 4200, "quick": 420, "steady": 510}.get(kind, 600 + 90 * (hash(kind) % 7))
    if kind == "steady":
        return 510.0
    value = base * (1 + 0.25 * day + 0.15 * r.random())
    if kind == "outlier" and r.random() < 0.01:
        value = 61000
    return value


def value_of(metric, kind, t, r, since, until):
    if metric in ("ttft", "total"):
        v = ttft(kind, t, r)
        return {"value": v, "low": v * 0.8, "high": v * (1.5 + r.random())}
    if metric == "availability":
        return {"value": 1.0 if r.random() < 0.9 else 1 - r.random() * 0.4, "low": None, "high": None}
    if metric == "speed":
        return {"value": 60 + 20 * r.random(), "low": None, "high": None}
    if metric == "price":
        v = 0.15 if t < since + (until - since) * 0.6 else 0.18
        return {"value": v, "low": v, "high": v, "output": v * 4}
    if metric == "rank":
        return {"value": 1 + int(t / 7000 + hash(kind)) % 4, "low": None, "high": None, "weight": 0.25}
    return {"value": 40 - 30 * (t - since) / (until - since), "low": None, "high": None}


def history(query):
    since, until, points = float(query["since"][0]), float(query["until"][0]), int(query["points"][0])
    metric = query["metric"][0]
    step = next(s for s in STEPS if (until - since) / s <= points)
    r = random.Random(7)
    series = []
    for route in query["route"]:
        platform, _, model = route.partition("/")
        t, out = math.floor(since / step) * step, []
        while t < until:
            keep = not (0.35 < (t - since) / (until - since) < 0.45 and platform in ("gap", "quick"))
            if platform == "one":
                keep = abs(t - (since + until) / 2) < step / 2
            if platform == "none":
                keep = False
            if keep:
                out.append({"t": t, "n": 3, **value_of(metric, platform, t, r, since, until)})
            t += step
        series.append({"platform": platform, "model": model or None, "n": len(out) * 3, "points": out})
    return {"metric": metric, "unit": UNITS[metric], "since": since, "until": until, "step_s": step, "source": "minute",
            "policy": query.get("policy", ["quick"])[0] if metric == "rank" else None, "series": series}


STORE = {"state": "ok", "text": "recording", "why": None, "since": None, "oldest_at": None}


def status(now):
    def one(name, title, target):
        return {"platform": name, "title": title, "target": target, "tags": {"region": "cn", "invoice": ""}}
    return {"version": "0.1.0", "pid": 1, "vantage": "host-1", "now": now, "store": {**STORE, "oldest_at": now - 40 * 86400},
            "platforms": [one("p1", "硅基流动", 0.995), one("p2", "Relay B", 0.999), one("p3", "p3", None), one("evil", EVIL, None), one("idle", "Idle", 0.9)],
            "models": ["m1"], "policies": [{"policy": "quick", "about": ""}]}


def quantiles(p50):
    return {"p50": p50, "p90": p50 * 1.6, "p95": p50 * 2.1, "p99": p50 * 5}


def report(query):
    since, until = float(query["since"][0]), float(query["until"][0])
    r = random.Random(3)

    def figures(n, failed, p50):
        return {"n": n, "ok": n - failed - 9, "failed": failed, "limited": 7, "ours": 2, "availability": 1 - failed / n if n else None,
                "uptime": 0.9991 if n else None, "down_s": 2400.0 if n else None, "ttft": quantiles(p50) if n else {}, "total": quantiles(p50 * 3) if n else {},
                "tokens_per_s": 71.3, "cost": 0.4312, "prompt_tokens": 712345, "output_tokens": 81234}

    def model(name, n, failed, p50, incidents):
        return {"model": name, **figures(n, failed, p50), "state_known_s": until - since,
                "incidents": [{"from": since + 7000 * (i + 1), "until": None if i == incidents - 1 and incidents > 2 else since + 7000 * (i + 1) + 1800,
                               "state": ["down", "degraded", "limited", "unusable", "missing"][i % 5], "seconds": 1800.0, "ongoing": i == incidents - 1 and incidents > 2}
                              for i in range(incidents)],
                "prices": [{"t": since, "input": 0.15, "output": 0.6, "call": None}, {"t": since + 500000, "input": 0.18, "output": 0.72, "call": 0.0}],
                "by_in_flight": [{"in_flight": "1", "n": n // 2, "failed": failed // 4, "limited": 0}, {"in_flight": "2-3", "n": n // 4, "failed": failed // 4, "limited": 1},
                                 {"in_flight": "16+", "n": n // 8, "failed": failed // 2, "limited": 6}]}

    def days(p50):
        out, t = [], since
        while t < until:
            if not 8 < (t - since) / 86400 < 11:
                out.append({"t": t, "n": 480, "availability": 1 - max(0, r.random() - 0.8) / 20, "ttft_p50": p50 * (1 + r.random() / 3), "ttft_p95": p50 * (2 + r.random())})
            t += 86400
        return out

    known = query.get("platform", ["p1", "p2", "p3", "evil", "idle"])
    platforms = []
    for name, n, failed, p50, incidents in (("p1", 14400, 31, 512.0, 1), ("p2", 14210, 141, 377.2, 7), ("p3", 2200, 0, 2210.0, 0), ("evil", 900, 9, 900.0, 70), ("idle", 0, 0, 0, 0)):
        if name in known:
            models = [model("gpt-4o-mini", n, failed, p50, incidents), model(EVIL if name == "evil" else "deepseek-ai/DeepSeek-V3", n, failed, p50, 0)] if n else []
            platforms.append({"platform": name, **figures(n, failed, p50), "days": days(p50) if n else [], "models": models})
    return {"since": since, "until": until, "platforms": platforms}


def event(number, at, name="state", text=None, level="warning"):
    return {"id": number, "at": at, "level": level, "name": name, "platform": "p1", "model": "m1", "policy": None, "from": "up", "to": "down", "reason": "failures",
            "generation": 3, "text": text or f"p1/m1: up -> down: event {number}"}


class Events:
    """A growing list; answers as the daemon does."""

    def __init__(self, events=()):
        self.list = list(events)

    def __call__(self, query):
        after = int(query.get("after", ["-1"])[0])
        limit = int(query.get("limit", ["1000"])[0])
        since, until = float(query.get("since", ["0"])[0]), float(query.get("until", ["1e12"])[0])
        found = [e for e in self.list if since <= e["at"] <= until and e["id"] > after and e["name"] == query.get("name", [e["name"]])[0]
                 and e["platform"] == query.get("platform", [e["platform"]])[0]]
        found = found[-limit:] if after < 0 else found[:limit]
        return {"events": found, "next": found[-1]["id"] if found else max(after, 0)}


def answers(now):
    events = Events(event(i, now - 4000 + 37 * i, ["state", "first", "override", "reload_failed"][i % 4], EVIL if i == 3 else None, ["warning", "notice", "err"][i % 3]) for i in range(1, 25))
    return {"/v1/history": history, "/v1/status": lambda _: status(now), "/v1/report": report, "/v1/events": events}


if __name__ == "__main__":
    with FakeDaemon(sys.argv[1], answers(float(sys.argv[2]) if len(sys.argv) > 2 else time.time())):
        sys.stdin.read()
