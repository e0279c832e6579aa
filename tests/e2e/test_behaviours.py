"""Each behaviour of a relay, and what probed makes of it: outcome, stage, fault, the route's state, and what becomes of its rank.

One daemon probes them all at once. A model a case: its route on the platform that misbehaves stands against "good", a relay that answers everything
correctly and 200 ms late. So a route that works is the better one by its speed, and one that does not has no slots, by the end of a second or two:

    FIRST    its expected loss is the smallest: nothing is wrong, and nothing may be held against it. (It is first, too, once that has held for long
             enough to outweigh an incumbent; who changes places and when is seen below, on routes that change.)
    BEHIND   it works and may have slots, but its expected loss is higher than that of "good"
    OUT      it has no slots, and "good" is first and has them all

A relay misbehaves in the same way all the time, so that every chat that `explain` still knows of must carry the same verdict, not just one of them.
What is kept apart from that crowd has a daemon of its own: times to first token, HTTP/2, failover, behaviours that change, and what must not be sent twice.
"""
import os
import statistics
import time

import pytest

from daemon import BUILD, DEADLINE, Probed
from relaysim import Relaysim, program
from world import NGHTTPX, OPENSSL, SLOW, Nghttpx, chats, config, platform, probes

pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK) or not os.access(os.path.join(BUILD, "probed"), os.X_OK),
                                reason="probed and relaysim are not built")

PRICE = {"input": "0.10 USD/1M", "output": "0.40 USD/1M"}
QUICK = {"first_token": 2, "gap": 1}
GOOD = {"first_token": 200, "gap": 1}
LATE = 2.0
FIRST, BEHIND, OUT = "first", "behind", "out"


class Case:
    """A behaviour and what is expected of it. outcome, stage and state: a word, or the words of which one must hold; stage None: any.
    flags: observed flags that must be there; a leading "!": that must not. detail: words of the newest observation's. The rest goes into the route."""

    def __init__(self, name, behaviour, outcome, stage, fault, state, effect, status=None, flags=(), detail=None, **route):
        self.name, self.behaviour, self.effect, self.fault, self.status = name, behaviour, effect, fault, status
        self.outcome, self.stage, self.state = words(outcome), words(stage), words(state)
        self.flags, self.detail, self.route = list(flags), detail, route

    def wrong(self, o):
        """What is not as expected of an observation; empty: nothing."""
        said = []
        if o["outcome"] not in self.outcome:
            said.append(f"outcome {o['outcome']}, not {self.outcome}")
        if self.stage and o["stage"] not in self.stage:
            said.append(f"stage {o['stage']}, not {self.stage}")
        if o["fault"] != self.fault:
            said.append(f"fault {o['fault']}, not {self.fault}")
        if self.status is not None and o["status"] != (self.status or None):
            said.append(f"status {o['status']}, not {self.status}")
        for flag in self.flags:
            if (flag.lstrip("!") in o["flags"]) == flag.startswith("!"):
                said.append(f"flags {o['flags']}, not {flag}")
        return said


def words(value):
    return value if value is None or isinstance(value, tuple) else (value,)


def ok(name, behaviour, effect=FIRST, **more):
    return Case(name, behaviour, "ok", "done", "none", "up", effect, status=200, **more)


def down(name, behaviour, outcome, stage, **more):
    """The relay's fault: three of them and the route is down."""
    return Case(name, behaviour, outcome, stage, "relay", "down", OUT, **more)


def unusable(name, behaviour, outcome, **more):
    """Our key, our credit: no slots until that is settled, but nothing against the relay."""
    return Case(name, behaviour, outcome, "headers", "ours", "unusable", OUT, **more)


def ours(name, behaviour, outcome, **more):
    """Our request: says nothing about the route, which stays as unknown as it was."""
    return Case(name, behaviour, outcome, more.pop("stage", "headers"), "ours", "new", BEHIND, **more)


def limited(name, behaviour, **more):
    return Case(name, behaviour, "rate_limited", more.pop("stage", "headers"), "none", "limited", OUT, status=more.pop("status", 429), **more)


# --- the crowd --------------------------------------------------------------------------------------------------------

