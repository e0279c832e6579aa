"""routectl platforms, prices, spend, forecast, capabilities and honesty against a made-up daemon: what is asked, what is shown in each form and at each width, and what is said when
there is nothing, or nothing that makes sense."""
import copy
import json
import os
import re
import tempfile
import time

import pytest

from fake_history import EVIL, FakeDaemon
from fake_money import ANSWERS, CAPABILITIES, MODELS, NAMES, SIGNALS, TITLES
from test_history_cli import OK, REFUSED, ROUTECTL, UNREACHABLE, USAGE, asked, run, screen

pytestmark = pytest.mark.skipif(not os.access(ROUTECTL, os.X_OK), reason="routectl is not built")

STALE = 5
VERBS = {"platforms": "/v1/status", "prices": "/v1/prices", "spend": "/v1/spend", "forecast": "/v1/forecast", "capabilities": "/v1/capabilities", "honesty": "/v1/honesty"}
TOPICS = {verb: path for verb, path in VERBS.items() if verb != "platforms"}


@pytest.fixture
def d():
    with tempfile.TemporaryDirectory() as directory, FakeDaemon(os.path.join(directory, "s"), ANSWERS) as daemon:
        yield daemon


def tables(d, *args):
    """The tables of tagged TSV, each a list of dicts, and the facts."""
    heads, rows, facts = {}, {}, {}
    for line in run(d, *args, "--tsv").stdout.splitlines():
        name, *cells = line.split("\t")
        if name.startswith("#"):
            assert name[1:] not in heads, "one head a table"
            heads[name[1:]] = cells
            rows[name[1:]] = []
        elif name == "fact":
            facts[cells[0]] = cells[1]
        else:
            assert len(cells) == len(heads[name]), line
            rows[name].append(dict(zip(heads[name], cells)))
    return rows, facts


def columns_of(text):
    return sum(2 if 0x2e80 <= ord(c) <= 0xffdc else 1 for c in text)


def plain(text):
    return re.sub("\033\\[[0-9;]*m", "", text)


def row(text, word):
    return next(line for line in text.splitlines() if line.split()[:1] == [word])


def order(text, words):
    at = [text.index(f"\n  {word} ") for word in words]
    return at == sorted(at)


# --- all of them ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("verb", VERBS)
def test_json_is_the_answer(d, verb):
    frozen = ANSWERS[VERBS[verb]]({})
    d.answers[VERBS[verb]] = frozen
    got = json.loads(run(d, verb, "--json").stdout)
    assert got == ({"platforms": frozen["platforms"]} if verb == "platforms" else frozen)


@pytest.mark.parametrize("columns,rows", [(60, 20), (80, 24), (100, 30), (120, 30), (200, 50)])
@pytest.mark.parametrize("args", [(v,) for v in VERBS] + [("prices", "--long"), ("capabilities", "--long"), ("honesty", "--long"), ("spend", "siliconflow"), ("status",)])
def test_fits_a_terminal(d, args, columns, rows):
    code, out = screen(d, *args, columns=columns, rows=rows)
    text = plain(out)
    assert code == 0 and "\033" not in text and "\u202e" not in text
    assert "\033[" in out, "colours on a terminal"
    for line in text.splitlines():
        assert columns_of(line) <= columns, line
    for name in ("openrouter", "siliconflow") if len(args) == 1 and columns >= 80 else ():
        assert name in text
    code, out = screen(d, *args, "--no-color", columns=columns, rows=rows)
    assert code == 0 and "\033" not in out


@pytest.mark.parametrize("verb", VERBS)
def test_columns_are_aligned_with_chinese_names(d, verb):
    text = run(d, verb).stdout
    head = next(line for line in text.splitlines() if "PLATFORM" in line)
    for title in ("PLATFORM", "NAME"):
        at = head.index(title)
        for name in ("openrouter", "siliconflow"):
            line = row(text, name)
            shown, width = "", 0
            for c in line:  # what stands at that column
                if width >= at:
                    shown += c
                width += columns_of(c)
            assert shown.startswith(name if title == "PLATFORM" else TITLES[name]), line


@pytest.mark.parametrize("verb", VERBS)
def test_a_daemon_that_refuses_or_is_away(d, verb):
    d.answers[VERBS[verb]] = (503, {"title": "Service Unavailable", "status": 503, "detail": "busy: " + EVIL})
    got = run(d, verb, code=REFUSED)
    assert got.stdout == "" and "busy: e\\x1b[31m" in got.stderr
    d.stop()
    assert "not running" in run(d, verb, code=UNREACHABLE).stderr


@pytest.mark.parametrize("verb", TOPICS)
def test_an_old_daemon_knows_nothing_of_it(d, verb):
    del d.answers[TOPICS[verb]]
    got = run(d, verb, code=REFUSED)
    assert got.stdout == "" and "no such thing" in got.stderr


def mangled(value, new):
    """Every leaf replaced."""
    if isinstance(value, dict):
        return {k: mangled(v, new) for k, v in value.items()}
    if isinstance(value, list):
        return [mangled(v, new) for v in value]
    return new


