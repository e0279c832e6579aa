"""relaysim's behaviours, each seen on the wire: what other tests take for granted of it is proved here.

Raw sockets, so that what is asserted is bytes and their times. No test sleeps: where something has to happen first, a socket, a pidfd or relaysim's own
`wait` tells. Times have lower bounds only, and generous deadlines.
"""
import http.client
import json
import os
import random
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

import pytest

from relaysim import Relaysim, RelaysimError, program

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = ["openai", "openrouter", "siliconflow", "newapi", "oneapi", "aihubmix", "apiyi", "dmxapi", "sub2api", "anthropic", "onehub", "voapi", "rixapi", "shellapi"]
MODELS = ["gpt-4o-mini", "deepseek-v3"]
QUICK = {"first_token": 1, "gap": 0}
DEADLINE = 20.0

pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK), reason="relaysim is not built")


@pytest.fixture(scope="module")
def shared_sim():
    relays = [{"name": f, "family": f, "key": "sk-" + f, "models": MODELS} for f in FAMILIES]
    relays += [{"name": "secure", "family": "openai", "key": "sk-secure", "models": MODELS, "tls": True},
               {"name": "guest", "family": "newapi", "models": MODELS, "shared": True},
               {"name": "guest2", "family": "openai", "models": MODELS, "shared": True},
               {"name": "veiled", "family": "openai", "models": MODELS, "shared": True, "tls": True}]
    with Relaysim(relays, behaviour=QUICK) as running:
        yield running


@pytest.fixture
def sim(shared_sim):
    yield shared_sim
    shared_sim.reset("*")


# --- a client that sees everything ------------------------------------------------------------------------------------


class Answer:
    """What came back: status, headers, body (unchunked), and how it ended."""

    def __init__(self):
        self.raw = b""
        self.pieces = []  # (steady seconds, bytes) of each recv
        self.end = None   # "complete", "eof", "reset", "timeout", "refused", "tls"
        self.status = 0
        self.headers = {}
        self.body = b""
        self.chunks = []
        self.local_port = None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """(event name or None, data) of each event, as the standard has it."""
        text = self.body.decode("utf-8", "replace")
        if text.startswith("\ufeff"):
            text = text[1:]
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        events = []
        for block in text.split("\n\n"):
            name, data = None, []
            for line in block.split("\n"):
                field, _, value = line.partition(":")
                value = value[1:] if value.startswith(" ") else value
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
            if data:
                events.append((name, "\n".join(data)))
        return events

    @property
    def data(self):
        """The parsed events, [DONE] left out."""
        return [json.loads(d) for _, d in self.events if d != "[DONE]"]

    @property
    def text(self):
        """The content deltas, joined."""
        said = ""
        for chunk in self.data:
            for choice in chunk.get("choices", []):
                said += choice["delta"].get("content") or ""
            if chunk.get("type") == "content_block_delta":
                said += chunk["delta"].get("text", "")
        return said


def parse(answer):
    """Status, headers and as much of the body as is there; True when it is whole."""
    head, blank, rest = answer.raw.partition(b"\r\n\r\n")
    if not blank or not head.startswith(b"HTTP/1.1 "):
        return False
    lines = head.decode("latin-1").split("\r\n")
    answer.status = int(lines[0].split()[1])
    answer.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if "content-length" in answer.headers:
        size = int(answer.headers["content-length"])
        answer.body = rest[:size]
        return len(rest) >= size
    if answer.headers.get("transfer-encoding") == "chunked":
        return parse_chunks(answer, rest)
    answer.body = rest
    return False


def parse_chunks(answer, rest):
    answer.chunks, answer.body = [], b""
    while True:
        line, crlf, rest = rest.partition(b"\r\n")
        if not crlf:
            return False
        size = int(line, 16)
        answer.body += rest[:size]
        if len(rest) < size + 2:
            return False
        if size == 0:
            return True
        answer.chunks.append(rest[:size])
        rest = rest[size + 2:]


class Client:
    """One connection to a relay."""

    def __init__(self, sim, relay, timeout=DEADLINE, name="localhost", verify=True):
        url = sim.url(relay)
        scheme, _, rest = url.partition("://")
        address, _, path = rest.partition("/")
        self.prefix = "/" + path if path else ""
        self.host = address
        self.sock = socket.create_connection((address.split(":")[0], int(address.split(":")[1])), timeout=timeout)
        self.port = self.sock.getsockname()[1]
        if scheme == "https":
            context = ssl.create_default_context(cafile=sim.ca_file)
            if not verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            try:
                self.sock = context.wrap_socket(self.sock, server_hostname=name)
            except BaseException:
                self.sock.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, method, path, body=None, key=None, headers=()):
        payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"Host: {self.host}"]
        if key:
            lines.append(f"Authorization: Bearer {key}")
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
        lines += list(headers)
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + payload)

    def receive(self, answer=None, until=None, limit=None):
        """Until the answer is whole, the connection ends, `until` is in it, or `limit` bytes are."""
        answer = answer or Answer()
        try:
            while True:
                chunk = self.sock.recv(65536)
                if not chunk:
                    answer.end = "eof"
                    break
                answer.pieces.append((time.monotonic(), chunk))
                answer.raw += chunk
                if parse(answer):
                    answer.end = "complete"
                    break
                if (until and until in answer.raw) or (limit and len(answer.raw) >= limit):
                    answer.end = "seen"
                    break
        except (ConnectionResetError, BrokenPipeError):
            answer.end = "reset"
        except ssl.SSLEOFError:
            answer.end = "eof"
        except socket.timeout:
            answer.end = "timeout"
        parse(answer)
        return answer


def ask(sim, relay, method="GET", path="/v1/models", body=None, key=None, timeout=DEADLINE, **more):
    """One request on a connection of its own."""
    try:
        with Client(sim, relay, timeout=timeout, **more) as client:
            client.send(method, path, body, f"sk-{relay}" if key is None else key)
            return client.receive()
    except ConnectionRefusedError:
        end = "refused"
    except (ConnectionResetError, BrokenPipeError):
        end = "reset"
    except ssl.SSLError as e:
        end = "tls: " + str(e)
    except socket.timeout:
        end = "timeout"
    answer = Answer()
    answer.end = end
    return answer


def prompt_body(prompt="ping", model="gpt-4o-mini", stream=True, **more):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}], **more}


def chat(sim, relay, prompt="ping", model="gpt-4o-mini", stream=True, path="/v1/chat/completions", key=None, timeout=DEADLINE, **more):
    return ask(sim, relay, "POST", path, prompt_body(prompt, model, stream, **more), key=key, timeout=timeout)


def kinds(answer):
    """The stream as a list of words."""
    words = []
    for name, data in answer.events:
        if data == "[DONE]":
            words.append("DONE")
            continue
        chunk = json.loads(data)
        if "choices" not in chunk:
            words.append(chunk.get("type", "error" if "error" in chunk else "?"))
            assert name is None or name == chunk["type"]
        elif not chunk["choices"]:
            words.append("usage")
        else:
            delta, finish = chunk["choices"][0]["delta"], chunk["choices"][0]["finish_reason"]
            words.append("finish" if finish else "role" if "role" in delta else "token" if delta.get("content") else
                         "reasoning" if delta.get("reasoning_content") or delta.get("reasoning") else "empty")
    return words