# Below HTTP, or of a whole relay: each has a relay, a port and a platform of its own. status=0: none came.
CONNECTIONS = [
    down("refuse", {"fault": "refuse"}, "refused", "connect", status=0),
    down("connect-hang", {"fault": "connect_hang"}, "timeout", "connect", status=0),
    down("accept-reset", {"fault": "accept_reset"}, "reset", None, status=0),
    down("accept-close", {"fault": "accept_close"}, "reset", None, status=0),
    down("accept-hang", {"fault": "accept_hang"}, "timeout", "headers", status=0),
    down("hang", {"fault": "hang"}, "timeout", "headers", status=0),
    down("hang-chat-only", {"fault": "hang", "on": ["chat"]}, "timeout", "headers", status=0),
    down("reset", {"fault": "reset"}, "reset", "headers", status=0),
    down("close", {"fault": "close"}, "reset", "headers", status=0),
    down("late-reset", {"fault": "reset", "header_delay": 100, "on": ["chat"]}, "reset", "headers", status=0),
    down("headers-reset", {"fault": "headers_reset"}, "reset", "headers"),
    down("headers-hang", {"fault": "headers_hang"}, "timeout", "headers"),
    down("headers-endless", {"fault": "headers_endless"}, "too_large", "headers"),
    down("headers-late", {"header_delay": 10000, "on": ["chat"]}, "timeout", "headers", status=0),
    down("not-http", {"fault": "not_http"}, "protocol", "headers", status=0),
    down("drip", {"drip": 30}, "timeout", "headers"),
    ok("drip-whole", {"drip": 1}, BEHIND, flags=["!one_burst"]),  # with time enough
    Case("wrong-key", {}, "auth", "headers", "ours", "unusable", OUT, status=401),
    ok("closes-each", {"close_after": 1}),
    ok("closes-and-says-so", {"close_after": 1, "close_header": True}),
    ok("closes-idle", {"close_idle": 20}),
    ok("until-closed", {"framing": "close"}),
]
SECURE = [
    ok("tls", {}),
    down("tls-expired", {"fault": "tls_expired"}, "tls", "tls", status=0),
    down("tls-self-signed", {"fault": "tls_self_signed"}, "tls", "tls", status=0),
    down("tls-wrong-name", {"fault": "tls_wrong_name"}, "tls", "tls", status=0),
    down("tls-untrusted", {"fault": "tls_untrusted"}, "tls", "tls", status=0),
    down("tls-garbage", {"fault": "tls_garbage"}, "tls", "tls", status=0),
    down("tls-hang", {"fault": "tls_hang"}, "timeout", "tls", status=0),
    down("tls-close", {"fault": "tls_close"}, "reset", "tls", status=0),
    down("tls-accept-reset", {"fault": "accept_reset"}, "reset", ("connect", "tls"), status=0),
    down("tls-accept-hang", {"fault": "accept_hang"}, "timeout", "tls", status=0),
    down("tls-hang-later", {"fault": "hang"}, "timeout", "headers", status=0),
    down("tls-cut", {"fault": "cut"}, "reset", "stream", status=200),
]
# Of an answer: models of one relay, so that nothing but the chat of that model is touched.
ANSWERS = [
    ok("plain-and-good", {}),
    ok("comments", {"comments": 3}),
    ok("role-and-empty-deltas", {"role_delta": True, "empty_deltas": 3}),
    ok("all-before-it", {"comments": 2, "role_delta": True, "empty_deltas": 2, "first_token": 30}, flags=["!one_burst"]),
    ok("no-role-delta", {"role_delta": False}),
    ok("reasoning", {"reasoning": 3}, reasoning=True),
    ok("reasoning-field", {"reasoning": 3, "reasoning_field": "reasoning"}, reasoning=True),
    ok("reasoning-details", {"reasoning": 3, "reasoning_field": "reasoning_details"}, reasoning=True),
    ok("think-inline", {"reasoning": 3, "reasoning_field": "inline"}, reasoning=True, flags=["challenge_passed"]),
    ok("thinks-too-long", {"reasoning": 60}, max_tokens=24, flags=["thinking_only"]),
    ok("crlf", {"crlf": True}),
    ok("cr", {"cr": True}),
    ok("bom", {"bom": True}),
    ok("no-space", {"no_space": True}),
    ok("multi-line", {"multiline": True}),
    ok("no-last-blank", {"no_last_blank": True}),
    ok("all-odd-spellings", {"bom": True, "crlf": True, "multiline": True, "no_space": True}),
    ok("split-utf8", {"split_utf8": True}, flags=["challenge_passed"]),
    ok("no-done", {"done": False}),
    ok("no-finish", {"finish": False}),
    ok("usage-on-each", {"usage": "each"}),
    ok("usage-nulls", {"usage": "nulls"}),
    ok("usage-never", {"usage": "never"}, flags=["no_usage"]),
    ok("usage-zero", {"usage": "zero"}, flags=["usage_impossible"]),
    ok("cumulative", {"cumulative": True, "text": "one two three four", "answer": "fixed"}, flags=["cumulative"]),
    ok("cumulative-right", {"cumulative": True, "token_chars": 1}, flags=["cumulative", "challenge_passed"]),
    # 20 tokens, 30 ms apart, handed over at once: no first token in 2 ms, and no speed.
    ok("one-burst", {"burst": True, "tokens": 20, "gap": 30}, BEHIND, flags=["one_burst"]),
    ok("plain-json", {"plain": True, "tokens": 20, "gap": 30}, BEHIND, flags=["one_burst"]),
    ok("slow-but-whole", {"first_token": 600}, BEHIND, flags=["!one_burst"]),
    ok("wrong-model", {"model_echo": "gpt-3.5-turbo"}, flags=["model_differs"], detail="gpt-3.5-turbo"),
    ok("wrong-answer", {"answer": "wrong"}, flags=["challenge_failed"]),
    ok("echo", {"answer": "echo"}, flags=["!challenge_passed"]),
    down("redirect", {"fault": "redirect"}, "redirect", "headers", status=302),
    down("html", {"fault": "html"}, "not_api", "first", status=200),
    down("no-body", {"fault": "no_body"}, "empty", "first", status=200),
    down("body-endless", {"fault": "body_endless"}, "too_large", "first", status=200),
    down("no-first-token", {"fault": "no_first_token", "comments": 2}, "timeout", "first", status=200),
    down("first-token-late", {"first_token": 10000}, "timeout", "first", status=200),
    down("plain-late", {"plain": True, "first_token": 10000}, "timeout", ("headers", "first")),
    down("empty", {"fault": "empty"}, "empty", "first", status=200),
    down("stall", {"fault": "stall", "at": 2}, "stalled", "stream", status=200),
    down("gaps-too-long", {"tokens": 20, "gap": 10000}, "stalled", "stream", status=200),
    down("too-slow-in-all", {"tokens": 20, "gap": 400}, "timeout", "stream", status=200),
    down("truncated", {"fault": "truncate", "at": 2}, "truncated", "stream", status=200),
    down("cut", {"fault": "cut", "at": 2}, "reset", "stream", status=200),
    down("stream-reset", {"fault": "stream_reset", "at": 2}, "reset", "stream", status=200),
    down("stream-error", {"fault": "stream_error", "at": 2}, "error_in_200", "stream", status=200),
    down("stream-error-at-once", {"fault": "stream_error", "at": 0}, "error_in_200", "first", status=200),
    down("stream-endless", {"fault": "stream_endless", "gap": 0}, ("too_large", "timeout"), "stream", status=200),
    down("big-event", {"big_event": 300000}, "too_large", None, status=200),
    down("malformed", {"fault": "malformed", "at": 1}, "malformed", "stream", status=200),
    down("bad-utf8", {"fault": "bad_utf8", "at": 1}, "malformed", "stream", status=200),
    down("bad-utf8-at-once", {"fault": "bad_utf8", "at": 0}, "malformed", "first", status=200),
    down("malformed-at-once", {"fault": "malformed", "at": 0}, "malformed", "first", status=200),
]
# The same through POST /v1/messages.
MESSAGES = [
    ok("plain-and-good", {}, flags=["challenge_passed"]),
    ok("comments", {"comments": 3}),
    ok("empty-deltas", {"empty_deltas": 3}),
    ok("thinking", {"reasoning": 3}, reasoning=True),
    ok("crlf", {"crlf": True, "bom": True}),
    ok("plain-json", {"plain": True, "tokens": 20, "gap": 30}, BEHIND, flags=["one_burst"]),
    ok("one-burst", {"burst": True, "tokens": 20, "gap": 30}, BEHIND, flags=["one_burst"]),
    ok("wrong-model", {"model_echo": "claude-2"}, flags=["model_differs"]),
    down("empty", {"fault": "empty"}, "empty", "first", status=200),
    down("no-first-token", {"fault": "no_first_token"}, "timeout", "first", status=200),
    down("stall", {"fault": "stall", "at": 2}, "stalled", "stream", status=200),
    down("truncated", {"fault": "truncate", "at": 2}, "truncated", "stream", status=200),
    down("cut", {"fault": "cut", "at": 2}, "reset", "stream", status=200),
    down("stream-error", {"fault": "stream_error", "at": 2}, "error_in_200", "stream", status=200),
    down("overloaded-in-stream", {"fault": "stream_error", "error": "overloaded", "at": 0}, "upstream_full", "first", status=200),
    down("malformed", {"fault": "malformed", "at": 1}, "malformed", "stream", status=200),
    down("bad-utf8", {"fault": "bad_utf8", "at": 1}, "malformed", "stream", status=200),
    down("html", {"fault": "html"}, "not_api", "first", status=200),
    down("overloaded", {"error": "overloaded"}, "upstream_full", "headers", status=529),
    down("server", {"error": "server"}, "server_error", "headers", status=500),
    unusable("bad-key", {"error": "bad_key"}, "auth", status=401),
    unusable("no-credit-as-400", {"error": "no_credit"}, "no_credit", status=400),
    unusable("forbidden", {"error": "forbidden"}, "forbidden", status=403),
    ours("bad-request", {"error": "bad_request"}, "bad_request", status=400),
    limited("rate-limited", {"error": "rate_limited"}),
    Case("no-such-model", {"error": "model_missing"}, "model_missing", "headers", "relay", "missing", OUT, status=404),
]
# Statuses alone and bodies that don't fit them.
STATUSES = [
    unusable("401", {"status": 401}, "auth", status=401),
    unusable("402", {"status": 402}, "no_credit", status=402),
    unusable("403", {"status": 403}, "forbidden", status=403),
    ours("404", {"status": 404}, "bad_request", status=404),
    limited("429", {"status": 429}),
    limited("429-nothing", {"error": "rate_limited", "body": "empty"}),
    limited("429-page", {"error": "rate_limited", "body": "html"}),
    limited("429-text", {"error": "rate_limited", "body": "text"}),
    limited("429-wait", {"error": "rate_limited", "retry_after": 60}),
    limited("429-wait-date", {"error": "rate_limited", "retry_after": 60, "retry_after_date": True}),
    *[down(f"{s}", {"status": s}, ("server_error", "timeout"), "headers", status=s) for s in (500, 502, 503, 504, 520, 524)],
    down("529", {"status": 529}, ("upstream_full", "server_error"), "headers", status=529),
    *[down(f"{s}-page", {"error": "server", "status": s, "body": "html"}, "server_error", "headers", status=s) for s in (500, 502, 504)],
    down("503-nothing", {"error": "unavailable", "body": "empty"}, "server_error", "headers", status=503),
    down("403-page", {"error": "forbidden", "body": "html"}, "not_api", "headers", status=403),
    down("404-page", {"error": "not_found", "body": "html", "on": ["chat"]}, "not_api", "headers", status=404),
    down("200-error", {"error": "server", "status": 200}, "error_in_200", "first", status=200),
    down("200-success-false", {"error": "server", "status": 200, "body": "success_false"}, "error_in_200", "first", status=200),
    down("200-error-string", {"error": "server", "status": 200, "body": "error_string"}, "error_in_200", "first", status=200),
    down("200-object-error", {"error": "server", "status": 200, "body": "object_error"}, "error_in_200", "first", status=200),
    down("200-page", {"error": "server", "status": 200, "body": "html"}, "not_api", "first", status=200),
    down("200-text", {"error": "server", "status": 200, "body": "text"}, ("malformed", "error_in_200"), "first", status=200),
    Case("200-no-credit", {"error": "no_credit", "status": 200}, "no_credit", "first", "ours", "unusable", OUT, status=200),
    Case("200-bad-key", {"error": "bad_key", "status": 200}, "auth", "first", "ours", "unusable", OUT, status=200),
    limited("200-rate-limited", {"error": "rate_limited", "status": 200}, stage="first", status=200),
]

