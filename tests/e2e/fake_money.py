"""A daemon's knowledge of money made up: what `routectl prices`, `spend`, `forecast`, `capabilities`, `honesty` and `platforms` ask, with canned answers.

As a program it serves until its standard input ends: python3 fake_money.py SOCKET
"""
import sys
import time

from fake_history import EVIL, FakeDaemon

RATES = {"USD": 1.0, "CNY": 0.139, "EUR": 1.08}  # in USD, the reference
# platform, title, currency, price source and state, why, balance source and state, why
PLATFORMS = [
    ("openrouter", "OpenRouter", "USD", "openrouter", "ok", None, "openrouter", "ok", None),
    ("poloapi", "PoloAPI", "USD", "newapi", "ok", None, "oneapi", "ok", None),
    ("siliconflow", "硅基流动 SiliconFlow", "CNY", "config", "config", None, "siliconflow", "ok", None),
    ("dmxapi", "DMXAPI", "CNY", "rixapi", "stale", "HTTP 502 since 13:05", "dmxapi", "ok", None),
    ("4sapi", "4SAPI", "USD", "newapi", "ok", None, "newapi", "failed", "HTTP 401: 无效的令牌"),
    ("aihubmix", "AIHubMix", "USD", "aihubmix", "ok", None, "aihubmix", "ok", None),
    ("apiyi", "API易 APIYI", "USD", "shellapi", "pending", None, "apiyi", "pending", None),
    ("whatai", "神马 whatai", "CNY", "newapi", "failed", "no JSON: <!DOCTYPE html> " + EVIL, "oneapi", "ok", None),
    ("explinks", "幂简集成 explinks", "CNY", "none", "none", None, "none", "none", None),
]
ENDPOINTS = {"openrouter": "openrouter.ai/api/v1", "poloapi": "work.poloapi.com/v1", "siliconflow": "api.siliconflow.cn/v1", "dmxapi": "www.dmxapi.cn/v1", "4sapi": "4sapi.com/v1",
             "aihubmix": "aihubmix.com/v1", "apiyi": "api.apiyi.com/v1", "whatai": "api.whatai.cc/v1", "explinks": "api.explinks.com/v1"}
NAMES = [p[0] for p in PLATFORMS]
TITLES = {p[0]: p[1] for p in PLATFORMS}
MODELS = ["gpt-4o-mini", "deepseek-ai/DeepSeek-V3"]
CAPABILITIES = ["stream", "usage", "tools", "json", "vision", "embeddings"]
SIGNALS = {"model_differs": "the answer names another model than the one asked for", "id_prefix": "the id is not of the kind that this model's maker gives",
           "usage_impossible": "the usage told cannot be that of the text", "fake_stream": "the whole answer came in one burst",
           "cached_answer": "an answer came back that was given before, although the question was another", "cumulative": "each piece repeats all before it",
           "same_answer": "several models gave the same answer"}


def refused(status, detail, **more):
    return status, {"type": "about:blank", "title": {404: "Not Found", 400: "Bad Request"}[status], "status": status, "detail": detail, **more}


def checked(answer):
    """As the daemon refuses: unknown models, platforms and currencies."""
    def check(query):
        currency = query.get("currency", ["USD"])[0]
        if currency not in RATES:
            return refused(400, f"there is no rate for {currency}: USD, CNY and EUR are known")
        for name, known in (("model", MODELS), ("platform", NAMES)):
            for word in query.get(name, []):
                if word not in known:
                    return refused(404, f"there is no {name} '{word}'")
        return answer(query, currency, 1 / RATES[currency])
    return check


def times(values, factor):
    return {k: None if v is None else v * factor for k, v in values.items()}


def price_row(now, name, factor, usd, **more):
    own = "CNY" if name in ("siliconflow", "dmxapi", "whatai", "explinks") else "USD"
    prices = {k: usd.get(k) for k in ("input", "output", "cache_read", "cache_write", "call")}
    row = {"platform": name, "title": TITLES[name], "upstream_model": "gpt-4o-mini", "source": "newapi", "state": "ok", "fetched_at": now - 200, "age_s": 200.0,
           "own_currency": own, "own": times(prices, 1 / RATES[own]), **times(prices, factor), "tiers": [], "free": False,
           "reference": times({"input": 0.15, "output": 0.6}, factor), "off_reference": 1.0,
           "verified": {"state": "insufficient_data", "ratio": None, "low": None, "high": None, "evidence": None, "windows": 0, "why": "no reading yet", "of_mix": False, "at": None},
           "inflation": {"state": "insufficient_data", "ratio": None, "samples": 3}, "effective": times({k: prices[k] for k in ("input", "output", "call")}, factor)}
    row.update(more)
    return row