# --- families ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_models_in_each_family(sim, family):
    answer = ask(sim, family)
    assert answer.status == 200 and answer.end == "complete"
    assert [m["id"] for m in answer.json["data"]] == MODELS
    if family == "newapi":
        assert answer.json["success"] is True and answer.json["data"][0]["supported_endpoint_types"] == ["openai"]
    if family == "openrouter":
        assert set(answer.json) == {"data"} and isinstance(answer.json["data"][0]["pricing"]["prompt"], str)
    if family == "oneapi":
        assert answer.json["data"][0]["created"] == 1626777600 and answer.json["data"][0]["root"] == MODELS[0]
    if family == "anthropic":
        assert answer.json["data"][0]["type"] == "model"


def test_a_model_leaves_the_list_and_comes_back(sim):
    sim.set("newapi", models_without=["deepseek-v3", "other"])
    assert [m["id"] for m in ask(sim, "newapi").json["data"]] == ["gpt-4o-mini"]
    assert chat(sim, "newapi", model="deepseek-v3").status == 503
    sim.set("newapi", models_without=None)
    assert [m["id"] for m in ask(sim, "newapi").json["data"]] == MODELS
    sim.set_models("newapi", ["gpt-5-mini"])
    assert [m["id"] for m in ask(sim, "newapi").json["data"]] == ["gpt-5-mini"]
    sim.set_models("newapi", MODELS)


def test_price_feed_of_aihubmix_needs_no_key(sim):
    sim.set("aihubmix", price_input=1.25, price_output=10)
    answer = ask(sim, "aihubmix", path="/api/v1/models", key="")
    assert answer.json["success"] is True
    assert answer.json["data"][0]["pricing"] == {"input": 1.25, "output": 10}


def test_status_page_tells_the_families_apart(sim):
    assert "quota_display_type" in ask(sim, "newapi", path="/api/status").json["data"]
    assert "chat_link" in ask(sim, "oneapi", path="/api/status").json["data"]
    assert ask(sim, "openai", path="/api/status").status == 404


WRONG_KEY = {
    "openai": lambda j: j["error"]["code"] == "invalid_api_key",
    "openrouter": lambda j: j["error"]["code"] == 401 and j["error"]["metadata"]["error_type"] == "authentication",
    "siliconflow": lambda j: isinstance(j["code"], int) and "error" not in j and j["data"] is None,
    "newapi": lambda j: j["error"]["type"] == "new_api_error" and "无效的令牌" in j["error"]["message"] and "request id" in j["error"]["message"],
    "oneapi": lambda j: j["error"]["type"] == "one_api_error" and set(j["error"]) == {"message", "type"},
    "aihubmix": lambda j: j["error"]["type"] == "Aihubmix_api_error" and "tid:" in j["error"]["message"],
    "apiyi": lambda j: j["error"]["type"] == "shell_api_error",
    "dmxapi": lambda j: j["error"]["type"] == "rix_api_error",
    "sub2api": lambda j: j["code"] == "INVALID_API_KEY",
    "anthropic": lambda j: j["type"] == "error" and j["error"]["type"] == "authentication_error",
    "onehub": lambda j: j["error"]["type"] == "one_hub_error",
    "voapi": lambda j: j["error"]["type"] == "voapi_error",
    "rixapi": lambda j: j["error"]["type"] == "rix_api_error",
    "shellapi": lambda j: j["error"]["type"] == "shell_api_error",
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("key", ["sk-wrong", ""])
def test_a_wrong_or_missing_key(sim, family, key):
    answer = chat(sim, family, key=key)
    assert answer.status == 401
    assert WRONG_KEY[family](answer.json)
    assert sim.last(family)["error"] == "bad_key"


def test_key_forms_and_a_new_key(sim):
    for header in ("x-api-key: sk-openai", "Authorization: sk-openai", "Authorization: bearer sk-openai"):
        with Client(sim, "openai") as client:
            client.send("GET", "/v1/models", headers=[header])
            assert client.receive().status == 200
    sim.set_key("openai", "sk-new")
    assert ask(sim, "openai").status == 401 and ask(sim, "openai", key="sk-new").status == 200
    sim.set_key("openai", None)
    assert ask(sim, "openai", key="").status == 200
    sim.set_key("openai", "sk-openai")
    assert ask(sim, "openai").status == 200


@pytest.mark.parametrize("family", FAMILIES)
def test_web_page_and_unknown_path(sim, family):
    root = ask(sim, family, path="/", key="")
    assert root.status == 200 and root.headers["content-type"].startswith("text/html") and b"<html" in root.body
    unknown = ask(sim, family, path="/v1/nothing")
    assert unknown.status == 404 and unknown.json
    if family in ("newapi", "oneapi"):
        assert unknown.json["error"]["message"].startswith("Invalid URL (GET /v1/nothing)")


def test_head_has_no_body(sim):
    with Client(sim, "openai") as client:
        client.send("HEAD", "/v1/models", key="sk-openai")
        client.send("GET", "/", key="sk-openai")
        raw = b""
        while b"</html>" not in raw:
            raw += client.sock.recv(65536)
    heads = raw.split(b"\r\n\r\n")
    assert heads[0].startswith(b"HTTP/1.1 200 OK") and heads[1].startswith(b"HTTP/1.1 200 OK")


NO_CREDIT = {"openai": (429, "insufficient_quota"), "openrouter": (402, 402), "newapi": (403, "insufficient_user_quota"),
             "oneapi": (403, "insufficient_user_quota"), "aihubmix": (403, "insufficient_user_quota"), "apiyi": (429, "insufficient_quota"),
             "dmxapi": (403, "insufficient_user_quota")}


@pytest.mark.parametrize("family", sorted(NO_CREDIT))
def test_no_credit_in_each_family(sim, family):
    sim.set(family, error="no_credit")
    answer = chat(sim, family)
    assert (answer.status, answer.json["error"]["code"]) == NO_CREDIT[family]
    assert ask(sim, family).status == 200  # the list goes on working


MISSING = {"openai": 404, "openrouter": 400, "siliconflow": 400, "newapi": 503, "oneapi": 503, "aihubmix": 503, "apiyi": 404, "dmxapi": 503, "sub2api": 404,
           "anthropic": 404, "onehub": 503, "voapi": 503, "rixapi": 503, "shellapi": 404}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_model_in_each_family(sim, family):
    answer = chat(sim, family, model="no-such-model")
    assert answer.status == MISSING[family]
    assert family == "siliconflow" or "no-such-model" in answer.body.decode()
    if family == "newapi":
        assert answer.json["error"]["code"] == "model_not_found" and "无可用渠道" in answer.json["error"]["message"]
    if family == "siliconflow":
        assert answer.json == {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}


def all_errors():
    """From the header, so that a new error is tested as soon as it is there."""
    with open(os.path.join(HERE, "..", "relaysim", "behaviour.h"), encoding="utf-8") as f:
        table = f.read().split("#define ERROR_TABLE")[1].split("enum error_id")[0]
    return [line.split('"')[1] for line in table.splitlines() if '"' in line and '"none"' not in line]


@pytest.mark.parametrize("error", all_errors())
@pytest.mark.parametrize("family", FAMILIES)
def test_every_error_in_every_family(sim, family, error):
    sim.set(family, error=error)
    answer = chat(sim, family)
    assert 400 <= answer.status <= 529 and answer.end == "complete"
    if family in ("newapi", "oneapi") and error == "rate_limited":
        assert answer.body == b"" and "content-type" not in answer.headers
    else:
        assert isinstance(answer.json, dict)
    assert sim.last(family)["status"] == answer.status


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 524, 529])
@pytest.mark.parametrize("family", ["openai", "openrouter", "siliconflow", "newapi"])
def test_a_status_alone(sim, family, status):
    sim.set(family, status=status)
    answer = chat(sim, family)
    assert answer.status == status