# What every family says in its own way, and its own statuses mislead: the outcome is the same.
FAMILIES = ["openai", "openrouter", "siliconflow", "newapi", "oneapi", "aihubmix", "apiyi", "dmxapi", "sub2api", "anthropic"]
ERRORS = [
    unusable("bad_key", {"error": "bad_key"}, "auth"),
    unusable("no_credit", {"error": "no_credit"}, "no_credit"),
    unusable("key_limit", {"error": "key_limit"}, "no_credit"),
    unusable("forbidden", {"error": "forbidden"}, "forbidden"),
    ours("bad_request", {"error": "bad_request"}, "bad_request"),
    ours("moderated", {"error": "moderated"}, "moderated"),
    ours("too_large", {"error": "too_large"}, "bad_request"),
    Case("model_missing", {"error": "model_missing"}, "model_missing", "headers", "relay", "missing", OUT),
    limited("rate_limited", {"error": "rate_limited"}),
    limited("user_limit", {"error": "user_limit"}),
    down("upstream_full", {"error": "upstream_full"}, "upstream_full", "headers"),
    down("server", {"error": "server"}, "server_error", "headers"),
    down("bad_gateway", {"error": "bad_gateway"}, ("server_error", "upstream_full"), "headers"),
    # new-api says of it that there is no channel for the model.
    Case("unavailable", {"error": "unavailable"}, ("server_error", "upstream_full", "model_missing"), "headers", "relay", ("down", "missing"), OUT),
    down("gateway_timeout", {"error": "gateway_timeout"}, ("server_error", "upstream_full", "timeout"), "headers"),
    down("edge_timeout", {"error": "edge_timeout"}, ("server_error", "timeout"), "headers", status=524),
    # Theirs, although it reads like ours: the relay's own key, or its own price list.
    down("upstream_key", {"error": "upstream_key"}, ("upstream_full", "server_error"), "headers"),
    down("no_price", {"error": "no_price"}, ("server_error", "upstream_full"), "headers"),
]
OWN_WORDS = {"upstream_key": ("openai", "openrouter", "siliconflow", "newapi", "oneapi", "anthropic")}  # the others have none for it
GROUPS = {"answers": ANSWERS, "statuses": STATUSES, "messages": MESSAGES}