def verified(state, ratio, low, high, at, evidence="token_delta"):
    return {"state": state, "ratio": ratio, "low": low, "high": high, "evidence": evidence, "windows": 41, "why": None, "of_mix": evidence == "token_delta", "at": at}


NOTHING = {"input": None, "output": None, "cache_read": None, "cache_write": None, "call": None}


def prices(query, currency, factor):
    now = time.time()
    rows = [
        price_row(now, "explinks", factor, NOTHING, source="none", state="unknown", fetched_at=None, age_s=None, reference=None, off_reference=None),
        price_row(now, "openrouter", factor, {"input": 0.15, "output": 0.6, "cache_read": 0.075}, source="openrouter", upstream_model="openai/gpt-4o-mini",
                  verified=verified("as_advertised", 1.02, 0.97, 1.07, now - 7000, "usage_cost"), inflation={"state": "as_known", "ratio": 1.0, "samples": 212},
                  tiers=[{"from_tokens": 128000, **times({"input": 0.3, "output": 1.2, "cache_read": 0.15, "cache_write": None, "call": None}, factor)}]),
        price_row(now, "poloapi", factor, {"input": 0.12, "output": 0.48}, off_reference=0.8, verified=verified("dearer", 1.5, 1.44, 1.56, now - 60),
                  effective=times({"input": 0.18, "output": 0.72, "call": None}, factor)),
        price_row(now, "siliconflow", factor, {"input": 0.139, "output": 0.556}, source="config", fetched_at=None, age_s=None, off_reference=0.93),
        price_row(now, "dmxapi", factor, {"input": 0.1, "output": 0.4, "cache_read": 0.05, "cache_write": 0.125}, source="rixapi", state="stale", age_s=9000.0, off_reference=0.67,
                  inflation={"state": "inflated", "ratio": 1.3, "samples": 96}, effective=times({"input": 0.13, "output": 0.4, "call": None}, factor)),
        price_row(now, "4sapi", factor, {"input": 0.0015, "output": 0.006}, state="implausible", off_reference=0.01),
        price_row(now, "aihubmix", factor, {"input": 0.15, "output": 0.6}, source="reference"),
        price_row(now, "whatai", factor, {"call": 0.001}, off_reference=None, verified=verified("cheaper", 0.8, 0.75, 0.85, now - 86400, "balance_delta")),
        price_row(now, "apiyi", factor, {"input": 0, "output": 0}, source="shellapi", free=True, off_reference=None),
    ]
    models = {MODELS[0]: rows, MODELS[1]: [price_row(now, "siliconflow", factor, {"input": 0.278, "output": 1.112}, upstream_model="deepseek-ai/DeepSeek-V3")]}
    return {"now": now, "currency": currency, "rates": [{"currency": "CNY", "rate": 0.139, "source": "config", "at": None}, {"currency": "EUR", "rate": 1.08, "source": "fed", "at": now - 7200}],
            "platforms": [{"platform": name, "title": title, "source": source, "state": state, "why": why, "fetched_at": now - 200 if state == "ok" else None,
                           "changed_at": now - 86400 * 3 if state == "ok" else None, "age_s": {"ok": 200.0, "stale": 9000.0}.get(state), "models": 412 if state in ("ok", "stale") else 0,
                           "revision": "5f3c9a1e77b20d41" if state in ("ok", "stale") else None, "next_at": now + 400 if source not in ("config", "none") else None}
                          for name, title, _, source, state, why, _, _, _ in PLATFORMS],
            "models": [{"model": m, "rows": models[m]} for m in query.get("model", MODELS)]}


def runway(state, days=None, low=None, high=None):
    return {"state": state, "days": days, "low": low, "high": high}


