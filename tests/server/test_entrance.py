from typing import Any

import httpx
import pytest

from bridge.client import proof_of
from bridge.server import visitors

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "none"}


async def new_path(site: Any) -> str:
    async with site.http() as http:
        answer = await http.post("/framebridge/key")
        assert answer.headers["cache-control"] == "no-store"
        return str(answer.json()["path"])


def browser(site: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{site.host}", headers=BROWSER, trust_env=False)


async def test_address_that_works_once_lets_a_browser_see_the_page(site: Any) -> None:
    path = await new_path(site)
    async with browser(site) as http:
        assert (await http.get("/")).status_code == 401
        entered = await http.get(path)
        assert entered.status_code == 200
        assert 'content="0; url=/"' in entered.text
        assert entered.headers["referrer-policy"] == "no-referrer"
        assert path.partition("=")[2] not in entered.text
        assert (await http.get("/")).status_code == 200
        assert (await http.get("/status")).status_code == 401, "a cookie opens no native route"
    async with browser(site) as http:
        assert (await http.get(path)).status_code == 401
        assert (await http.get("/")).status_code == 401


async def test_cookie_is_for_our_pages_only(site: Any) -> None:
    async with browser(site) as http:
        cookie = (await http.get(await new_path(site))).headers["set-cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith(f"framebridge-{site.port}=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=strict"}
    assert "the-secret-token" not in cookie


async def test_link_on_another_programs_page_may_open_ours(site: Any) -> None:
    path = await new_path(site)
    async with browser(site) as http:
        assert (await http.get(path, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Sec-Purpose": "prefetch"}, {"Host": "evil.example"}, {"Origin": "null"}]
)
async def test_key_is_not_spent_on_what_nobody_sees(site: Any, headers: dict[str, str]) -> None:
    path = await new_path(site)
    async with browser(site) as http:
        assert (await http.get(path, headers=headers)).status_code in (401, 403)
        assert (await http.head(path)).status_code == 401
        assert (await http.get(path)).status_code == 200


async def test_key_that_is_too_old_shows_how_to_get_in(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "KEY_S", -1.0)
    path = await new_path(site)
    async with browser(site) as http:
        refused = await http.get(path)
    assert refused.status_code == 401
    assert "framebridge open" in refused.text
    assert "set-cookie" not in refused.headers


async def test_daemon_shows_that_it_knows_the_token_and_does_not_show_the_token(site: Any) -> None:
    async with browser(site) as http:
        answer = await http.get("/framebridge/proof?nonce=abcdefghijklmnop")
        assert answer.text == proof_of("the-secret-token-of-this-run", site.host, "abcdefghijklmnop")
        relayed = await http.get(
            "/framebridge/proof?nonce=abcdefghijklmnop", headers={"Host": f"[::1]:{site.port}"}
        )
        assert relayed.status_code == 200
        assert relayed.text == answer.text, "who took our port at another address has no use for it"


@pytest.mark.parametrize("query", ["", "?nonce=short", f"?nonce={'x' * 200}", f"?nonce={'ä' * 20}"])
async def test_there_is_nothing_to_prove_without_letters(site: Any, query: str) -> None:
    async with browser(site) as http:
        assert (await http.get(f"/framebridge/proof{query}")).status_code == 400


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_only_the_token_makes_keys(site: Any, headers: dict[str, str]) -> None:
    async with browser(site) as http:
        assert (await http.post("/framebridge/key", headers=headers)).status_code == 401