def model_of(group, case):
    return f"{group}.{case.name}"


class World:
    def __init__(self, sim, daemon):
        self.sim, self.daemon = sim, daemon
        self.settles_by = time.monotonic() + 2 * DEADLINE  # all of it at once: later tests find what they wait for

    def settled(self, platform_name, model, case):
        """Waits for state and rank, and checks every chat."""
        last = {}

        def check():
            e = self.daemon.explain(platform_name, model)
            rows = self.daemon.routes(model)
            seen = [o for o in e["last"] if o["probe"] == "chat"]
            last.update(state=e["state"], why=e["state_why"], ranked=[(r["platform"], r["slots"], r["state"], r["loss"]) for r in rows],
                        newest=seen[:1])
            assert seen, "no chat yet"
            for o in seen:
                assert not case.wrong(o), f"{case.wrong(o)}: {o}"
            assert not case.detail or case.detail in seen[0]["detail"], seen[0]
            assert e["state"] in case.state, last
            row, good = (next(r for r in rows if r["platform"] == p) for p in (platform_name, "good"))
            assert row["slots"] + good["slots"] == 256 and good["state"] == "up", last
            if case.effect == FIRST:
                assert row["loss"] < good["loss"], last
            elif case.effect == BEHIND:
                assert row["loss"] > good["loss"], last
            else:
                assert row["slots"] == 0 and rows[0] is good, last
            return row, seen
        return self.daemon.wait(check, deadline=max(LATE, self.settles_by - time.monotonic()),
                                what=f"{platform_name}/{model}: {case.outcome} {case.state} {case.effect}")