def test_anthropic_errors_on_any_relay(sim):
    sim.set("newapi", error="no_credit")
    answer = chat(sim, "newapi", path="/v1/messages")
    assert answer.status == 403 and answer.json["type"] == "error" and answer.json["error"]["type"] == "new_api_error"
    assert "用户额度不足" in answer.json["error"]["message"]


def test_misleading_statuses(sim):
    sim.set("newapi", error="no_credit", status=429)
    answer = chat(sim, "newapi")
    assert answer.status == 429 and answer.json["error"]["code"] == "insufficient_user_quota"
    sim.only("newapi", error="upstream_full", status=200)
    answer = chat(sim, "newapi")
    assert answer.status == 200 and "当前分组上游负载已饱和" in answer.json["error"]["message"]
    sim.only("newapi", error="server", message="余额不足 or so")
    assert chat(sim, "newapi").json["error"]["message"].startswith("余额不足 or so")


@pytest.mark.parametrize("body, check", [
    ("empty", lambda a: a.body == b""),
    ("html", lambda a: a.headers["content-type"] == "text/html" and b"<html>" in a.body),
    ("text", lambda a: a.headers["content-type"].startswith("text/plain")),
    ("json_string", lambda a: isinstance(a.json, str)),
    ("success_false", lambda a: a.json["success"] is False and a.json["message"]),
    ("error_string", lambda a: isinstance(a.json["error"], str)),
    ("object_error", lambda a: a.json["object"] == "error"),
])
def test_other_bodies_of_errors(sim, body, check):
    sim.set("openai", error="unavailable", body=body)
    answer = chat(sim, "openai")
    assert answer.status == 503 and check(answer)
    sim.set("openai", status=200)
    answer = chat(sim, "openai")
    assert answer.status == 200 and check(answer)


def test_retry_after(sim):
    sim.set("openai", error="rate_limited")
    assert "retry-after" not in chat(sim, "openai").headers
    sim.set("openai", retry_after=7)
    assert chat(sim, "openai").headers["retry-after"] == "7"
    sim.set("openai", retry_after=60, retry_after_date=True)
    assert chat(sim, "openai").headers["retry-after"].endswith(" GMT")


def test_what_an_error_is_on(sim):
    sim.set("openai", error="unavailable")
    assert chat(sim, "openai").status == 503 and ask(sim, "openai").status == 503 and ask(sim, "openai", path="/").status == 503
    sim.set("openai", on=["models"])
    assert chat(sim, "openai").status == 200 and ask(sim, "openai").status == 503 and ask(sim, "openai", path="/").status == 200
    sim.set("openai", on=["chat", "reach"])
    assert chat(sim, "openai").status == 503 and ask(sim, "openai").status == 200 and ask(sim, "openai", path="/").status == 503


# --- where relays are found -------------------------------------------------------------------------------------------


def test_relays_on_the_shared_port(sim):
    assert sim.url("guest") == f"http://127.0.0.1:{sim.port}/guest"
    assert ask(sim, "guest").json["success"] is True and "success" not in ask(sim, "guest2").json
    assert chat(sim, "guest").text
    with socket.create_connection(("127.0.0.1", sim.port), timeout=DEADLINE) as sock:
        sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: guest.test:80\r\n\r\n")
        client = Client.__new__(Client)
        client.sock = sock
        assert client.receive().json["success"] is True
        sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
        assert client.receive().status == 404


def test_a_path_with_the_name_works_on_the_own_port_too(sim):
    assert ask(sim, "newapi", path="/newapi/v1/models").json["success"] is True
    assert ask(sim, "openrouter", path="/api/v1/models").status == 200
    assert ask(sim, "newapi", path="/openai/v1/models").status == 404  # another relay's name is no way in


def test_relays_come_and_go_while_it_runs(sim):
    urls = sim.add({"name": "late", "family": "oneapi", "key": "sk-late"}, {"name": "late2", "shared": True})
    assert urls["late"] == sim.url("late")
    assert chat(sim, "late", model="anything").text
    with pytest.raises(RelaysimError, match="already"):
        sim.add({"name": "late"})
    url = sim.url("late")
    sim.remove("late", "late2")
    sim._urls["late"] = url
    assert ask(sim, "late").end == "refused"
    with pytest.raises(RelaysimError, match='no relay "late"'):
        sim.set("late", fault="none")
    sim.add({"name": "late", "family": "openai"})
    assert ask(sim, "late").status == 200
    sim.remove("late")


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_stream_in_the_openai_dialect(sim):
    sim.set("openai", answer="fixed", text="The quick brown fox", empty_deltas=2, reasoning=2, comments=3)
    answer = chat(sim, "openai")
    assert answer.status == 200 and answer.headers["content-type"] == "text/event-stream" and answer.end == "complete"
    assert kinds(answer) == ["role", "empty", "empty"] + ["reasoning"] * 2 + ["token"] * 6 + ["finish", "usage", "DONE"]
    assert answer.text == "The quick brown fox"
    assert answer.body.startswith(b": PING\n\n: PING\n\n: PING\n\ndata: {")
    chunk = answer.data[0]
    assert chunk["object"] == "chat.completion.chunk" and chunk["model"] == "gpt-4o-mini" and chunk["id"].startswith("chatcmpl-")
    usage = answer.data[-1]["usage"]
    assert usage["completion_tokens"] == 8 and usage["completion_tokens_details"]["reasoning_tokens"] == 2
    assert usage["total_tokens"] == usage["prompt_tokens"] + 8


