"""Where results may be sent: this machine, what the user has allowed, and nowhere else."""

import socket
import time

import pytest

from bridge.comfy.webhook import TIMEOUT_S, Webhooks
from bridge.errors import BridgeError

from .hook import Hook


def code_of(webhooks, url):
    with pytest.raises(BridgeError) as caught:
        webhooks.check(url)
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/x", "http://localhost/", "https://[::1]:1/", "http://127.9.9.9/"]
)
def test_this_machine_may_be_called(url):
    assert Webhooks().check(url).hostname


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/", "http://169.254.169.254/latest", "http://10.0.0.1/", "http://[fe80::1]/"),
        *(
            "http://localhost.example.org/",
            "http://127.0.0.1.nip.io/",
            "http://0.0.0.0/",
            "http://2130706433/",
        ),
        *("http://[::ffff:10.0.0.1]/", "http://good.example.org.evil.net/"),
    ],
)
def test_other_hosts_may_not(url):
    assert code_of(Webhooks(["good.example.org"]), url) == "webhook_refused"


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://127.0.0.1/", "file:///etc/passwd", "http://", "127.0.0.1", "http://user:pw@127.0.0.1/", 7),
        *(
            "http://127.0.0.1/\r\nX: y",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/ü",
            "http://127.0.0.1:99999/",
            "http://[::1/",
        ),
        "http://127.0.0.1/" + "x" * 3000,
    ],
)
def test_what_is_no_address_is_told(url):
    assert code_of(Webhooks(), url) == "bad_webhook"


def test_allowed_host_may_be_called_whatever_its_case():
    assert Webhooks(["Hooks.Example.org"]).check("https://hooks.example.ORG/x")


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], []])
async def test_allowed_name_that_leads_to_a_private_address_is_refused(addresses):
    webhooks = Webhooks(["rebound.example.org"], look_up=lambda host: addresses, pauses_s=())
    with pytest.raises(BridgeError, match="private address"):
        await webhooks.call("http://rebound.example.org/", {})


async def test_call_is_tried_again(hook: Hook):
    hook.statuses = [500, 503, 204]
    await Webhooks(pauses_s=(0.0, 0.0)).call(hook.url, {"a": 1})
    assert hook.got.qsize() == 3


@pytest.mark.parametrize("status", [302, 404])
async def test_what_is_not_taken_in_the_end_is_told(hook: Hook, status):
    hook.statuses = [status]
    with pytest.raises(BridgeError) as caught:
        await Webhooks(pauses_s=()).call(hook.url, {})
    assert caught.value.code == "webhook_failed"
    assert hook.got.qsize() == 1  # a redirect is not followed


async def test_nobody_at_the_address_is_told():
    with pytest.raises(BridgeError, match="did not take the result"):
        await Webhooks(pauses_s=()).call("http://127.0.0.1:1/", {})


async def test_address_that_never_comes_to_an_end_is_given_up(hook: Hook, monkeypatch):
    monkeypatch.setattr("bridge.comfy.webhook.DEADLINE_S", 0.05)
    hook.slow_s = 0.3
    with pytest.raises(BridgeError, match="did not take the result"):
        await Webhooks(pauses_s=()).call(hook.url, {})


async def test_address_that_never_shakes_hands_is_given_up(monkeypatch):
    monkeypatch.setattr("bridge.comfy.webhook.DEADLINE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(BridgeError, match="did not take the result"):
            await Webhooks(pauses_s=()).call(f"https://127.0.0.1:{silent.getsockname()[1]}/", {})
    assert time.monotonic() - began < TIMEOUT_S / 2
