"""The four dialects, what a route teaches of how it wants to be asked, and the soft signals of its answers: the real programs against simulated relays.

One daemon probes all of it at once; a model a case, so that no case disturbs another's.
"""
import os
import time

import pytest

from daemon import BUILD, DEADLINE, Probed
from relaysim import Relaysim, program
from world import config, platform, probes

pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK) or not os.access(os.path.join(BUILD, "probed"), os.X_OK),
                                reason="probed and relaysim are not built")

QUICK = {"first_token": 2, "gap": 1}
DIALECTS = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta", "responses": "/v1"}

# What is answered, in every dialect: behaviour, outcome.
ANSWERS = {
    "plain": ({}, "ok"),
    "thinks": ({"reasoning": 4}, "ok"),
    "whole-body": ({"plain": True}, "ok"),
    "truncated": ({"fault": "truncate", "at": 2}, "truncated"),
    "empty": ({"fault": "empty"}, "empty"),
    "error-in-stream": ({"fault": "stream_error", "at": 1}, ("error_in_200", "server_error")),
    "bad-key": ({"error": "bad_key"}, "auth"),
    "no-credit": ({"error": "no_credit"}, "no_credit"),
    "rate-limited": ({"error": "rate_limited"}, "rate_limited"),
    "no-such-model": ({"error": "model_missing"}, "model_missing"),
}

# What a route refuses, what is said of that, and what stands in its requests for ever after.
REFUSALS = {
    "temperature": (["temperature"], "temperature is left out from now on"),
    "stream_options": (["stream_options"], "stream_options is left out from now on"),
    "max_tokens": (["max_tokens"], "max_tokens is sent as max_completion_tokens from now on"),
    "three": (["temperature", "stream_options", "max_tokens"], "from now on"),
}

# Signals: behaviour, the flag, words of its evidence.
SIGNALS = {
    "model": ({"model_echo": "gpt-3.5-turbo"}, "model_differs", "gpt-3.5-turbo"),
    "wrong": ({"answer": "wrong"}, "challenge_failed", ", not "),
    "usage": ({"usage_absurd": True}, "usage_impossible", "1 tokens for a prompt of at least"),
    "cached": ({"cached_tokens": 55}, "cached", "55 of "),
    "id": ({"id_prefix": "msg_"}, "id_odd", "msg_ in the openai dialect"),
    "burst": ({"burst": True, "tokens": 40, "gap": 5}, "one_burst", "pieces at once"),
    "cumulative": ({"cumulative": True, "tokens": 6}, "cumulative", "pieces"),
}


def relays():
    listed = [{"name": d, "family": "anthropic" if d == "anthropic" else "openai", "behaviour": QUICK,
               "models": [f"{d}.{n}" for n in ANSWERS], "model_behaviour": {f"{d}.{n}": {**QUICK, **b} for n, (b, _) in ANSWERS.items()}} for d in DIALECTS]
    listed.append({"name": "strict", "behaviour": QUICK, "models": [f"strict.{n}" for n in REFUSALS],
                   "model_behaviour": {f"strict.{n}": {**QUICK, "refuse_parameter": p} for n, (p, _) in REFUSALS.items()}})
    listed.append({"name": "signals", "behaviour": QUICK, "models": [f"signals.{n}" for n in SIGNALS],
                   "model_behaviour": {f"signals.{n}": {**QUICK, **b} for n, (b, _, _) in SIGNALS.items()}})
    listed.append({"name": "again", "behaviour": QUICK, "models": ["again"]})
    thinkers = {"thinker.burns": {"reasoning_burn": 300}, "thinker.needs": {"reasoning_min": 200}, "thinker.shows": {"reasoning": 60}}
    listed.append({"name": "thinker", "behaviour": QUICK, "models": list(thinkers), "model_behaviour": {m: {**QUICK, **b} for m, b in thinkers.items()}})
    return listed


@pytest.fixture(scope="module")
def world():
    with Relaysim(relays()) as sim:
        platforms = {}
        for r in relays():
            p = platform(sim.url(r["name"]), models=r["models"], dialect=r["name"] if r["name"] in DIALECTS else "openai")
            if r["name"] in DIALECTS:
                for e in p["endpoints"]:
                    e["url"] = sim.url(r["name"]) + DIALECTS[r["name"]]
            platforms[r["name"]] = p
        with Probed(config(platforms, probes=probes(chat_fast=150))) as daemon:
            daemon.sim = sim
            daemon.until = time.monotonic() + 3 * DEADLINE
            yield daemon