def test_openrouter_has_its_own_marks(sim):
    sim.set("openrouter", comments=2, price_input=3, price_output=15, reasoning=1, reasoning_field="reasoning")
    answer = chat(sim, "openrouter")
    assert answer.body.startswith(b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n")
    assert answer.data[0]["provider"] and answer.data[0]["id"].startswith("gen-")
    usage = answer.data[-1]["usage"]
    assert usage["cost"] == pytest.approx((usage["prompt_tokens"] * 3 + usage["completion_tokens"] * 15) / 1e6)
    assert sim.last("openrouter")["cost"] == pytest.approx(usage["cost"])


@pytest.mark.parametrize("field, find", [
    ("reasoning_content", lambda d: d["reasoning_content"] and d["content"] is None),
    ("reasoning", lambda d: d["reasoning"]),
    ("both", lambda d: d["reasoning"] == d["reasoning_content"]),
    ("reasoning_details", lambda d: d["reasoning_details"][0]["text"]),
])
def test_reasoning_fields(sim, field, find):
    sim.set("openai", reasoning=3, reasoning_field=field)
    thoughts = [c["choices"][0]["delta"] for c in chat(sim, "openai").data if c["choices"]][1:4]
    assert len(thoughts) == 3 and all(find(d) for d in thoughts)


def test_inline_thinking(sim):
    sim.set("openai", reasoning=3, reasoning_field="inline", answer="fixed", text="pong")
    said = chat(sim, "openai").text
    assert said.startswith("<think>") and said.endswith("</think>pong")
    assert chat(sim, "openai", stream=False).json["choices"][0]["message"]["content"] == said


def test_a_stream_in_the_anthropic_dialect(sim):
    for relay in ("anthropic", "newapi", "openrouter"):
        sim.set(relay, reasoning=2, answer="fixed", text="Hello you")
        answer = chat(sim, relay, path="/v1/messages", max_tokens=64)
        assert kinds(answer) == ["message_start", "ping", "content_block_start"] + ["content_block_delta"] * 2 + \
            ["content_block_stop", "content_block_start"] + ["content_block_delta"] * 3 + ["content_block_stop", "message_delta", "message_stop"]
        assert answer.text == "Hello you"
        assert [d["delta"]["type"] for d in answer.data if d["type"] == "content_block_delta"] == ["thinking_delta"] * 2 + ["text_delta"] * 3
        assert answer.data[-2]["delta"]["stop_reason"] == "end_turn" and answer.data[-2]["usage"]["output_tokens"] == 5
        assert sim.last(relay)["dialect"] == "anthropic"


def test_answers_that_are_not_streamed(sim):
    answer = chat(sim, "openai", stream=False)
    assert answer.json["object"] == "chat.completion" and answer.json["choices"][0]["finish_reason"] == "stop"
    answer = chat(sim, "anthropic", stream=False, path="/v1/messages")
    assert answer.json["type"] == "message" and answer.json["content"][0]["type"] == "text"
    sim.set("openai", plain=True)
    answer = chat(sim, "openai", stream=True)
    assert answer.headers["content-type"] == "application/json" and answer.json["choices"][0]["message"]["content"]


NAMES = ["Nora", "Omar", "Petra", "Silas", "Felix", "Greta", "Hugo", "Ivan", "Jonas", "Karin"]
THINGS = ["kettle", "drum", "ladder", "rope", "lamp", "violin", "hammer", "basket", "carpet", "mirror"]
VERBS = [("found", "find"), ("sold", "sell"), ("bought", "buy"), ("lost", "lose"), ("painted", "paint"), ("borrowed", "borrow")]


def challenge(rng):
    """A question in the form that probed asks, its answer and the wrong ones."""
    who, what, (past, verb) = rng.sample(NAMES, 5), rng.sample(THINGS, 5), rng.choice(VERBS)
    clauses = [f"{n} {past} the {t}" for n, t in zip(who, what)]
    i, for_name = rng.randrange(5), rng.random() < 0.5
    question = f"Who {past} the {what[i]}?" if for_name else f"What did {who[i]} {verb}?"
    text = f"Note {rng.getrandbits(32):08x}: {', '.join(clauses[:4])} and {clauses[4]}. {question} Answer with one word only."
    return text, (who if for_name else what)[i], who if for_name else what


def test_the_model_reads_and_answers(sim):
    seed = int(os.environ.get("SEED", time.time()))
    print("SEED", seed)
    rng = random.Random(seed)
    with Client(sim, "openai") as client:
        for _ in range(200):
            text, right, _ = challenge(rng)
            client.send("POST", "/v1/chat/completions", prompt_body(text), "sk-openai")
            assert client.receive().text == right
    sim.set("openai", answer="wrong")
    text, right, all_of_them = challenge(rng)
    said = chat(sim, "openai", text).text
    assert said != right and said in all_of_them


def test_other_answers(sim):
    sim.set("openai", answer="echo")
    assert chat(sim, "openai", "Say 中文 back").text == "Say 中文 back"
    sim.set("openai", answer="fixed", text="always")
    assert chat(sim, "openai", "anything").text == "always"
    sim.set("openai", answer="marker", marker="SECRET:")
    assert chat(sim, "openai", "a SECRET: blue whale\nrest").text == "blue whale"
    body = prompt_body(messages=[{"role": "user", "content": [{"type": "text", "text": "SECRET: in "}, {"type": "text", "text": "parts"}]}])
    assert ask(sim, "openai", "POST", "/v1/chat/completions", body).text == "in parts"


def test_max_tokens_is_honoured(sim):
    sim.set("openai", answer="fixed", text="one two three four five")
    answer = chat(sim, "openai", max_tokens=2)
    assert answer.text == "one two" and answer.data[-2]["choices"][0]["finish_reason"] == "length"
    sim.set("openai", reasoning=50)
    answer = chat(sim, "openai", max_completion_tokens=16)
    assert answer.text == "" and kinds(answer).count("reasoning") == 16 and answer.data[-1]["usage"]["completion_tokens"] == 16
    assert chat(sim, "anthropic", max_tokens=1, path="/v1/messages").data[-2]["delta"]["stop_reason"] == "max_tokens"


def test_padding_and_pieces(sim):
    sim.set("openai", answer="fixed", text="pong", tokens=50)
    answer = chat(sim, "openai")
    assert kinds(answer).count("token") == 50 and answer.text.startswith("pong ")
    sim.set("openai", tokens=0, token_chars=1)
    assert kinds(chat(sim, "openai")).count("token") == 4


@pytest.mark.parametrize("usage, want", [("last", [None, None, "full"]), ("finish", [None, "full"]), ("each", ["full", "full"]),
                                         ("nulls", ["null", "null", "full"]), ("zero", [None, None, "zero"]), ("never", [None, None])])
def test_usage_forms(sim, usage, want):
    sim.set("openai", usage=usage, answer="fixed", text="pong", role_delta=False)

    def form(chunk):
        if "usage" not in chunk:
            return None
        return "null" if chunk["usage"] is None else "zero" if chunk["usage"]["total_tokens"] == 0 else "full"
    assert [form(c) for c in chat(sim, "openai").data] == want


def test_usage_only_when_asked_for(sim):
    sim.set("openai", stream_options=True)
    assert "usage" not in kinds(chat(sim, "openai"))
    assert "usage" in kinds(chat(sim, "openai", stream_options={"include_usage": True}))


def test_another_model_is_echoed(sim):
    sim.set("openai", model_echo="gpt-3.5-turbo")
    assert {c["model"] for c in chat(sim, "openai").data} == {"gpt-3.5-turbo"}
    assert chat(sim, "openai", stream=False).json["model"] == "gpt-3.5-turbo"


def test_bad_requests_of_ours(sim):
    assert ask(sim, "openai", "POST", "/v1/chat/completions", b"{not json").status == 400
    assert ask(sim, "openai", "POST", "/v1/chat/completions", {"model": "gpt-4o-mini"}).status == 400


# --- odd spellings of a stream ----------------------------------------------------------------------------------------


def test_bom_and_line_ends(sim):
    sim.set("openai", bom=True, comments=1)
    answer = chat(sim, "openai")
    assert answer.body.startswith(b"\xef\xbb\xbf: PING") and answer.text
    sim.only("openai", crlf=True)
    answer = chat(sim, "openai")
    assert b"\r\n\r\n" in answer.body and b"}\n" not in answer.body and answer.text
    sim.only("openai", cr=True)
    answer = chat(sim, "openai")
    assert b"\n" not in answer.body and b"\r\r" in answer.body and answer.text


def test_spelling_of_data_lines(sim):
    sim.set("openai", no_space=True)
    answer = chat(sim, "openai")
    assert b"data:{" in answer.body and b"data: " not in answer.body and answer.text
    sim.only("openai", multiline=True)
    answer = chat(sim, "openai")
    assert answer.body.startswith(b"data: {\ndata: \"id\"") and b"\ndata: }\n\n" in answer.body and answer.text
    sim.only("openai", no_last_blank=True)
    answer = chat(sim, "openai")
    assert answer.body.endswith(b"data: [DONE]\n") and not answer.body.endswith(b"\n\n")


def test_a_character_is_split_between_writes(sim):
    sim.set("openai", split_utf8=True)
    answer = chat(sim, "openai")
    assert "答案：" in answer.text

    def splits(piece):
        try:
            piece.decode("utf-8")
            return False
        except UnicodeDecodeError:
            return True
    assert sum(splits(piece) for _, piece in answer.pieces) >= 2  # an end and a beginning


def test_a_big_event(sim):
    sim.set("openai", big_event=200000)
    answer = chat(sim, "openai")
    assert max(len(data) for _, data in answer.events) > 200000 and kinds(answer)[-1] == "DONE"


def test_cumulative_deltas(sim):
    for relay, path in (("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")):
        sim.set(relay, cumulative=True, answer="fixed", text="one two three")
        answer = chat(sim, relay, path=path)
        texts = [c["choices"][0]["delta"].get("content") for c in answer.data if c.get("choices")] + \
                [c["delta"]["text"] for c in answer.data if c.get("type") == "content_block_delta"]
        assert [t for t in texts if t] == ["one", "one two", "one two thr", "one two three"]


def test_a_burst_is_one_write(sim):
    sim.set("openai", burst=True, tokens=60, first_token=50, gap=2, comments=2)
    answer = chat(sim, "openai")
    assert kinds(answer).count("token") == 60
    record = sim.last("openai")
    assert len(record["tokens"]) == 60 and len(set(record["tokens"])) == 1
    assert record["tokens"][0] - record["times"]["complete"][0] >= 50000 + 59 * 2000


def test_a_stream_ended_by_closing(sim):
    sim.set("openai", framing="close")
    answer = chat(sim, "openai")
    assert answer.end == "eof" and "transfer-encoding" not in answer.headers and answer.headers["connection"] == "close"
    assert kinds(answer)[-1] == "DONE"


def test_drip(sim):
    sim.set("openai", drip=0.2, answer="fixed", text="x", usage="never")
    answer = chat(sim, "openai")
    assert answer.end == "complete" and answer.text == "x"
    assert len(answer.pieces) > len(answer.raw) / 20  # byte by byte, though the kernel may put some together
    assert answer.pieces[-1][0] - answer.pieces[0][0] >= len(answer.raw) * 0.0001


# --- faults -----------------------------------------------------------------------------------------------------------


def test_refuse_and_come_back(sim):
    with Client(sim, "openai") as kept:
        kept.send("GET", "/v1/models", key="sk-openai")
        assert kept.receive().status == 200
        sim.set("openai", fault="refuse")
        assert kept.receive().end == "reset"  # the process behind the port is dead
    assert chat(sim, "openai").end == "refused"
    sim.set("openai", fault="refuse")  # again: nothing changes
    assert chat(sim, "openai").end == "refused"
    sim.reset("openai")
    assert chat(sim, "openai").text


def test_a_connection_that_never_comes_about(sim):
    sim.set("openai", fault="connect_hang")
    with pytest.raises(socket.timeout):
        socket.create_connection(("127.0.0.1", sim.own_port("openai")), timeout=0.5)
    sim.reset("openai")
    assert chat(sim, "openai").text


@pytest.mark.parametrize("fault, end", [("accept_reset", "reset"), ("accept_close", "eof"), ("accept_hang", "timeout")])
def test_accepted_and_then(sim, fault, end):
    sim.set("openai", fault=fault)
    answer = chat(sim, "openai", timeout=0.3 if end == "timeout" else DEADLINE)
    assert answer.end == end and answer.raw == b""


def test_accept_delay(sim):
    sim.set("secure", accept_delay=120)
    start = time.monotonic()
    assert chat(sim, "secure").text
    assert time.monotonic() - start >= 0.12


def test_tls_works(sim):
    answer = chat(sim, "secure")
    assert answer.text and sim.last("secure")["tls"] is True and "handshaked" in sim.last("secure")["times"]
    assert ask(sim, "veiled", name="anything.test").status == 200


@pytest.mark.parametrize("fault, words", [("tls_expired", "expired"), ("tls_self_signed", "self-signed certificate"), ("tls_wrong_name", "Hostname mismatch"),
                                          ("tls_untrusted", "unable to get local issuer"), ("tls_garbage", "WRONG_VERSION_NUMBER"), ("tls_close", "EOF")])
def test_tls_faults(sim, fault, words):
    sim.set("secure", fault=fault)
    answer = chat(sim, "secure")
    assert answer.end.startswith("tls:") and words in answer.end
    if fault not in ("tls_garbage", "tls_close"):
        assert chat_unverified(sim, "secure").text
        sim.set("veiled", fault=fault)  # on the shared port the server name tells
        assert words in ask(sim, "veiled", name="veiled.test").end
        assert ask(sim, "veiled", name="other.test").status == 200


def chat_unverified(sim, relay):
    with Client(sim, relay, verify=False) as client:
        client.send("POST", "/v1/chat/completions", prompt_body(), f"sk-{relay}")
        return client.receive()


def test_tls_hang(sim):
    sim.set("secure", fault="tls_hang")
    assert chat(sim, "secure", timeout=0.3).end in ("timeout", "tls: The handshake operation timed out", "tls: _ssl.c:990: The handshake operation timed out")


@pytest.mark.parametrize("fault, end, raw", [
    ("hang", "timeout", b""), ("reset", "reset", b""), ("close", "eof", b""),
    ("headers_reset", "reset", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-"), ("headers_hang", "timeout", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-"),
    ("not_http", "eof", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")])
def test_no_answer(sim, fault, end, raw):
    sim.set("openai", fault=fault)
    answer = chat(sim, "openai", timeout=0.3 if end == "timeout" else DEADLINE)
    assert answer.end == end and answer.raw == raw
    assert sim.wait("openai", since=sim.last("openai")["seq"] - 1) and sim.last("openai")["how"] == fault


def test_endless_headers(sim):
    sim.set("openai", fault="headers_endless")
    with Client(sim, "openai") as client:
        client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
        answer = client.receive(limit=400_000)
    assert len(answer.raw) >= 400_000 and b"\r\n\r\n" not in answer.raw and answer.raw.startswith(b"HTTP/1.1 200 OK\r\nX-Filler")
    assert sim.wait("openai", since=sim.seq - 1)


@pytest.mark.parametrize("fault", ["body_endless", "stream_endless"])
def test_endless_bodies(sim, fault):
    sim.set("openai", fault=fault)
    with Client(sim, "openai") as client:
        client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
        answer = client.receive(limit=300_000)
    assert answer.end == "seen" and answer.status == 200
    assert sim.wait("openai", since=sim.seq - 1)
    assert ask(sim, "guest").status == 200  # and the others are served meanwhile


def test_wrong_bodies(sim):
    sim.set("openai", fault="html")
    answer = chat(sim, "openai")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    sim.set("openai", fault="no_body")
    answer = chat(sim, "openai")
    assert answer.status == 200 and answer.body == b"" and answer.end == "complete"
    sim.set("openai", fault="redirect")
    answer = chat(sim, "openai")
    assert answer.status == 302 and answer.headers["location"] == "/login"


@pytest.mark.parametrize("path, done", [("/v1/chat/completions", "DONE"), ("/v1/messages", "message_stop")])
@pytest.mark.parametrize("fault, end", [("no_first_token", "timeout"), ("stall", "timeout"), ("truncate", "complete"), ("cut", "eof"),
                                        ("stream_reset", "reset"), ("stream_error", "complete")])
def test_broken_streams(sim, fault, end, path, done):
    sim.set("openai", fault=fault, at=3, answer="fixed", text="one two three four five six")
    answer = chat(sim, "openai", path=path, timeout=0.4 if end == "timeout" else DEADLINE)
    assert answer.status == 200 and answer.end == end
    assert answer.text == ("" if fault == "no_first_token" else "one two thr")
    words = kinds(answer)
    assert done not in words and "finish" not in words and "message_delta" not in words
    assert (words[-1] == "error") == (fault == "stream_error")
    assert sim.wait("openai", since=sim.seq - 1)
    record = sim.last("openai")
    assert record["how"] == fault and record["tokens_sent"] == (0 if fault == "no_first_token" else 3)


def test_the_error_event_of_each_family(sim):
    sim.set("openrouter", fault="stream_error", error="bad_gateway")
    last = chat(sim, "openrouter").data[-1]
    assert last["error"]["code"] == 502 and last["choices"][0]["finish_reason"] == "error"
    sim.set("newapi", fault="stream_error", at=0, comments=2)
    answer = chat(sim, "newapi")
    assert answer.body.startswith(b": PING") and answer.data[-1]["error"]["type"] == "new_api_error" and answer.text == ""
    sim.set("anthropic", fault="stream_error", error="overloaded")
    name, data = chat(sim, "anthropic", path="/v1/messages").events[-1]
    assert name == "error" and json.loads(data)["error"]["type"] == "overloaded_error"


def test_an_empty_completion(sim):
    sim.set("openai", fault="empty", reasoning=2)
    answer = chat(sim, "openai")
    assert kinds(answer) == ["role", "finish", "usage", "DONE"] and answer.end == "complete"
    assert chat(sim, "openai", stream=False).json["choices"][0]["message"]["content"] == ""
    assert chat(sim, "openai", path="/v1/messages").text == ""


def test_missing_ends(sim):
    sim.set("openai", done=False)
    words = kinds(chat(sim, "openai"))
    assert "DONE" not in words and "finish" in words
    sim.only("openai", finish=False)
    words = kinds(chat(sim, "openai"))
    assert "DONE" in words and "finish" not in words


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_bytes_that_are_no_text(sim, path):
    sim.set("openai", fault="bad_utf8")
    answer = chat(sim, "openai", path=path)
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode("utf-8")
    assert b"\xff\xfe" in answer.body and answer.end == "complete"
    with pytest.raises(UnicodeDecodeError):
        chat(sim, "openai", path=path, stream=False).body.decode("utf-8")
    sim.set("openai", fault="malformed")
    answer = chat(sim, "openai", path=path)
    with pytest.raises(ValueError):
        answer.data
    assert answer.end == "complete" and answer.body.rstrip().endswith((b"[DONE]", b'{"type":"message_stop"}'))
    with pytest.raises(ValueError):
        chat(sim, "openai", path=path, stream=False).json


@pytest.mark.parametrize("fault, end", [("stall", "timeout"), ("cut", "eof"), ("stream_reset", "reset")])
def test_a_whole_answer_that_breaks_off(sim, fault, end):
    sim.set("openai", fault=fault)
    answer = chat(sim, "openai", stream=False, timeout=0.3 if end == "timeout" else DEADLINE)
    assert answer.end == end and 0 < len(answer.body) < int(answer.headers["content-length"])


def test_faults_of_the_port_on_a_shared_port(sim):
    sim.set("guest", fault="refuse")
    assert chat(sim, "guest").end == "reset"
    assert chat(sim, "guest2").text


def test_every_fault_is_tested():
    with open(os.path.join(HERE, "..", "relaysim", "behaviour.h"), encoding="utf-8") as f:
        table = f.read().split("#define FAULT_TABLE")[1].split("enum fault_id")[0]
    faults = [line.split('"')[1] for line in table.splitlines() if '"' in line]
    with open(__file__, encoding="utf-8") as f:
        tests = f.read()
    assert [f for f in faults if f'"{f}"' not in tests] == []


# --- times ------------------------------------------------------------------------------------------------------------


def test_times_are_kept(sim):
    sim.set("openai", header_delay=30, comments=2, comment_gap=10, first_token=120, gap=15, tail=25, reasoning=1, answer="fixed", text="one two")
    start = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    answer = chat(sim, "openai")
    stop = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    record = sim.last("openai")
    at = {name: pair[0] for name, pair in record["times"].items()}
    assert start <= at["accepted"] <= at["first_byte"] <= at["complete"] <= at["headers"] <= at["comment"] <= at["data"] <= at["reasoning"]
    assert at["reasoning"] <= at["content"] <= at["content_last"] <= at["done"] <= at["end"] and at["done"] <= stop
    assert at["headers"] - at["complete"] >= 30000 and at["reasoning"] - at["complete"] >= 120000
    assert at["content"] - at["reasoning"] >= 15000 and at["done"] - at["content_last"] >= 25000
    assert record["tokens"][0] == at["reasoning"] and record["tokens"][-1] == at["content_last"] and len(record["tokens"]) == 3
    first = next(t for t, piece in answer.pieces if b"reasoning" in piece)
    assert 0 <= first * 1e6 - at["reasoning"] + 1  # it cannot arrive before it was sent
    steady, real = sim.clock()
    for pair in record["times"].values():
        assert abs((real - steady) - (pair[1] - pair[0])) < 1_000_000


@pytest.mark.parametrize("spread, low, high", [(40, 40, None), ({"uniform": [20, 60]}, 20, 61), ({"normal": [50, 5]}, 10, None), ({"lognormal": [40, 0.2]}, 5, None)])
def test_distributions_of_the_first_token(sim, spread, low, high):
    sim.set("openai", first_token=spread)
    seen = []
    for _ in range(5):
        assert chat(sim, "openai").text
        record = sim.last("openai")
        seen.append((record["tokens"][0] - record["times"]["complete"][0]) / 1000)
    assert min(seen) >= low
    assert high is None or min(seen) < high + 200
    assert isinstance(spread, int) or len({round(s) for s in seen}) > 1


def test_the_same_seed_gives_the_same_delays():
    def delays(seed):
        with Relaysim([{"name": "a"}], behaviour={**QUICK, "fail_share": 0.5, "error": "server"}, seed=seed) as sim:
            return [chat(sim, "a").status for _ in range(40)]
    first = delays(7)
    assert first == delays(7) and first != delays(8) and {200, 500} == set(first)


def test_behaviour_of_one_model_only(sim):
    sim.set("openai", model="deepseek-v3", error="unavailable")
    assert chat(sim, "openai", model="deepseek-v3").status == 503 and chat(sim, "openai").status == 200
    assert sim.get("openai")["model_behaviour"]["deepseek-v3"]["error"] == "unavailable"


def test_a_running_answer_keeps_what_it_began_under(sim):
    sim.set("openai", gap=30, answer="fixed", text="one two three four")
    with Client(sim, "openai") as client:
        client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
        answer = client.receive(until=b'"one"')
        sim.set("openai", error="server")
        answer = client.receive(answer)
    assert answer.text == "one two three four" and answer.end == "complete"
    assert chat(sim, "openai").status == 500


# --- limits, credit, share --------------------------------------------------------------------------------------------


def test_rate_limit(sim):
    sim.set("openai", rate=0.001, rate_burst=3)
    assert [chat(sim, "openai").status for _ in range(5)] == [200, 200, 200, 429, 429]
    sim.only("newapi", rate=0.001, rate_burst=1, limit_error="upstream_full")
    chat(sim, "newapi")
    assert "上游负载已饱和" in chat(sim, "newapi").json["error"]["message"]


def test_requests_in_flight(sim):
    sim.set("openai", max_in_flight=2, first_token=300000)
    clients = [Client(sim, "openai") for _ in range(2)]
    for client in clients:
        client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
        client.receive(until=b'"role"')
    assert chat(sim, "openai").status == 429 and sim.stats("openai")["in_flight"] == 2
    before = sim.seq
    clients[0].sock.close()
    assert sim.wait("openai", since=before - 3, count=2)
    assert [r["how"] for r in sim.log("openai", ended=True)][-2:] == ["left", "error"]
    with Client(sim, "openai") as client:
        client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
        assert client.receive(until=b'"role"').status == 200
    clients[1].sock.close()


def test_credit_runs_out(sim):
    sim.set("newapi", credit_requests=2)
    assert [chat(sim, "newapi").status for _ in range(4)] == [200, 200, 403, 403]
    sim.set("newapi", credit_requests=1)  # topped up
    assert [chat(sim, "newapi").status for _ in range(2)] == [200, 403]
    spent = sim.stats("newapi")["spent"]
    sim.only("newapi", credit=1.0, price_call=0.4)
    assert [chat(sim, "newapi").status for _ in range(4)] == [200, 200, 200, 403]
    assert sim.stats("newapi")["spent"] - spent == pytest.approx(1.2)


def test_a_share_of_the_requests_fails(sim):
    sim.set("openai", error="unavailable", fail_share=0.3)
    with Client(sim, "openai") as client:
        statuses = []
        for _ in range(400):
            client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
            statuses.append(client.receive().status)
    assert set(statuses) == {200, 503} and 70 <= statuses.count(503) <= 170


def test_failing_spells(sim):
    sim.set("openai", fail_enter=0.05, fail_leave=0.2)
    with Client(sim, "openai") as client:
        bad = []
        for _ in range(600):
            client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
            bad.append(client.receive().status == 500)
    after_bad = [b for a, b in zip(bad, bad[1:]) if a]
    assert 0.05 < sum(bad) / len(bad) < 0.45 and sum(after_bad) / len(after_bad) > 0.6  # they come together


# --- connections ------------------------------------------------------------------------------------------------------


def test_kept_connections_and_pipelining(sim):
    with Client(sim, "openai") as client:
        for _ in range(3):
            client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
        raw, answers = Answer(), []
        while len(answers) < 3:
            raw = client.receive(raw)
            assert raw.end == "complete"
            answers.append(raw.text)
            rest = raw.raw[raw.raw.index(b"0\r\n\r\n") + 5:]
            raw = Answer()
            raw.raw = rest
            if parse(raw):
                answers.append(raw.text)
                raw.raw = raw.raw[raw.raw.index(b"0\r\n\r\n") + 5:]
    records = sim.log("openai", last=3)
    assert len({r["connection"] for r in records}) == 1 and [r["nth"] for r in records] == [1, 2, 3]


@pytest.mark.parametrize("announced", [False, True])
def test_closed_after_some_requests(sim, announced):
    sim.set("openai", close_after=2, close_header=announced)
    with Client(sim, "openai") as client:
        client.send("GET", "/v1/models", key="sk-openai")
        assert "connection" not in client.receive().headers
        client.send("GET", "/v1/models", key="sk-openai")
        answer = client.receive()
        assert answer.status == 200 and answer.headers.get("connection") == ("close" if announced else None)
        assert client.sock.recv(1) == b""


def test_closed_between_requests(sim):
    sim.set("openai", close_idle=30)
    with Client(sim, "openai") as client:
        client.send("GET", "/v1/models", key="sk-openai")
        assert client.receive().status == 200
        assert client.sock.recv(1) == b""


@pytest.mark.parametrize("fault, end", [("reused_close", "eof"), ("reused_reset", "reset")])
def test_a_second_request_of_a_connection_dies(sim, fault, end):
    sim.set("openai", fault=fault)
    body = prompt_body("nonce " + fault)
    with Client(sim, "openai") as client:
        client.send("GET", "/v1/models", key="sk-openai")
        assert client.receive().status == 200
        client.send("POST", "/v1/chat/completions", body, "sk-openai")
        answer = client.receive()
        assert answer.end == end and answer.raw == b""
    before = sim.stats("openai")["duplicates"]
    assert ask(sim, "openai", "POST", "/v1/chat/completions", body).text  # what a client does that sends it again by itself
    assert sim.stats("openai")["duplicates"] == before + 1
    twice = sim.log("openai", duplicates=True)[-1]
    assert twice["seen"] == 2
    assert [r["how"] for r in sim.log("openai", kind="chat") if r["body_sha256"] == twice["body_sha256"]] == [fault, "answered"]


def test_request_forms(sim):
    body = json.dumps(prompt_body("chunked")).encode()
    with Client(sim, "openai") as client:
        client.sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-openai\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(body), 50):
            client.sock.sendall(b"%x\r\n%s\r\n" % (len(body[i:i + 50]), body[i:i + 50]))
        client.sock.sendall(b"0\r\n\r\n")
        assert client.receive().text
        client.sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-openai\r\nExpect: 100-continue\r\n"
                            b"Content-Length: %d\r\n\r\n" % len(body))
        assert client.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sock.sendall(body)
        assert client.receive().text
    with Client(sim, "openai") as client:
        client.sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert client.receive().status == 400
    with Client(sim, "openai") as client:
        client.sock.sendall(b"GET /v1/models HTTP/1.0\r\nAuthorization: Bearer sk-openai\r\n\r\n")
        answer = client.receive()
        assert answer.status == 200 and client.sock.recv(1) == b""


@pytest.mark.parametrize("extra", [b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000, b"POST /v1/messages HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
                                   b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"])
def test_requests_beyond_the_caps(sim, extra):
    with Client(sim, "openai") as client:
        client.sock.sendall(extra)
        assert client.receive().status == 400


# --- control ----------------------------------------------------------------------------------------------------------


def test_errors_are_told(sim):
    for members, words in [({"falt": "none"}, 'did you mean "fault"'), ({"fault": "stal"}, 'did you mean "stall"'), ({"gap": "x"}, "gap: a delay is"),
                           ({"gap": {"normal": [1]}}, "delay is"), ({"at": -1}, "at: a number between"), ({"bom": 1}, "true or false"), ({"gap": -5}, "between 0 and")]:
        with pytest.raises(RelaysimError, match=words):
            sim.set("openai", **members)
    with pytest.raises(RelaysimError, match='no relay "nobody"'):
        sim.set("nobody", fault="none")
    with pytest.raises(RelaysimError, match="cmd:"):
        sim.call("explode")
    assert sim.get("openai")["behaviour"] == sim.get("newapi")["behaviour"]


def test_control_takes_nonsense(sim):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(sim.control_path)
        sock.sendall(b'{"cmd":"ping","id":1}\n{oops\n\n{"cmd":"wait","count":1,"since":99999999,"timeout_ms":50,"id":"w"}\n{"cmd":"ping","id":2}\n')
        raw = b""
        while raw.count(b"\n") < 4:
            raw += sock.recv(65536)
    answers = [json.loads(line) for line in raw.splitlines()]
    assert [a["ok"] for a in answers] == [True, False, True, True]
    assert answers[2]["reached"] is False and answers[2]["id"] == "w" and answers[3]["id"] == 2


def test_wait(sim):
    before = sim.seq
    assert sim.wait("openai", count=2, since=before, timeout=0.05) is False
    sim.set("openai", first_token=100)
    with Client(sim, "openai") as client:
        for _ in range(2):
            client.send("POST", "/v1/chat/completions", prompt_body(), "sk-openai")
        assert sim.wait("openai", count=1, since=before, ended=False) is True
        assert sim.log("openai", since=before)[0]["ended"] is False
        assert sim.wait("openai", count=2, since=before, kind="chat") is True
        assert [r["how"] for r in sim.log("openai", since=before)] == ["answered", "answered"]


def test_the_log_is_bounded():
    with Relaysim([{"name": "a"}], behaviour=QUICK, log=10) as sim:
        with Client(sim, "a") as client:
            for _ in range(25):
                client.send("GET", "/v1/models")
                assert client.receive().status == 200
        log = sim.log("a", last=100)
        assert [r["seq"] for r in log] == list(range(16, 26)) and [r["seq"] for r in sim.log("a", last=3)] == [23, 24, 25]
        assert sim.stats("a")["requests"] == 25
        sim.reset("*", log=True)
        assert sim.log("a") == [] and sim.seq == 25


def test_stats_add_up(sim):
    before = sim.stats()["total"]
    chat(sim, "openai")
    ask(sim, "newapi")
    sim.set("oneapi", error="server")
    chat(sim, "oneapi")
    after = sim.stats()["total"]
    assert {k: after[k] - before[k] for k in ("requests", "chats", "models", "answered", "failed")} == \
        {"requests": 3, "chats": 2, "models": 1, "answered": 2, "failed": 1}


def test_every_member_and_word_is_documented(sim):
    words = sim.call("get")
    with open(os.path.join(HERE, "..", "relaysim", "README.md"), encoding="utf-8") as f:
        text = f.read()
    missing = [w for w in list(words["behaviour"]) + words["faults"] + words["errors"] + words["families"] if f"`{w}`" not in text]
    assert missing == []


# --- the process ------------------------------------------------------------------------------------------------------


def start(tmp_path, *options, config="{}", **more):
    path = tmp_path / "config.json"
    path.write_text(config)
    return subprocess.Popen([program(), "--config", str(path), "--control", str(tmp_path / "control"), "--ca-dir", str(tmp_path / "ca"), *options],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def test_ready_line_and_sigterm(tmp_path):
    with start(tmp_path, "--port", "0", config='{"relays":[{"name":"a","port":0},{"name":"b"}]}') as process:
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True and ready["pid"] == process.pid and set(ready["urls"]) == {"a"}
        assert os.stat(tmp_path / "control").st_mode & 0o777 == 0o600 and os.stat(tmp_path / "ca" / "ca.key").st_mode & 0o777 == 0o600
        connection = http.client.HTTPConnection("127.0.0.1", ready["port"])
        connection.request("GET", "/b/v1/models")
        assert connection.getresponse().status == 200
        process.terminate()
        assert process.wait(DEADLINE) == 0
        connection.close()
    assert not os.path.exists(tmp_path / "control")


def test_the_ca_outlives_a_restart(tmp_path):
    def ca():
        with start(tmp_path) as process:
            ready = json.loads(process.stdout.readline())
            process.terminate()
            process.wait(DEADLINE)
        with open(ready["ca"], encoding="ascii") as f:
            return f.read()
    assert ca() == ca()


@pytest.mark.parametrize("config, words", [("{", "JSON"), ('{"relays":[{"name":"a b"}]}', "letters"), ('{"relays":[{"name":"a"},{"name":"a"}]}', "already"),
                                           ('{"relays":[{"name":"a","family":"x"}]}', 'no family "x"'), ('{"port":70000}', "port"),
                                           ('{"relays":[{"name":"a","behaviour":{"gap":"x"}}]}', "gap"), ('{"behaviour":{"nope":1}}', "nope")])
def test_a_bad_configuration_is_told(tmp_path, config, words):
    with start(tmp_path, config=config) as process:
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1 and out == b"" and words in err.decode() and err.startswith(b"relaysim: ")


def test_usage():
    done = subprocess.run([program(), "--config", "x"], capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode == 2 and b"usage:" in done.stderr
    assert subprocess.run([program(), "--help"], capture_output=True, timeout=DEADLINE, check=False).returncode == 0


def test_it_ends_with_its_stdin(tmp_path):
    with start(tmp_path, "--lifeline", stdin=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(DEADLINE) == 0


def test_it_ends_with_its_parent(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    code = ("import subprocess, sys\n"
            "p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)\n"
            "p.stdout.readline()\n"
            "print(p.pid, flush=True)\n"
            "sys.stdin.read()\n")
    command = [program(), "--config", str(tmp_path / "config.json"), "--control", str(tmp_path / "control"), "--ca-dir", str(tmp_path / "ca"), "--die-with-parent"]
    with subprocess.Popen([sys.executable, "-c", code, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pidfd = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait(DEADLINE)
        assert select.select([pidfd], [], [], DEADLINE)[0] == [pidfd]
        os.close(pidfd)


def test_frozen_and_thawed():
    with Relaysim([{"name": "a", "key": "sk-a"}], behaviour={**QUICK, "gap": 20, "tokens": 10}) as sim:
        with Client(sim, "a", timeout=0.3) as client:
            client.send("POST", "/v1/chat/completions", prompt_body(), "sk-a")
            answer = client.receive(until=b'"role"')
            sim.freeze()
            answer = client.receive(answer)
            assert answer.end == "timeout"
            with Client(sim, "a") as other:  # the kernel goes on accepting
                sim.thaw()
                client.sock.settimeout(DEADLINE)
                assert client.receive(answer).end == "complete" and kinds(answer)[-1] == "DONE"
                other.send("GET", "/v1/models", key="sk-a")
                assert other.receive().status == 200


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS:")).split()[1])


def test_five_thousand_relays_and_many_connections():
    relays = [{"name": f"r{i}", "family": FAMILIES[i % len(FAMILIES)], "key": f"sk-r{i}", "models": MODELS, "shared": True} for i in range(5000)]
    with Relaysim(behaviour=QUICK) as empty:
        base = memory_kb(empty.process.pid)
    with Relaysim(relays, behaviour=QUICK) as sim:
        if "san" not in program():  # a sanitizer's shadow is no memory of ours
            assert memory_kb(sim.process.pid) - base < 5000 * 4
        assert sim.stats()["relays"] == 5000
        sim.set("*", error="unavailable")
        assert chat(sim, "r4999").status == 503
        sim.reset("*")
        before = sim.seq
        socks = [socket.create_connection(("127.0.0.1", sim.port), timeout=DEADLINE) for _ in range(800)]
        try:
            body = json.dumps(prompt_body()).encode()
            for i, sock in enumerate(socks):
                sock.sendall(b"POST /r%d/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-r%d\r\nContent-Length: %d\r\n\r\n%s"
                             % (i * 6, i * 6, len(body), body))
            assert sim.wait(count=800, since=before, kind="chat", timeout=DEADLINE)
            assert all(r["status"] == 200 and r["how"] == "answered" for r in sim.log(since=before, last=800))
            assert sim.stats()["open_connections"] >= 800  # all kept; only now is it sure that each was accepted
            for sock in socks:  # resets, all at once: it lives on
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            for sock in socks:
                sock.close()
        assert chat(sim, "r1").text and sim.process.poll() is None