def crowd_relays():
    every = [model_of("connections", c) for c in CONNECTIONS + SECURE] + [model_of("errors", c) for c in ERRORS]
    every += [model_of(group, c) for group, listed in GROUPS.items() for c in listed]
    relays = [{"name": "good", "models": every, "behaviour": GOOD}]
    for listed, more in ((CONNECTIONS, {}), (SECURE, {"tls": True})):
        relays += [{"name": c.name, "models": [model_of("connections", c)], "behaviour": {**QUICK, **c.behaviour}, **more} for c in listed]
    next(r for r in relays if r["name"] == "wrong-key")["key"] = "sk-right"
    for group, cases in GROUPS.items():
        relays.append({"name": group, "family": "anthropic" if group == "messages" else "openai", "behaviour": QUICK,
                       "models": [model_of(group, c) for c in cases], "model_behaviour": {model_of(group, c): {**QUICK, **c.behaviour} for c in cases}})
    for family in FAMILIES:
        relays.append({"name": "f-" + family, "family": family, "behaviour": QUICK,
                       "models": [model_of("errors", c) for c in ERRORS],
                       "model_behaviour": {model_of("errors", c): {**QUICK, **c.behaviour} for c in ERRORS}})
    return relays


def crowd_config(sim):
    def models(group, cases):
        return [model_of(group, c) for c in cases]

    platforms = {}
    for case in CONNECTIONS + SECURE:
        platforms[case.name] = platform(sim.url(case.name), models=[model_of("connections", case)])
    platforms["drip-whole"]["probes"] = {"chat": probes(chat_interval=9000, chat_timeout=8000, headers=6000, first=6000)["chat"]}
    platforms["wrong-key"]["key"] = {"env": "WRONG_KEY"}
    for group, cases in GROUPS.items():
        platforms[group] = platform(sim.url(group), models=models(group, cases), dialect="anthropic" if group == "messages" else "openai")
        for case in cases:
            platforms[group]["models"][model_of(group, case)].update(case.route)
    for family in FAMILIES:
        platforms["f-" + family] = platform(sim.url("f-" + family), models=models("errors", ERRORS),
                                            dialect="anthropic" if family == "anthropic" else "openai",
                                            probes={"chat": probes(chat_fast=400)["chat"]})
    platforms["good"] = platform(sim.url("good"), models=[m for p in platforms.values() for m in p["models"]])
    return config(platforms, ca_file=sim.ca_file)


@pytest.fixture(scope="module")
def world():
    with Relaysim(crowd_relays()) as sim:
        with Probed(crowd_config(sim), env={"WRONG_KEY": "sk-wrong"}) as daemon:
            yield World(sim, daemon)


def cases(*groups):
    return [pytest.param(group, case, id=f"{group}-{case.name}") for group, listed in groups for case in listed]


# --- alone on the machine: times ------------------------------------------------------------------------------------------

TIMED = {
    "plain": {},
    "comments": {"comments": 3, "comment_gap": 5},
    "role-and-empty": {"role_delta": True, "empty_deltas": 3},
    "all": {"comments": 3, "comment_gap": 3, "role_delta": True, "empty_deltas": 2},
    "reasoning": {"reasoning": 4, "comments": 1},
    "secure": {"comments": 2, "empty_deltas": 2},
}


