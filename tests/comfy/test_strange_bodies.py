"""Whatever a client sends, it is told what is wrong, and nothing breaks."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workflows import picture

ROUTES = ("/prompt", "/run", "/queue", "/interrupt", "/free", "/history", "/jobs/cancel", "/jobs/x/cancel")

TEXTS = st.text(max_size=8) | st.sampled_from(["\ud800", "\0", "a" * 300, "../..", "é", "2"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    *("client_id", "prompt_id", "number", "front", "extra_data", "partial_execution_targets", "timeout_s"),
    *("webhook", "clear", "delete", "job_ids", "unload_models"),
)
NODES = st.fixed_dictionaries(
    {},
    optional={
        "class_type": st.sampled_from(["EmptyImage", "PreviewImage", "Nope"]) | VALUES,
        "inputs": VALUES,
    },
)
PROMPTS = (
    st.builds(picture)
    | st.builds(lambda **inputs: picture(1, **inputs), width=VALUES)
    | st.dictionaries(TEXTS, NODES, max_size=3)
    | st.fixed_dictionaries({"nodes": st.lists(VALUES), "links": VALUES})
    | VALUES
)
BODIES = st.builds(
    lambda prompt, more: {"prompt": prompt, **more},
    PROMPTS,
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3),
)


@pytest.mark.parametrize("route", ROUTES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_no_body_is_answered_with_a_bug(site, route, body):
    answer = site.http.post(route, content=json.dumps(body).encode())
    assert answer.status_code < 500 or answer.json().get("code") == "still_running", answer.text
    if answer.status_code >= 400:
        told = answer.json()
        assert told.get("code") or told["error"]["type"]
        assert "Traceback" not in answer.text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.binary(max_size=40) | BODIES.map(json.dumps), max_size=4))
def test_nothing_said_on_the_socket_ends_it(site, said):
    client = site.listen()
    for message in said:
        client.say(message)
    client.say({"type": "picture", "data": {"id": "unknown"}})
    client.until("picture_refused")
    client.close()


@pytest.mark.parametrize(
    "path",
    [
        *("/history/%00", "/history/%ED%A0%80", "/jobs/%2e%2e", "/jobs?status=%00", "/history?max_items=-5"),
        *(
            "/jobs?limit=99999999999999999999",
            "/history?offset=99999999999999999999",
            "/jobs?workflow_id=%00",
        ),
    ],
)
def test_no_path_is_answered_with_a_bug(site, path):
    assert site.http.get(path).status_code < 500


@pytest.mark.parametrize("client_id", ["\ud800", "\0", "é" * 300, "comfy:x", 7, ["x"], {}])
def test_strange_names_of_clients_run_or_are_refused(site, client_id):
    body = {
        "prompt": picture(),
        "client_id": client_id,
        "extra_data": {"extra_pnginfo": {"\ud800": "\ud800"}},
    }
    for given_body in (body, {**body, "extra_data": None}):
        assert site.http.post("/run", content=json.dumps(given_body).encode()).status_code < 500