def spend(query, currency, factor):
    now = time.time()
    left = {"openrouter": 27.6, "poloapi": 3.2, "siliconflow": 12.2, "dmxapi": 88.0, "aihubmix": 1540.5, "whatai": 0.0}
    burn = {"openrouter": (2.3, 1.9, 3.1), "poloapi": (1.5, 1.2, 1.8), "siliconflow": (0.0, 0.0, 0.01), "dmxapi": (0.41, None, None), "whatai": (0.2, 0.1, 0.3)}
    run = {"openrouter": runway("ok", 12, 9, 15), "poloapi": runway("ok", 2.13, 1.8, 2.7), "siliconflow": runway("not_falling"), "aihubmix": runway("unlimited"),
           "whatai": runway("ok", 0, 0, 0)}
    changes = {"openrouter": [{"at": now - 86400 * 2, "amount": 20 * factor, "kind": "topup"}], "siliconflow": [{"at": now - 4000, "amount": 1.95 * factor, "kind": "gift"}],
               "dmxapi": [{"at": now - 90000, "amount": -5.0 * factor, "kind": "expired"}, {"at": now - 80000, "amount": 0.31 * factor, "kind": "correction"}]}
    alerts = {"poloapi": ["short_runway"], "whatai": ["low_credit", "short_runway", "newer_alert"]}

    def money(number):
        return None if number is None else number * factor

    platforms = []
    for name, title, own, _, _, _, source, state, why in PLATFORMS:
        if name not in query.get("platform", NAMES):
            continue
        known = state == "ok"
        b = burn.get(name, (None, None, None))
        platforms.append({
            "platform": name, "title": title,
            "balance": {"source": source, "state": state, "why": why, "left": money(left.get(name)), "granted": money(100.0) if known else None,
                        "used": money(100.0 - left.get(name, 0)) if known else None, "gift": money(1.95) if name == "siliconflow" else None, "unlimited": name == "aihubmix",
                        "own_currency": own, "own_left": None if name not in left else left[name] / RATES[own], "scope": "key" if known else None, "at": now - 300 if known else None, "age_s": 300.0 if known else None,
                        "expires_at": now + 86400 * 3 if name == "siliconflow" else None},
            "burn": {"per_day": money(b[0]), "low": money(b[1]), "high": money(b[2]), "hours": 72.0}, "runway": run.get(name, runway("insufficient_data")),
            "changes": changes.get(name, []), "alerts": alerts.get(name, []),
            "probes": {"spent": money(0.04), "limit_per_day": money(0.1) if name in ("openrouter", "whatai") else None, "left": money(0.06) if name == "openrouter" else money(0.0) if name == "whatai" else None,
                       "per_day_expected": money(0.05)},
            "routes": [{"model": m, "level": level, "why": w, "spent": money(0.02), "expected": money(0.000031), "reserve": money(0.0004), "tripped": tripped}
                       for m, level, w, tripped in ((MODELS[0], "chat", None, False), (MODELS[1], "models", "its probes cost 7 times what was expected: 1,000 reasoning tokens", True))]})
    return {"now": now, "currency": currency, "budget": {"limit_per_day": money(1.0), "spent": money(0.41), "left": money(0.59), "stretch": 2.0}, "platforms": platforms}


def capabilities(query, *_):
    now = time.time()
    states = {"openrouter": "yyyyyy", "poloapi": "yy?y-n", "dmxapi": "yynyNn", "siliconflow": "------", "whatai": "yyyy?n"}
    words = {"y": "yes", "n": "no", "N": "no", "?": "unclear", "-": "untested"}
    routes = []
    for name, told in states.items():
        for model in MODELS:
            if name not in query.get("platform", NAMES) or model not in query.get("model", MODELS):
                continue
            tested = "y" in told
            routes.append({"platform": name, "title": TITLES[name], "model": model, "tested_at": now - 90000 if tested else None, "next_at": now + 500000 if tested else None,
                           "why": None if tested else "not probed: level models",
                           "results": [{"capability": c, "state": words[s], "declared": s == "N" or c == "vision" and s == "y", "at": now - 90000 if s != "-" else None,
                                        "evidence": {"y": "as asked", "n": "HTTP 400: tools are not supported", "N": "the picture was not seen: " + EVIL, "?": "cut off at max_tokens", "-": None}[s]}
                                       for c, s in zip(CAPABILITIES, told)]})
    return {"now": now, "capabilities": CAPABILITIES, "routes": routes}


def honesty(query, *_):
    now = time.time()
    seen = {"openrouter": {}, "siliconflow": {}, "poloapi": {"model_differs": (31, 310, "gpt-3.5-turbo"), "fake_stream": (2, 310, "41 tokens in 1 ms")}, "whatai": {"cached_answer": (1, 9000, EVIL)}, "explinks": None}
    routes = []
    for name, signals in seen.items():
        for model in MODELS:
            if name not in query.get("platform", NAMES) or model not in query.get("model", MODELS):
                continue
            samples = 0 if signals is None else 310
            routes.append({"platform": name, "title": TITLES[name], "model": model, "dishonesty": None if signals is None else 0.11 if name == "poloapi" else 0.0, "samples": samples,
                           "signals": [{"signal": s, "text": text, "count": (signals or {}).get(s, (0,))[0], "of": (signals or {}).get(s, (0, samples))[1],
                                        "share": (signals[s][0] / signals[s][1]) if signals and s in signals else 0.0 if samples else None, "weighs": s != "fake_stream",
                                        "at": now - 4000 if signals and s in signals else None, "evidence": signals[s][2] if signals and s in signals else None} for s, text in SIGNALS.items()]})
    return {"now": now, "routes": routes}