def collect(daemon, seen, name):
    for o in chats(daemon, name, name):
        seen[name][o["at"]] = o


def errors_ms(observations, requests):
    """probed's first-token time less the relay's own, a request each; matched by when they ended."""
    found = []
    for at, o in observations.items():
        nearest = min(requests, key=lambda r: abs(r["times"]["done"][1] / 1e6 - at))
        if abs(nearest["times"]["done"][1] / 1e6 - at) > 0.05:
            continue
        times = nearest["times"]
        first = min(times[name][0] for name in ("reasoning", "content") if times.get(name))
        found.append(o["ttft_ms"] - (first - times["complete"][0]) / 1000)
    return found


def test_first_token_times_are_true(capsys):
    relays = [{"name": n, "models": [n], "tls": n == "secure", "behaviour": {"first_token": {"uniform": [15, 90]}, "gap": 2, **b}} for n, b in TIMED.items()]
    with Relaysim(relays) as sim:
        text = config({n: platform(sim.url(n), models=[n]) for n in TIMED}, ca_file=sim.ca_file, health={"samples": 1000})
        with Probed(text) as daemon:
            seen = {n: {} for n in TIMED}

            def enough():
                for n in TIMED:
                    collect(daemon, seen, n)
                return all(len(s) >= 20 for s in seen.values())
            daemon.wait(enough, deadline=60, what="20 chats of each")
            found = {n: errors_ms(seen[n], [r for r in sim.log(n, kind="chat", ended=True) if "done" in r["times"]]) for n in TIMED}
            for n, s in seen.items():
                assert all(o["outcome"] == "ok" for o in s.values()), (n, s)
                assert not any("one_burst" in o["flags"] for o in s.values()), (n, s)
    every = sorted(e for errors in found.values() for e in errors)
    p99 = every[min(len(every) - 1, int(len(every) * 0.99))]
    with capsys.disabled():
        print(f"\nfirst token, probed less relay: {len(every)} chats, median {statistics.median(every):.3f} ms, p99 {p99:.3f} ms, "
              f"least {every[0]:.3f} ms; medians " + ", ".join(f"{n} {statistics.median(e):.3f}" for n, e in found.items()))
    assert len(every) >= 100
    assert every[0] > -1, "a token was seen before it was sent"
    for n, errors in found.items():
        assert abs(statistics.median(errors)) < (50 if SLOW else 5), (n, errors)


# --- what changes ------------------------------------------------------------------------------------------------------------


def state_is(daemon, name, model, state):
    e = daemon.explain(name, model)
    assert e["state"] == state, (e["state"], e["state_why"], e["last"][:2])
    return e


def test_a_relay_that_changes():
    """Up, limited, up, lying under 200, up, out of credit, up; paid, so that each chat is in the books."""
    relays = [{"name": "turns", "models": ["m"], "behaviour": QUICK}, {"name": "good", "models": ["m"], "behaviour": GOOD}]
    with Relaysim(relays) as sim:
        text = config({n: platform(sim.url(n), price=PRICE) for n in ("turns", "good")}, probes=probes(chat_fast=100))
        with Probed(text) as d:
            def turns(state, first):
                # Explain is of this moment, the table at most a second old.
                return d.wait(lambda: d.first("m") == first and d.row("m", "turns")["state"] == state and state_is(d, "turns", "m", state), what=f"turns is {state}, {first} first")

            before = turns("up", "turns")
            low = d.wait(lambda: d.row("m", "turns")["availability"])
            sim.set("turns", error="rate_limited")
            after = turns("limited", "good")
            d.wait(lambda: d.row("m", "turns")["slots"] == 0, what="nothing but 429: no share")
            assert after["share_cap"] < before["share_cap"]
            assert abs(d.row("m", "turns")["availability"] - low) < 0.02, "a 429 lowers no availability"

            sim.reset("turns")
            sim.set("turns", **QUICK)
            d.wait(lambda: state_is(d, "turns", "m", "up"))
            sim.set("turns", error="server", status=200)
            down_ = turns("down", "good")
            assert down_["last"][0]["outcome"] == "error_in_200" and d.row("m", "turns")["slots"] == 0
            assert d.row("m", "turns")["availability"] < low - 0.02

            sim.reset("turns")
            sim.set("turns", **QUICK)
            # Probation: it comes back with a small share first.
            back = d.wait(lambda: [r for r in d.routes("m") if r["platform"] == "turns" and r["slots"] > 0], what="it has slots again")[0]
            assert back["slots"] <= 128, back

            sim.set("turns", error="no_credit")
            e = turns("unusable", "good")
            assert e["last"][0]["fault"] == "ours" and d.row("m", "turns")["slots"] == 0
            sim.reset("turns")
            sim.set("turns", **QUICK)
            d.wait(lambda: d.explain("turns", "m")["state"] in ("up", "degraded"), what="usable again")
            assert d.explain("turns", "m")["budget"]["spent"] > 0
            assert sim.log(kind="chat", last=100000, duplicates=True) == []