def chats(daemon, name, model):
    return [o for o in daemon.explain(name, model)["last"] if o["probe"] == "chat"]


def wait(daemon, check, what):
    return daemon.wait(check, deadline=max(3, daemon.until - time.monotonic()), what=what)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ANSWERS)
def test_each_dialect(world, dialect, name):
    """The same relay behaviour comes to the same outcome, whatever is spoken; and it is spoken."""
    expected = ANSWERS[name][1]
    model = f"{dialect}.{name}"
    seen = wait(world, lambda: chats(world, dialect, model), f"a chat with {model}")
    for o in seen:
        assert o["outcome"] in ((expected,) if isinstance(expected, str) else expected), o
        if expected == "ok":
            assert "challenge_passed" in o["flags"] and "model_differs" not in o["flags"] and "id_odd" not in o["flags"], o
            assert not {"usage_impossible", "cached", "no_usage"} & set(o["flags"]), o
            assert name != "whole-body" or "one_burst" in o["flags"], o
    requests = [r for r in world.sim.log(dialect, kind="chat") if r["model"] == model]
    assert requests and all(r["dialect"] == dialect for r in requests), requests[:2]


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_parameters(world, name):
    """A refusal is no outage, is said once, and the route works from then on."""
    refused, words = REFUSALS[name]
    model = f"strict.{name}"

    def works():
        e = world.explain("strict", model)
        return e["state"] == "up" and sum(o["outcome"] == "ok" for o in e["last"]) >= 3
    wait(world, works, f"{model} works")
    requests = [r for r in world.sim.log("strict", kind="chat", ended=True) if r["model"] == model]
    assert sum(r["status"] == 400 for r in requests) == len(refused), requests
    bad = [o for o in chats(world, "strict", model) if o["outcome"] != "ok"]
    for o in bad:
        assert o["outcome"] == "bad_request" and o["fault"] == "ours" and words in o["detail"], o


@pytest.mark.parametrize("name", SIGNALS)
def test_signals(world, name):
    """Seen, counted, with evidence; the route is up all the same, and no other signal is seen."""
    behaviour, flag, words = SIGNALS[name]
    model = f"signals.{name}"

    def seen():
        e = world.explain("signals", model)
        return e if any(s["signal"] == flag and s["count"] >= 3 for s in e["honesty"]["signals"]) else None
    e = wait(world, seen, f"{flag} of {model}")
    assert e["state"] in ("up", "degraded"), e["state_why"]
    signals = {s["signal"]: s for s in e["honesty"]["signals"]}
    assert words in signals[flag]["evidence"], signals[flag]
    assert signals[flag]["count"] == signals[flag]["of"] and signals[flag]["share"] > 0.99 and signals[flag]["at"]
    assert signals[flag]["weighs"] == (flag not in ("one_burst", "cumulative"))
    # On a busy machine the pieces of a short answer may well come at once.
    assert {s for s in signals if signals[s]["count"]} - {"one_burst"} == {flag} - {"one_burst"}, {s: signals[s] for s in signals if signals[s]["count"]}
    if signals[flag]["weighs"] and flag != "id_odd":
        assert e["honesty"]["dishonesty"] > 0.4, e["honesty"]


@pytest.mark.parametrize("name", ["burns", "needs", "shows"])
def test_thinkers(world, name):
    """A model that thinks, though nobody said so, gets the room for it."""
    model = f"thinker.{name}"
    wait(world, lambda: sum(o["outcome"] == "ok" and "challenge_passed" in o["flags"] for o in chats(world, "thinker", model)) >= 2, f"{model} answers")
    for o in chats(world, "thinker", model):
        assert o["fault"] in ("none", "ours"), o
        assert o["outcome"] in ("ok", "unfinished"), o


def test_an_answer_from_a_cache(world):
    """What was right a question ago, and stands nowhere in this one, was not made for it."""
    wait(world, lambda: sum("challenge_passed" in o["flags"] for o in chats(world, "again", "again")) >= 2, "right answers")
    world.sim.set("again", cached_answer=True)

    def cached():
        signals = {s["signal"]: s for s in world.explain("again", "again")["honesty"]["signals"]}
        return signals["cached"]["count"] >= 2 and signals["cached"]
    assert world.wait(cached, what="answers from a cache")["evidence"] == "the answer to an earlier question"
