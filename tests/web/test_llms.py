"""What language models are told: true links, and a call that works."""

import json
import re

import httpx

from tests.api.caller import Caller


def test_every_link_leads_somewhere(caller: Caller) -> None:
    response = caller.request("GET", "/llms.txt")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    title, _, quote = response.text.split("\n")[:3]
    assert title == "# Scalix Free"
    assert quote.startswith("> ")
    links = re.findall(r"\]\((\S+)\)", response.text)
    assert len(links) > 5
    for link in links:
        assert link.startswith(caller.url)
        found = caller.request("GET", link.removeprefix(caller.url))
        assert found.status_code == 200, link


def test_its_call_works(caller: Caller) -> None:
    text = caller.request("GET", "/llms.txt").text
    url, body = re.findall(r"curl (\S+) .*?-d '(.+?)'", text, re.DOTALL)[0]
    headers = {"x-forwarded-for": caller.address}
    response = httpx.post(url, json=json.loads(body), headers=headers, timeout=20)
    assert response.status_code == 200, response.text