def test_failover_between_two_endpoints():
    relays = [{"name": n, "models": ["m"], "behaviour": GOOD if n == "good" else QUICK} for n in ("one", "two", "good")]
    with Relaysim(relays) as sim:
        one, two = sim.url("one") + "/v1", sim.url("two") + "/v1"
        with Probed(config({"pair": platform(sim.url("one"), sim.url("two")), "good": platform(sim.url("good"))})) as d:
            def endpoint(url):
                row = d.row("m", "pair")
                assert row["endpoint"] == url and d.explain("pair", "m")["endpoint"] == url, row
                return row

            d.wait(lambda: endpoint(one)["state"] == "up" and d.first("m") == "pair", what="the first endpoint is used")
            assert sim.log("two", kind="chat") == []
            sim.set("one", fault="refuse")
            d.wait(lambda: endpoint(two), what="the second endpoint is used")
            d.wait(lambda: sim.log("two", kind="chat"), what="chats go to the second")
            d.wait(lambda: endpoint(two)["state"] in ("up", "degraded") and d.row("m", "pair")["slots"] > 0, what="the route lives on it")
            listed = next(p for p in d.status()["platforms"] if p["platform"] == "pair")["endpoints"]
            assert [(e["url"], e["in_use"], e["up"]) for e in listed] == [(one, False, False), (two, True, True)], listed
            assert listed[0]["outcome"] == "refused"

            sim.reset("one")
            sim.set("one", **QUICK)
            before = len(sim.log("one", kind="chat"))
            d.wait(lambda: endpoint(one), what="the first endpoint is used again")
            d.wait(lambda: len(sim.log("one", kind="chat")) > before, what="chats go to the first again")
            d.wait(lambda: d.row("m", "pair")["state"] == "up", what="and it is up")

            sim.set(["one", "two"], fault="refuse")
            d.wait(lambda: d.row("m", "pair")["state"] == "down" and d.row("m", "pair")["slots"] == 0 and d.first("m") == "good")


# --- what must not be sent twice ------------------------------------------------------------------------------------------------


def test_a_post_on_a_dying_connection_is_not_repeated():
    """A kept connection that dies under a request: curl by itself would send it again, unseen and twice paid."""
    dying = {"dies-by-reset": {"fault": "reused_reset"}, "dies-by-close": {"fault": "reused_close"}, "dies-in-tls": {"fault": "reused_close"}}
    relays = [{"name": n, "models": ["m"], "tls": "tls" in n, "behaviour": {**QUICK, **b, "on": ["chat"]}} for n, b in dying.items()]
    relays.append({"name": "good", "models": ["m"], "behaviour": GOOD})
    names = [r["name"] for r in relays if r["name"] != "good"]
    with Relaysim(relays) as sim:
        platforms = {r["name"]: platform(sim.url(r["name"]), price=PRICE, models=["m"]) for r in relays}
        with Probed(config(platforms, ca_file=sim.ca_file, health={"samples": 1000})) as d:
            for name in names:
                def deaths(name=name):
                    return len([r for r in sim.log(name, kind="chat", ended=True) if r["how"].startswith("reused")]) >= 4
                d.wait(deaths, what=f"{name}: four deaths under a request")
                d.wait(lambda name=name: state_is(d, name, "m", "down"))
                d.wait(lambda name=name: d.first("m") == "good" and d.row("m", name)["slots"] == 0)
                requests = sim.log(name, kind="chat")
                assert all(r["seen"] == 1 for r in requests), requests
                # Each died on a connection that had served one before (a chat or a list of models).
                assert all(r["nth"] > 1 for r in requests if r["how"].startswith("reused")), requests
                seen = chats(d, name, "m")
                assert {o["outcome"] for o in seen} == {"ok", "reset"}, seen
                assert all((o["fault"], o["status"]) == ("relay", None) and o["stage"] == "headers" for o in seen if o["outcome"] == "reset"), seen
            assert sim.log(kind="chat", last=100000, duplicates=True) == []


# --- HTTP/2 -----------------------------------------------------------------------------------------------------------------------