def forecast(query, currency, factor):
    now = time.time()
    days = float(query.get("days", ["30"])[0])
    if "requests_per_day" in query:
        if "model" not in query:
            return refused(400, "requests_per_day wants a model")
        declared = [(query["model"][0], float(query["requests_per_day"][0]), int(query["input"][0]), int(query["output"][0]), False)]
    else:
        declared = [(m, n, i, o, True) for m, n, i, o in ((MODELS[0], 50000.0, 1200, 300), (MODELS[1], 0.5, 200000, 4000)) if m in query.get("model", MODELS)]
    workloads = []
    for model, per_day, tokens_in, tokens_out, is_declared in declared:
        def platform(name, price, state="up", ends="not_within", at=None, **more):
            each = None if price is None else (price[0] * tokens_in + price[1] * tokens_out) / 1e6 * factor
            cost = None if each is None else each * per_day * days
            return {"platform": name, "title": TITLES[name], "state": state,
                    "price": {"input": price and price[0] * factor, "output": price and price[1] * factor, "call": None, "source": "newapi" if price else None, "verified": name == "openrouter"},
                    "per_request": each, "failed_share": 0.0031, "cost": cost, "low": None if cost is None else cost * 0.93, "high": None if cost is None else cost * 1.2, "why": None if price else "no price known",
                    "balance": 27.6 * factor if price else None, "runs_out_at": at and now + at * 86400, "runs_out_low": at and now + at * 86400 * 0.8, "runs_out_high": at and now + at * 86400 * 1.3,
                    "runs_out_state": ends, **more}
        platforms = [platform("explinks", None, "new", "insufficient_data"), platform("openrouter", (0.15, 0.6), ends="ok", at=1.9), platform("siliconflow", (0.139, 0.556)),
                     platform("dmxapi", (0.13, 0.4), "degraded", ends="ok", at=21), platform("aihubmix", (0.15, 0.6), ends="unlimited")]
        cost = platforms[1]["cost"] * 0.95
        workloads.append({"model": model, "requests_per_day": per_day, "input": tokens_in, "output": tokens_out, "policy": query.get("policy", ["production"])[0], "declared": is_declared,
                          "table": {"cost": cost, "low": cost * 0.9, "high": cost * 1.25, "why": None,
                                    "shares": [{"platform": "openrouter", "weight": 0.62, "cost": cost * 0.62}, {"platform": "dmxapi", "weight": 0.38, "cost": cost * 0.38}]}, "platforms": platforms})
    return {"now": now, "currency": currency, "days": days, "workloads": workloads}


def status(_):
    now = time.time()
    spent = spend({}, "USD", 1.0)["platforms"]
    platforms = []
    for (name, title, own, source, state, why, balance, balance_state, _), money in zip(PLATFORMS, spent):
        key = "env " + name.upper().replace("4SAPI", "FOURSAPI") + "_API_KEY"
        platforms.append({"platform": name, "title": title, "level": "models" if name in ("whatai", "explinks") else "chat", "why": None, "key": "none" if name == "explinks" else key,
                          "has_key": name not in ("apiyi", "explinks"), "endpoint": "https://" + ENDPOINTS[name], "endpoints": [], "routes": 5, "up": 5 if name != "whatai" else 2, "maintenance": None,
                          "tags": {"region": "cn", "invoice": ""} if own == "CNY" else {"region": "us"}, "spent": 0.04,
                          "price_source": {"source": source, "state": state, "age_s": {"ok": 200.0, "stale": 9000.0}.get(state), "why": why, "models": 412},
                          "balance": {"source": balance, "state": balance_state, "left": money["balance"]["own_left"], "currency": own, "runway_days": money["runway"]["days"], "at": now - 300}})
    kinds = ("reach", "models", "chat", "price", "balance", "burst", "capabilities")
    return {"version": "0.1.0", "pid": 1, "vantage": "host-1", "started_at": now - 90000, "now": now, "epoch": 1, "generation": 7, "published_at": now - 2, "valid_until": now + 60, "stale": False,
            "flags": [], "default_policy": "production", "currency": "USD", "config": {"file": "/etc/probed/probed.yaml", "loaded_at": now - 90000, "error": None},
            "routes": {"total": 45, "up": 42, "down": 3}, "budget": {"limit_per_day": 1.0, "spent": 0.41, "left": 0.59},
            "probes": {"in_flight": 0, "queued": 1, "sent": {k: 7 for k in kinds}, "failed": {k: int(k == "balance") for k in kinds}, "late_ms_max": 3.0}, "loop": {},
            "platforms": platforms, "models": MODELS, "policies": [{"policy": "production", "about": ""}], "overrides": []}


ANSWERS = {"/v1/prices": checked(prices), "/v1/spend": checked(spend), "/v1/capabilities": checked(capabilities), "/v1/honesty": checked(honesty),
           "/v1/forecast": checked(forecast), "/v1/status": status}

if __name__ == "__main__":
    with FakeDaemon(sys.argv[1], ANSWERS):
        sys.stdin.read()