@pytest.mark.parametrize("verb", VERBS)
def test_survives_any_answer(d, verb):
    whole = ANSWERS[VERBS[verb]]({})
    answers = [{}, {"platforms": 7, "models": 7, "routes": 7, "workloads": 7, "capabilities": 7, "rates": 7, "budget": 7}]
    answers += [{k: [{}, 3, None, [], "x", {"rows": [{}, 3]}] for k in ("platforms", "models", "routes", "workloads", "capabilities", "rates")}]
    answers += [mangled(whole, new) for new in (None, 0, -1, 1e300, -1e300, 1e18, "", EVIL, "x" * 5000, True, [], {})]
    answers.append({k: v for k, v in whole.items() if not isinstance(v, list)})
    for answer in answers:
        d.answers[VERBS[verb]] = answer
        run(d, verb, *(["--long"] if verb in ("prices", "capabilities", "honesty") else []))
        if verb in ("platforms", "honesty"):
            run(d, verb, "--tsv")
        else:
            tables(d, verb)
    run(d, verb, "--json")


@pytest.mark.parametrize("verb", TOPICS)
def test_each_member_may_be_missing(d, verb):
    whole = TOPICS[verb]
    answer = ANSWERS[whole]({})

    def without(value, path=()):
        for key in value if isinstance(value, dict) else range(min(len(value), 2)) if isinstance(value, list) else ():
            inner = value[key]
            yield path + (key,)
            yield from without(inner, path + (key,))
    paths = list(without(answer))
    for i, path in enumerate(paths[::max(1, len(paths) // 30)]):
        less = copy.deepcopy(answer)
        at = less
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
        d.answers[whole] = less
        run(d, verb, *(["--tsv"] if i % 3 == 0 else []))


def test_currency(d):
    for verb, model in (("prices", ()), ("spend", ()), ("forecast", ())):
        assert "currency" not in asked_after(d, verb, *model)
        assert asked_after(d, verb, *model, "--currency", "cny")["currency"] == ["CNY"]
        got = run(d, verb, "-y", "XYZ", code=REFUSED)
        assert got.stdout == "" and "no rate for XYZ" in got.stderr
    for verb in ("capabilities", "honesty", "platforms", "routes"):
        assert "takes no --currency" in run(d, verb, "--currency", "CNY", code=USAGE).stderr
    assert "takes no --long" in run(d, "spend", "--long", code=USAGE).stderr
    assert "takes no --requests" in run(d, "prices", "--requests", "1/day", code=USAGE).stderr


def asked_after(d, verb, *args):
    run(d, verb, *args)
    return asked(d, VERBS[verb])


# --- prices -----------------------------------------------------------------------------------------------------------------

def test_prices(d):
    text = run(d, "prices").stdout
    assert "Prices in USD" in text and "CNY 0.139 (configuration), EUR 1.08 (fed, 2h 0m old)" in text
    assert order(text, ["apiyi", "dmxapi", "siliconflow", "openrouter", "aihubmix", "poloapi", "whatai", "4sapi", "explinks"])
    assert "9 platforms, 1 without a known price" in text and MODELS[1] + "  1 platform" in text
    assert re.search(r"openrouter .* \$0.15 +\$0.60 +\$0.075 .* \$0.33 +1.02 ±0.05 +1.00x +openrouter +3m +1 tier", text)
    assert re.search(r"poloapi .* \$0.12 +\$0.48 +- +- +\$0.396 +1.50x dearer +0.80x +newapi", text)  # sorted by what is charged
    assert re.search(r"dmxapi .* \$0.25 +insufficient data .* 2h +stale, counts 1.30x the tokens", text)
    assert re.search(r"whatai .* \$0.001 +\$1.00 +0.80x cheaper", text) and re.search(r"apiyi .* free +free", text)
    assert re.search(r"4sapi .* implausible: 0.01x the reference", text) and re.search(r"explinks .* - +- .* no price known", text)
    assert re.search(r"aihubmix .* reference .* the reference's, not its own", text)
    fails = text[text.index("Feeds of prices that fail"):]
    assert re.search(r"dmxapi .* stale .* HTTP 502", fails) and re.search(r"whatai .* failed .* no JSON: <!DOCTYPE html> e\\x1b\[31mvil", fails) and "openrouter" not in fails


def test_prices_of_a_model_in_another_currency(d):
    text = run(d, "prices", MODELS[0], "--currency", "CNY").stdout
    assert asked(d, "/v1/prices") == {"model": [MODELS[0]], "currency": ["CNY"]}
    assert "Prices in CNY" in text and re.search(r"openrouter .* ¥1.08 +¥4.32", text) and MODELS[1] not in text
    got = run(d, "prices", "gpt-4o-min", code=REFUSED)
    assert "no model 'gpt-4o-min'. Did you mean 'gpt-4o-mini'?" in got.stderr and got.stdout == ""


def test_prices_in_full(d):
    text = run(d, "prices", "--long").stdout
    details = text[text.index("Details"):]
    for words in ("asked as +openai/gpt-4o-mini", r"as it says +in ¥1.00, out ¥4.00", "from 128,000 +in \\$0.30, out \\$1.20, cached \\$0.15",
                  "1.5 of the advertised price \\(1.44 to 1.56\\), 41 comparisons, by token_delta of several routes together, last", "insufficient data: no reading yet", "tokens +1.30 times the known number, 96 samples", "as charged +in \\$0.18, out \\$0.72"):
        assert re.search(words, details), words
    assert re.search(r"openrouter +OpenRouter +openrouter +ok +3m +3d 0h +412 +in 6m 39s +5f3c9a1e77b20d41", details)


def test_prices_for_programs(d):
    rows, facts = tables(d, "prices", MODELS[0], "--currency", "CNY")
    assert facts["currency"] == "CNY" and [r["platform"] for r in rows["prices"]][:2] == ["apiyi", "dmxapi"]
    by = {r["platform"]: r for r in rows["prices"]}
    assert by["poloapi"]["verified"] == "dearer" and by["poloapi"]["ratio"] == "1.5" and by["poloapi"]["model"] == MODELS[0]
    assert by["openrouter"]["verified"] == "as_advertised" and by["openrouter"]["evidence"] == "usage_cost" and by["openrouter"]["own_currency"] == "USD"
    assert float(by["openrouter"]["input"]) == pytest.approx(0.15 / 0.139) and by["explinks"]["input"] == by["explinks"]["cost_1000"] == by["explinks"]["age_s"] == "-"
    assert by["dmxapi"]["inflation"] == "inflated" and by["dmxapi"]["state"] == "stale" and by["apiyi"]["free"] == "yes" and by["apiyi"]["input"] == "0"
    assert [t["from_tokens"] for t in rows["tiers"]] == ["128000"] and len(rows["feeds"]) == 9 and {r["currency"] for r in rows["rates"]} == {"CNY", "EUR"}


def test_prices_show_no_column_for_nothing(d):
    whole = ANSWERS["/v1/prices"]({"model": [MODELS[1]]})
    d.answers["/v1/prices"] = whole
    text = run(d, "prices").stdout
    assert "A CALL" not in text and "CACHED" not in text and "NOTES" not in text
    whole["models"] = []
    assert "No prices" in run(d, "prices").stdout
    whole["platforms"] = [p for p in whole["platforms"] if p["state"] == "ok"]
    assert "Feeds" not in run(d, "prices").stdout


# --- spend ------------------------------------------------------------------------------------------------------------------

def test_spend(d):
    text = run(d, "spend").stdout
    assert re.search(r"openrouter .* \$27.60 +\$27.60 +5m +\$2.30 \(1.90-3.10\) +12 d \(9-15\) +\$0.04 +\$0.05 +\$0.10 +\$0.06", text)
    assert re.search(r"poloapi .* 2.1 d \(1.8-2.7\)", text) and re.search(r"siliconflow .* ¥87.77 .* not falling", text)
    assert re.search(r"4sapi +4SAPI +failed +- +- +- +insufficient data", text) and re.search(r"apiyi .* pending", text) and re.search(r"explinks .* no source", text)
    assert re.search(r"aihubmix .* unlimited +\$1,540.50 .* unlimited", text)
    assert re.search(r"total +\$131.00 +\$4.41 +\$0.36 +\$1.00 +\$0.59", text) and "counts the 5 of 9 balances" in text
    assert "$0.41 of $1.00 a day spent on probes, $0.59 left; probes come 2 times as seldom" in text
    look = text[text.index("To be looked at"):]
    for words in ("poloapi: the credit lasts for only 2.1 d (1.8-2.7)", "whatai: low credit: $0.00 left", "whatai: newer_alert", "4sapi: the balance cannot be read: HTTP 401: 无效的令牌",
                  "siliconflow: a gift of $1.95 expires in 2d 23h"):
        assert f"- {words}" in look
    changes = look[look.index("Changes of balances"):]
    for words in (r"2d 0h +openrouter +top-up +\+\$20.00", r"siliconflow +gift +\+\$1.95", r"dmxapi +expired +-\$5.00", r"dmxapi +correction +\+\$0.31"):
        assert re.search(words, changes), words
    assert "Probes of its routes" not in text


def test_spend_of_a_platform(d):
    text = run(d, "spend", "openrouter", "--currency", "CNY").stdout
    assert asked(d, "/v1/spend") == {"platform": ["openrouter"], "currency": ["CNY"]}
    assert "Money in CNY" in text and "total" not in text and re.search(r"¥198.56 +\$27.60", text)
    assert re.search(r"gpt-4o-mini +chat +¥0.144 +¥0.000223 +¥0.00288", text)
    assert re.search(r"DeepSeek-V3 +models .* breaker open; its probes cost 7 times", text)
    assert "Did you mean 'openrouter'" in run(d, "spend", "openroutr", code=REFUSED).stderr


def test_spend_for_programs(d):
    rows, facts = tables(d, "spend")
    assert facts["budget_limit_per_day"] == "1" and facts["budget_left"] == "0.59" and facts["budget_stretch"] == "2" and facts["currency"] == "USD"
    assert [r["platform"] for r in rows["platforms"]] == NAMES  # no total among them
    by = {r["platform"]: r for r in rows["platforms"]}
    assert by["openrouter"]["runway"] == "ok" and by["openrouter"]["runway_days"] == "12" and by["openrouter"]["left"] == "27.6"
    assert by["siliconflow"]["runway"] == "not_falling" and by["siliconflow"]["runway_days"] == "-" and float(by["siliconflow"]["own_left"]) == pytest.approx(87.77, abs=0.01)
    assert by["aihubmix"]["unlimited"] == "yes" and by["whatai"]["alerts"] == "low_credit, short_runway, newer_alert" and by["4sapi"]["left"] == "-" and by["4sapi"]["state"] == "failed"
    assert len(rows["routes"]) == 18 and rows["routes"][1]["tripped"] == "yes" and len(rows["changes"]) == 4 and rows["changes"][1]["amount"] == "1.95"


def test_spend_without_limits_or_news(d):
    whole = ANSWERS["/v1/spend"]({"platform": ["dmxapi"]})
    whole["platforms"][0].update(changes=[], alerts=[])
    whole["platforms"][0]["probes"].update(limit_per_day=None, left=None)
    whole["budget"] = {"limit_per_day": None, "spent": 0.2, "left": None, "stretch": 1.0}
    d.answers["/v1/spend"] = whole
    text = run(d, "spend").stdout
    assert "$0.20 spent on probes in 24 hours, no limit" in text and "LIMIT" not in text and "To be looked at" not in text and "Changes" not in text and "seldom" not in text


def test_spend_to_the_cent(d):
    whole = ANSWERS["/v1/spend"]({"platform": ["openrouter", "dmxapi"]})
    whole["platforms"][0]["balance"].update(left=12345.67, expires_at=whole["now"] + 402 * 86400)
    whole["platforms"][1]["balance"].update(left=361.33, own_left=2511.79)
    d.answers["/v1/spend"] = whole
    text = run(d, "spend").stdout
    assert re.search(r"openrouter .* \$12,345.67 ", text) and "¥2,511.79" in text and re.search(r"total +\$12,707.00 ", text)
    assert "expires" not in text and "To be looked at" not in text  # not within 30 days
    for at, words in ((29 * 86400, "the credit expires in 28d 23h"), (-7200, "the credit expired 2h 0m ago")):
        whole["platforms"][0]["balance"]["expires_at"] = time.time() + at
        assert f"- openrouter: {words}" in run(d, "spend").stdout


def test_spend_of_what_is_overdrawn(d):
    whole = ANSWERS["/v1/spend"]({"platform": ["openrouter", "dmxapi"]})
    whole["platforms"][0]["balance"].update(left=10.0, own_left=10.0)
    whole["platforms"][1]["balance"].update(left=-0.37, own_left=-2.66)
    whole["platforms"][1]["alerts"] = ["low_credit"]
    d.answers["/v1/spend"] = whole
    text = run(d, "spend").stdout
    assert re.search(r"dmxapi .* -\$0.37 +-¥2.66 ", text) and re.search(r"total +\$9.63 ", text)
    assert "To be looked at\n  - dmxapi: overdrawn: $0.37 owed\n" in text and "low credit" not in text
    assert "\033[31m" in (out := screen(d, "spend", columns=120)[1]) and re.search(r"\033\[31m +-\$0.37", out)
    assert next(r for r in tables(d, "spend")[0]["platforms"] if r["platform"] == "dmxapi")["left"] == "-0.37"


@pytest.mark.parametrize("args", [("spend",), ("spend", "siliconflow"), ("capabilities",), ("honesty",)])
def test_fits_a_very_small_terminal(d, args):
    code, out = screen(d, *args, columns=40, rows=20)
    assert code == 0
    for line in plain(out).splitlines():
        assert columns_of(line) <= 40, line


def test_no_hidden_characters_of_a_relay(d):
    hidden = "\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
    whole = ANSWERS["/v1/spend"]({})
    whole["platforms"][4]["balance"]["why"] = "no" + hidden
    d.answers["/v1/spend"] = whole
    for form in ((), ("--tsv",), ("--json",)):
        text = run(d, "spend", *form).stdout
        assert not set(hidden) & set(text) and "\\u200b\\u200c\\u200d" in text


# --- forecast ---------------------------------------------------------------------------------------------------------------

def test_forecast_of_what_is_declared(d):
    text = run(d, "forecast").stdout
    assert asked(d, "/v1/forecast") == {}
    assert "gpt-4o-mini: 50,000 requests a day of 1,200 tokens in and 300 out, policy production\n" in text
    assert "deepseek-ai/DeepSeek-V3: 0.5 requests a day of 200,000 tokens in and 4,000 out" in text and "not in the configuration" not in text
    assert "$513.00 in 30 days (462-641): 62% openrouter $318.06, 38% dmxapi $194.94" in text
    first = text[:text.index("deepseek-ai")]
    assert order(first, ["dmxapi", "siliconflow", "openrouter", "aihubmix", "explinks"])
    assert re.search(r"openrouter +OpenRouter +up +\$540.00 +502-648 +\+5.3% +\$0.36 +0.31% +\$0.15/\$0.60 +newapi +\$27.60 +in 1.9 d \(1.5-2.5\)", first)
    assert re.search(r"siliconflow .* not in 30 d", first) and re.search(r"aihubmix .* unlimited", first) and re.search(r"explinks .* - +- .* no price known", first)


def test_forecast_of_a_price_by_the_call(d):
    whole = ANSWERS["/v1/forecast"]({"model": [MODELS[0]]})
    by = {p["platform"]: p for p in whole["workloads"][0]["platforms"]}
    by["siliconflow"]["price"].update(input=None, output=None, call=0.001)
    by["dmxapi"]["price"]["call"] = 0.002
    by["aihubmix"]["balance"] = 12345.67
    d.answers["/v1/forecast"] = whole
    text = run(d, "forecast").stdout
    assert "1M" not in text.splitlines()[2] and re.search(r"siliconflow .* \$0.001 a call +newapi", text) and re.search(r"dmxapi .* \$0.13/\$0.40 /1M \+\$0.002 a call ", text)
    assert re.search(r"openrouter .* \$0.15/\$0.60 /1M ", text) and re.search(r"aihubmix .* \$12,345.67 ", text)


def test_forecast_of_a_workload(d):
    text = run(d, "forecast", MODELS[0], "--requests", "2M/day", "--input", "1.2k", "--output", "300", "--days", "90", "--policy", "cheap", "--currency", "CNY").stdout
    assert asked(d, "/v1/forecast") == {"model": [MODELS[0]], "requests_per_day": ["2000000"], "input": ["1200"], "output": ["300"], "days": ["90"], "policy": ["cheap"], "currency": ["CNY"]}
    assert "2,000,000 requests a day of 1,200 tokens in and 300 out, policy cheap (not in the configuration)" in text and "90 DAYS" in text
    assert re.search(r"openrouter .* ¥466,187 +433,554-559,424 ", text)
    for rate, a_day in (("300/h", 7200), ("5/min", 7200), ("0.5/s", 43200), ("50k/day", 50000), ("90/month", 3)):
        run(d, "forecast", MODELS[0], "-R", rate)
        query = asked(d, "/v1/forecast")
        assert float(query["requests_per_day"][0]) == pytest.approx(a_day) and query["input"] == ["1000"] and query["output"] == ["300"] and "days" not in query
    run(d, "forecast", MODELS[0])  # the declared ones of that model
    assert asked(d, "/v1/forecast") == {"model": [MODELS[0]]}


@pytest.mark.parametrize("args,words", [
    (("--requests", "50k"), "/day"), (("--requests", "many/day"), "50k/day"), (("--requests", "50k/fortnight"), "50k/day"), (("--requests", "0/day"), "more than no requests"),
    (("--requests", "1e30/day"), "--requests"), (("--requests", "-5/day"), "50k/day"), (("--requests", "1/day", "--input", "lots"), '"1200" or "1.2k"'),
    (("--requests", "1/day", "--input", "-1"), "--input"), (("--requests", "1/day", "--output", "1.5"), "--output"), (("--requests", "1/day", "--output", "11M"), "at most 10M"),
    (("--requests", "1/day", "--input", "0", "--output", "0"), "costs nothing"), (("--requests", "1/day", "--days", "0"), "1 to 366"), (("--days", "month"), "1 to 366"), (("--days", "367"), "1 to 366"),
    (("--input", "100"), "--requests 50k/day"), (("--output", "100"), "--requests 50k/day")])
def test_forecast_refuses(d, args, words):
    got = run(d, "forecast", MODELS[0], *args, code=USAGE)
    assert words in got.stderr and got.stdout == "" and not d.asked


def test_forecast_wants_a_model(d):
    assert "routectl forecast MODEL --requests 5/day" in run(d, "forecast", "--requests", "5/day", code=USAGE).stderr
    assert "Did you mean 'gpt-4o-mini'" in run(d, "forecast", "gpt-4o-mini-", code=REFUSED).stderr


def test_forecast_of_nothing_says_how(d):
    d.answers["/v1/forecast"] = {"now": time.time(), "currency": "USD", "days": 30, "workloads": []}
    assert "declares no workload: say one, like routectl forecast MODEL --requests 50k/day" in run(d, "forecast").stdout
    assert "no workload of this model: say one, like routectl forecast m --requests" in run(d, "forecast", "m").stdout
    d.answers["/v1/forecast"] = (400, {"title": "Bad Request", "status": 400, "detail": "how many requests?"})
    got = run(d, "forecast", "m", code=REFUSED)
    assert "how many requests?" in got.stderr and "routectl forecast m --requests 50k/day" in got.stderr
    whole = ANSWERS["/v1/forecast"]({"model": [MODELS[0]]})
    whole["workloads"][0]["table"] = {"cost": None, "low": None, "high": None, "why": "no usable route", "shares": []}
    whole["workloads"][0]["platforms"][1].update(failed_share=1e-6, runs_out_at=time.time() - 5, runs_out_low=None, runs_out_high=None)
    d.answers["/v1/forecast"] = whole
    text = run(d, "forecast").stdout
    assert re.search(r"openrouter .* <0.01% ", text)
    assert "by the table  unknown: no usable route" in text and "± TABLE" not in text and re.search("openrouter .* already", text)
    whole["workloads"][0]["table"]["shares"] = [{"platform": f"p{i}", "weight": i / 28, "cost": None} for i in range(8)]
    text = run(d, "forecast").stdout
    assert "no usable route: 25% p7, 21% p6, 18% p5, 14% p4, 11% p3 and 3 more" in text
    whole["workloads"][0]["platforms"] = []
    assert "No platform has this model" in run(d, "forecast").stdout


def test_forecast_for_programs(d):
    rows, facts = tables(d, "forecast", "--currency", "CNY")
    assert facts == {"currency": "CNY", "days": "30"} and [w["model"] for w in rows["workloads"]] == MODELS and rows["workloads"][0]["requests_per_day"] == "50000"
    assert [s["platform"] for s in rows["shares"]] == ["openrouter", "dmxapi"] * 2 and [s["workload"] for s in rows["shares"]] == ["1", "1", "2", "2"]
    assert [p["workload"] for p in rows["platforms"]] == ["1"] * 5 + ["2"] * 5 and rows["platforms"][4]["cost"] == "-" and rows["platforms"][4]["why"] == "no price known"
    by = {p["platform"]: p for p in rows["platforms"][:5]}
    assert by["openrouter"]["runs_out"] == "ok" and by["openrouter"]["price_verified"] == "yes" and float(by["openrouter"]["against_table"]) == pytest.approx(1 / 0.95 - 1)
    assert by["siliconflow"]["runs_out"] == "not_within" and by["siliconflow"]["runs_out_at"] == "-"


# --- capabilities -----------------------------------------------------------------------------------------------------------

def test_capabilities(d):
    text = run(d, "capabilities").stdout
    assert re.search(r"PLATFORM +NAME +STREAM +USAGE +TOOLS +JSON +VISION +EMBEDDINGS +TRIED", text) and text.index(MODELS[0]) < text.index(MODELS[1])
    assert "gpt-4o-mini  5 routes, 4 tried" in text
    assert re.search(r"openrouter +OpenRouter +yes +yes +yes +yes +yes +yes +1d 1h +in 5d 18h", text)
    assert re.search(r"poloapi +PoloAPI +yes +yes +\? +yes +- +no ", text) and "?: the answer did not tell" in text
    assert re.search(r"dmxapi +DMXAPI +yes +yes +no +yes +no! +no ", text) and "no!: the configuration declares it, and it was refuted" in text
    assert re.search(r"siliconflow .* - +- +- +- +- +- +never +- +not probed: level models", text)


def test_capabilities_of_one(d):
    text = run(d, "capabilities", "poloapi").stdout
    assert asked(d, "/v1/capabilities") == {"platform": ["poloapi"]} and "no!:" not in text and "dmxapi" not in text
    text = run(d, "capabilities", "dmxapi/" + MODELS[1], "--long").stdout
    assert asked(d, "/v1/capabilities") == {"platform": ["dmxapi"], "model": [MODELS[1]]}
    evidence = text[text.index("What it stands on"):]
    assert re.search(r"dmxapi +tools +no +no +1d 1h +HTTP 400: tools are not supported", evidence) and re.search(r"vision +no +yes .* e\\x1b\[31mvil", evidence)


@pytest.mark.parametrize("verb", ["capabilities", "honesty"])
def test_a_model_wherever_it_is_sold(d, verb):
    for model in MODELS:  # the second has a slash in it
        text = run(d, verb, model).stdout
        assert asked(d, VERBS[verb]) == {"model": [model]} and "openrouter" in text and MODELS[1 - MODELS.index(model)] not in text
    got = run(d, verb, "openroutr", code=REFUSED)
    assert "no platform 'openroutr'. Did you mean 'openrouter'" in got.stderr
    assert "no model 'gpt-5'" in run(d, verb, "openrouter/gpt-5", code=REFUSED).stderr
    assert "no route" in run(d, verb, "/m", code=USAGE).stderr
    d.answers[VERBS[verb]] = {"now": time.time(), "capabilities": CAPABILITIES, "routes": []}
    assert "There are no such routes" in run(d, verb).stdout


def test_capabilities_for_programs(d):
    rows, _ = tables(d, "capabilities", MODELS[0])
    by = {r["platform"]: r for r in rows["routes"]}
    assert [by["dmxapi"][c] for c in CAPABILITIES] == ["yes", "yes", "no", "yes", "no", "no"] and by["poloapi"]["tools"] == "unclear" and by["siliconflow"]["vision"] == "untested"
    assert float(by["dmxapi"]["tested_at"]) < time.time() < float(by["dmxapi"]["next_at"]) and by["siliconflow"]["tested_at"] == "-" and by["siliconflow"]["why"] == "not probed: level models"
    assert len(rows["results"]) == 30
    assert {(r["platform"], r["capability"]) for r in rows["results"] if r["declared"] == "yes" and r["state"] == "no"} == {("dmxapi", "vision")}


# --- honesty ----------------------------------------------------------------------------------------------------------------

def test_honesty(d):
    text = run(d, "honesty").stdout
    assert re.search(r"openrouter +OpenRouter +0.0% +310 +nothing seen", text) and re.search(r"explinks .* - +0 +nothing known yet", text)
    assert re.search(r"poloapi +PoloAPI +11.0% +310 +model_differs +10.0% +31 of 310 +1h 6m +gpt-3.5-turbo\n +fake_stream +0.6% +2 of 310", text)
    assert re.search(r"whatai .* cached_answer +<0.1% +1 of 9000 .* e\\x1b\[31mvil", text)
    assert f"- model_differs: {SIGNALS['model_differs']}\n" in text and "(shown only: it does not count as a doubt)" in text and "cumulative" not in text
    assert "hints and no verdicts" in text
    full = run(d, "honesty", "--long").stdout
    assert asked(d, "/v1/honesty") == {} and all(signal in full for signal in SIGNALS)


def test_honesty_for_programs(d):
    lines = run(d, "honesty", "--tsv").stdout.splitlines()
    head = lines[0].lstrip("#").split("\t")
    rows = [dict(zip(head, line.split("\t"))) for line in lines[1:]]
    assert len(rows) == 5 * 2 * len(SIGNALS) and all(len(line.split("\t")) == len(head) for line in lines)
    one = next(r for r in rows if r["platform"] == "poloapi" and r["signal"] == "model_differs")
    assert (one["model"], one["share"], one["count"], one["of"], one["weighs"], one["evidence"]) == (MODELS[0], "0.1", "31", "310", "yes", "gpt-3.5-turbo")


# --- platforms --------------------------------------------------------------------------------------------------------------

def test_platforms(d):
    text = run(d, "platforms").stdout
    assert len(text.splitlines()) == 10 and order("\n" + text, NAMES)
    assert re.search(r"siliconflow +硅基流动 SiliconFlow +chat +5/5 +config +- +¥87.77 +- +SILICONFLOW_API_KEY +api.siliconflow.cn/v1 +region=cn invoice", text)
    assert re.search(r"openrouter +OpenRouter +chat +5/5 +openrouter +3m +\$27.60 +12 d +OPENROUTER_API_KEY +openrouter.ai/api/v1 +region=us", text)
    assert re.search(r"dmxapi .* rixapi stale +2h ", text) and re.search(r"whatai .* models +2/5 +newapi failed ", text) and "no APIYI_API_KEY" in text and re.search(r"4sapi .* failed +- +FOUR", text)
    lines = [line.split("\t") for line in run(d, "platforms", "--tsv").stdout.splitlines()]
    by = {cells[0]: dict(zip(["platform", *lines[0][1:]], cells)) for cells in lines[1:]}
    assert by["siliconflow"]["key"] == "env SILICONFLOW_API_KEY" and by["apiyi"]["has_key"] == "no" and by["siliconflow"]["balance_currency"] == "CNY"
    assert by["whatai"]["price_state"] == "failed" and "\\x1b" in by["whatai"]["price_why"] and by["poloapi"]["runway_days"] == "2.13" and by["4sapi"]["balance"] == "-"


def test_platforms_of_a_small_terminal(d):
    code, out = screen(d, "platforms", columns=100, rows=30)
    text = plain(out)
    assert code == 0 and len(text.splitlines()) == 10 and "ENDPOINT" in text and "SILICONFLOW_API_KEY" in text
    code, out = screen(d, "platforms", columns=80, rows=24)
    text = plain(out)
    assert code == 0 and len(text.splitlines()) == 10 and "RUNWAY" in text and "SILICONFLOW_API_KEY" in text and "ENDPOINT" not in text


def test_platforms_of_nothing(d):
    d.answers["/v1/status"] = {"platforms": []}
    assert "no platforms" in run(d, "platforms").stdout


def test_status_tells_of_money_too(d):
    text = run(d, "status").stdout
    assert "7 chat, 7 price, 7 balance (1 failed), 7 burst, 7 capabilities" in text
    assert re.search(r"siliconflow .* ¥87.77 ", text) and re.search(r"whatai .* its price list cannot be read: no JSON", text) and re.search(r"4sapi .* its balance cannot be read", text)
    whole = ANSWERS["/v1/status"]({})
    for p in whole["platforms"]:
        del p["balance"], p["price_source"]
    for kinds in (whole["probes"]["sent"], whole["probes"]["failed"]):
        for kind in ("price", "balance", "burst", "capabilities"):
            del kinds[kind]
    d.answers["/v1/status"] = whole  # of a daemon that knows nothing of it
    text = run(d, "status").stdout
    assert "BALANCE" not in text and "sent 7 reach, 7 models, 7 chat;" in text and "cannot be read" not in text
    run(d, "platforms")


# --- explain ----------------------------------------------------------------------------------------------------------------

EXPLAINED = {"platform": "poloapi", "model": MODELS[0], "policy": "production", "title": "PoloAPI", "currency": "USD", "rank": 2, "slots": 0, "state": "up", "state_text": "it answers",
             "reason": "requirement", "reason_text": "it lacks what the policy requires", "reason_why": "measured: no vision", "terms": [], "loss_nano": 0}


def explained():
    now = time.time()
    signals = [{"signal": s, "text": text, "count": 31 if s == "model_differs" else 0, "of": 310, "share": 0.1, "weighs": True, "at": now - 4000, "evidence": EVIL if s == "model_differs" else None}
               for s, text in SIGNALS.items()]
    return {**EXPLAINED, "price": {"input": 0.12, "output": 0.48, "call": None, "source": "newapi", "age_s": 200.0},
            "price_facts": {"state": "stale", "off_reference": 0.2, "inflation": {"state": "inflated", "ratio": 1.3, "samples": 96},
                            "verified": {"state": "dearer", "why": None, "ratio": 1.5, "low": 1.44, "high": 1.56, "evidence": "token_delta", "windows": 41, "of_mix": False, "at": now - 60}},
            "capabilities": [{"capability": "stream", "state": "yes", "declared": False, "at": now, "evidence": "x"}, {"capability": "vision", "state": "no", "declared": True, "at": now, "evidence": EVIL}],
            "burst": {"n": 8, "ok": 6, "failed": 1, "limited": 1, "ttft_p50_ms": 510.0, "ttft_p95_ms": 1900.0, "age_s": 120.0, "why": "only 8 of 16: the budget"},
            "honesty": {"challenges_passed": 5, "challenges_failed": 0, "model_differs": 31, "bursts": 0, "signals": signals}}


def test_explain_tells_what_it_is_to_be_trusted_with(d):
    d.answers["/v1/explain"] = lambda _: explained()
    text = run(d, "explain", "poloapi/" + MODELS[0]).stdout
    for words in (r"it lacks what the policy requires \(measured: no vision\)", "from newapi, 3m 20s old, stale, 0.2 times the reference price",
                  r"charged       1.5 of the advertised price \(1.44 to 1.56\), 41 comparisons, by token_delta, last 60 s ago", "tokens        1.30 times the known number, 96 samples",
                  "can do        stream yes, vision no though declared", r"last burst    8 at once, 2m ago: 6 answered, 1 failed, 1 told 429; first token 510 ms, 95th percentile 1.90 s \(only 8 of 16",
                  r'Seen 31 times in 310: the answer names another model than the one asked for \(last: "e\\x1b\[31mvil.*", 1h 6m ago\)'):
        assert re.search(words, text), words
    assert "cumulative" not in text and "Another model's name" not in text
    rows, facts = tables(d, "explain", "poloapi/" + MODELS[0])
    assert facts["verified"] == "dearer" and facts["verified_ratio"] == "1.5" and facts["inflation"] == "inflated" and facts["burst_failed"] == "1" and facts["price_source"] == "newapi"
    assert len(rows["signals"]) == len(SIGNALS) and rows["capabilities"][1]["declared"] == "yes"
    assert json.loads(run(d, "explain", "poloapi/" + MODELS[0], "--json").stdout)["burst"]["n"] == 8


def test_explain_without_it_is_as_before(d):
    d.answers["/v1/explain"] = {**EXPLAINED, "price": {"call": 0.001, "input": None, "output": None}, "honesty": {"challenges_passed": 5, "challenges_failed": 0, "model_differs": 3, "bursts": 0}}
    text = run(d, "explain", "poloapi/" + MODELS[0]).stdout
    assert "price         $0.001 a call\n" in text and "Another model's name came back 3 times" in text
    d.answers["/v1/explain"] = {**EXPLAINED, "capabilities": [{"capability": "stream", "state": "untested"}]}
    assert re.search("can do +not tried out yet", run(d, "explain", "poloapi/" + MODELS[0]).stdout)
    assert not any(words in text for words in ("charged", "can do", "last burst", "Seen"))
    whole = explained()
    for new in (None, 0, -1, 1e300, "", EVIL, [], {}):
        d.answers["/v1/explain"] = {**whole, **{k: mangled(whole[k], new) for k in ("price", "price_facts", "capabilities", "burst", "honesty")}}
        for form in ((), ("--tsv",)):
            run(d, "explain", "poloapi/" + MODELS[0], *form)
        d.answers["/v1/explain"] = {**whole, **{k: new for k in ("price", "price_facts", "capabilities", "burst", "honesty")}}
        run(d, "explain", "poloapi/" + MODELS[0])


# --- a lease that ran out ---------------------------------------------------------------------------------------------------

class Lapsed(FakeDaemon):
    """A daemon whose lease ran out a while ago."""

    class Client:
        def __init__(self, client):
            self.recv, self.settimeout, self.client = client.recv, client.settimeout, client

        def sendall(self, data):
            self.client.sendall(data.replace(b"\r\n", f"\r\nX-Probed-Valid-Until: {int(time.time()) - 90}\r\n".encode(), 1))

    def answer(self, client):
        super().answer(self.Client(client))


@pytest.mark.parametrize("verb", VERBS)
def test_a_stale_daemon_is_told(verb):
    with tempfile.TemporaryDirectory() as directory, Lapsed(os.path.join(directory, "s"), ANSWERS) as daemon:
        got = run(daemon, verb, code=STALE)
        assert got.stdout and "stale" in got.stderr