HTTP2 = [
    ok("h2-good", {"comments": 2, "empty_deltas": 1}, flags=["challenge_passed"]),
    ok("h2-reasoning", {"reasoning": 3}, reasoning=True),
    down("h2-hang", {"fault": "hang", "on": ["chat"]}, "timeout", "headers", status=0),
    down("h2-server", {"error": "server"}, "server_error", "headers", status=500),
    limited("h2-limited", {"error": "rate_limited"}),
    unusable("h2-no-credit", {"error": "no_credit"}, "no_credit", status=429),
    down("h2-200-error", {"error": "server", "status": 200}, "error_in_200", "first", status=200),
    down("h2-truncated", {"fault": "truncate", "at": 2}, "truncated", "stream", status=200),
    down("h2-cut", {"fault": "cut", "at": 2}, "reset", "stream", status=200),
    down("h2-stall", {"fault": "stall", "at": 2}, "stalled", "stream", status=200),
    down("h2-malformed", {"fault": "malformed", "at": 1}, "malformed", "stream", status=200),
    down("h2-html", {"fault": "html"}, "not_api", "first", status=200),
]


@pytest.mark.skipif(not NGHTTPX or not OPENSSL, reason="nghttpx (nghttp2-proxy) or openssl is not installed")
def test_http2():
    behaviours = {c.name: {**QUICK, **c.behaviour} for c in HTTP2}
    models = list(behaviours)
    relays = [{"name": "behind", "models": models, "behaviour": QUICK, "model_behaviour": behaviours}, {"name": "good", "models": models, "behaviour": GOOD}]
    with Relaysim(relays) as sim, Nghttpx([sim.own_port("behind")]) as proxy:
        platforms = {"behind": platform(proxy.urls[0], models=models, ca_file=proxy.ca_file), "good": platform(sim.url("good"), models=models)}
        for case in HTTP2:
            platforms["behind"]["models"][case.name].update(case.route)
        with Probed(config(platforms)) as d:
            w = World(sim, d)
            for case in HTTP2:
                w.settled("behind", case.name, case)
            # Connections that die between and under requests: a proxy that goes and comes back.
            proxy.stop()
            d.wait(lambda: state_is(d, "behind", "h2-good", "down")["last"][0]["outcome"] == "refused", what="the proxy is away")
            proxy.start()
            d.wait(lambda: d.explain("behind", "h2-good")["state"] in ("up", "degraded"), what="the proxy is back")
            posts = [line for line in proxy.log() if line[2] == "POST"]
            assert posts and {line[1] for line in posts} == {"h2"}, posts[:5]
            assert [r for r in sim.log(kind="chat", last=100000) if r["seen"] > 1] == []


# --- the crowd's tests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group,case", cases(("connections", CONNECTIONS), ("secure", SECURE)))
def test_connection(world, group, case):
    world.settled(case.name, model_of("connections", case), case)


@pytest.mark.parametrize("group,case", cases(("answers", ANSWERS), ("statuses", STATUSES), ("messages", MESSAGES)))
def test_answer(world, group, case):
    world.settled(group, model_of(group, case), case)


@pytest.mark.parametrize("family,case", [pytest.param(f, c, id=f"{f}-{c.name}") for f in FAMILIES for c in ERRORS if f in OWN_WORDS.get(c.name, FAMILIES)])
def test_error_of_a_family(world, family, case):
    world.settled("f-" + family, model_of("errors", case), case)


def test_availability_counts_only_the_relays_faults(world):
    for group, case in [("statuses", c) for c in STATUSES if c.fault != "relay"]:
        failed = sum(w["failed"] for w in world.daemon.explain(group, model_of(group, case))["windows"])
        assert failed == 0, case.name
    for case in [c for c in STATUSES if c.fault == "relay"]:
        assert world.daemon.explain("statuses", model_of("statuses", case))["windows"][0]["failed"] > 0, case.name


def test_a_burst_is_no_first_token(world):
    """Its tokens were 30 ms apart at the relay: what its reader waited for is the whole, and there is no speed."""
    for group in ("answers", "messages"):
        for name in ("one-burst", "plain-json"):
            for o in chats(world.daemon, group, f"{group}.{name}"):
                assert o["ttft_ms"] > 500 and o["tokens_per_s"] is None, (group, name, o)


def test_retry_after_is_honoured(world):
    for name in ("429-wait", "429-wait-date"):
        model = f"statuses.{name}"
        e = world.daemon.wait(lambda model=model: state_is(world.daemon, "statuses", model, "limited"))
        assert e["next_probe_at"] - e["last"][0]["at"] > 55, e
        assert len(e["last"]) == 1, e["last"]


def test_dishonesty_costs_where_a_policy_asks_for_it(world):
    """Under "quick" who lies is first for being fast, under "honest" it is not."""
    for name, what in (("wrong-model", "model_differs"), ("wrong-answer", "challenges_failed")):
        model = f"answers.{name}"
        world.daemon.wait(lambda model=model: world.daemon.first(model, "honest") == "good", what=f"{name} loses first place under honest")
        assert world.daemon.explain("answers", model)["honesty"][what] > 0


def test_no_request_was_ever_sent_twice(world):
    total = world.sim.stats()["total"]
    assert total["chats"] > 500 and total["duplicates"] == 0, total
    assert world.sim.log(kind="chat", last=1000, duplicates=True) == []
