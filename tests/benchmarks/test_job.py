import ipaddress
import json

from benchmarks import http1
from benchmarks.job import CALLERS, CALLERS_A_NETWORK, Job, Requests, address

JOB = Job(kind="stream", port=80, path="/path", first=0, headers={"A": "b"})


def asked(serial: int) -> http1.Message:
    message = http1.read(Requests(JOB)[serial])
    assert message is not None
    return message


def test_callers_are_different_addresses_of_many_networks() -> None:
    addresses = {ipaddress.ip_address(address(caller)) for caller in range(CALLERS)}
    networks = {ipaddress.ip_network((it, 24), strict=False) for it in addresses}
    assert len(addresses) == CALLERS
    assert len(networks) == CALLERS // CALLERS_A_NETWORK


def test_a_request_is_whole_and_says_what_was_asked() -> None:
    request = Requests(JOB)[7]
    message = asked(7)
    assert message.size == len(request)
    assert message.head.startswith(b"POST /path HTTP/1.1\r\nHost: 127.0.0.1:80\r\n")
    assert b"\r\nA: b\r\n" in message.head
    assert json.loads(message.body)["stream"] is True


def test_no_prompt_comes_twice_and_callers_come_in_turn() -> None:
    first, again = asked(3), asked(3 + CALLERS)
    assert first.head == again.head
    assert first.body != again.body
    assert len(first.body) == len(again.body)
    assert address(3).encode() in first.head
