"""Whose address is believed, and what is counted together."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scalix_free.identity.address import (
    Address,
    Network,
    address_bucket,
    honest_address,
    is_loopback,
    is_trusted,
    network_bucket,
    parse_address,
)

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("192.168.7.1/32"), ip_network("fd00::/8")]


def is_not_mapped(address: IPv6Address) -> bool:
    return address.ipv4_mapped is None


v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
v6 = st.ip_addresses(v=6).map(lambda address: IPv6Address(int(address))).filter(is_not_mapped)
addresses: st.SearchStrategy[Address] = v4 | v6
ours = st.sampled_from(["10.0.0.1", "10.200.3.4", "192.168.7.1", "fd00::1", "[fd12::9]:443"])
strangers = addresses.filter(lambda address: not is_trusted(str(address), TRUSTED))
garbage = st.text() | st.text("0123456789abcdef:.%[], ", max_size=40)


@st.composite
def spellings(draw: st.DrawFn) -> tuple[Address, str]:
    """An address, and one of the ways in which proxies write it."""
    address = draw(addresses)
    port = draw(st.integers(0, 65535))
    zone = draw(st.sampled_from(["", "%eth0", "%25en1"]))
    if isinstance(address, IPv4Address):
        mapped = f"::ffff:{address}"
        forms = [f"{address}", f"{address}:{port}", mapped, f"[{mapped}]", f"[{mapped}]:{port}"]
    else:
        full = draw(st.sampled_from([str(address), address.exploded, str(address).upper()])) + zone
        forms = [full, f"[{full}]", f"[{full}]:{port}"]
    blank = st.sampled_from(["", " ", "\t", "  "])
    return address, draw(blank) + draw(st.sampled_from(forms)) + draw(blank)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────


@given(spellings())
def test_an_address_is_read_however_it_is_written(spelling: tuple[Address, str]) -> None:
    address, text = spelling

    assert parse_address(text) == address


@given(garbage)
def test_what_is_no_address_is_none_and_nothing_raises(text: str) -> None:
    address = parse_address(text)

    assert address is None or parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "unknown", "_hidden", "localhost", "-", "1.2.3", "1.2.3.4.5", "256.1.1.1"),
        *("1.2.3.4:80:90", "01.2.3.4", "1.2.3.4/24", "[]", "[]:80", ":", "::1]", "1::2::3"),
        *("12345", "0x7f000001", "\uff11.2.3.4", "for=1.2.3.4"),
    ],
)
def test_these_are_no_addresses(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("localhost", True), ("app.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True)),
        *(("::1", True), ("[::1]", True), ("[::1]:3001", True), ("::ffff:127.0.0.1", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("", False)),
        *(("localhost.example", False), ("notlocalhost", False), ("127.0.0.1.example", False)),
    ],
)
def test_a_loopback_is_this_machine(host: str, own: bool) -> None:
    assert is_loopback(host) is own


# ── The walk ─────────────────────────────────────────────────────────────────────────────────


@given(strangers, garbage | st.lists(st.builds(str, addresses)).map(",".join))
def test_from_a_stranger_nothing_that_was_forwarded_matters(peer: Address, said: str) -> None:
    assert honest_address(str(peer), said, TRUSTED) == str(peer)


@given(ours, strangers, st.lists(ours), garbage)
def test_behind_our_proxies_the_last_stranger_counts_whatever_stands_before(
    peer: str, stranger: Address, proxies: Sequence[str], spoofed: str
) -> None:
    forwarded = ", ".join([spoofed, str(stranger), *proxies])

    assert honest_address(peer, forwarded, TRUSTED) == str(stranger)


@given(ours, st.lists(ours, min_size=1), garbage.filter(lambda text: parse_address(text) is None))
def test_what_is_no_address_ends_the_walk_at_the_last_good_hop(
    peer: str, proxies: Sequence[str], nonsense: str
) -> None:
    forwarded = ", ".join(["1.2.3.4", nonsense.replace(",", ";"), *proxies])

    assert honest_address(peer, forwarded, TRUSTED) == str(parse_address(proxies[0]))


@given(garbage, garbage, st.sampled_from([[], TRUSTED]))
def test_no_header_and_no_peer_raises(
    peer: str, forwarded: str, trusted: Sequence[Network]
) -> None:
    honest = honest_address(peer, forwarded, trusted)

    assert parse_address(honest) is not None or honest == peer


@pytest.mark.parametrize(
    ("peer", "forwarded", "honest"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9, 192.168.7.1", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4:55555", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),  # all of them are ours
        ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4,", "10.0.0.1"),
        ("192.168.7.2", "1.2.3.4", "192.168.7.2"),  # beside ours
        ("8.8.8.8", "1.2.3.4, 10.0.0.1", "8.8.8.8"),
        ("a socket", "1.2.3.4", "a socket"),
        ("", "1.2.3.4", ""),
    ],
)
def test_the_walk_by_example(peer: str, forwarded: str, honest: str) -> None:
    assert honest_address(peer, forwarded, TRUSTED) == honest


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        *(("10.0.0.1", True), ("::ffff:10.0.0.1", True), ("[fd00::1]:80", True)),
        *(("11.0.0.1", False), ("192.168.7.2", False), ("::10.0.0.1", False), ("", False)),
    ],
)
def test_a_proxy_is_believed_when_it_is_ours(peer: str, believed: bool) -> None:
    assert is_trusted(peer, TRUSTED) is believed
    assert not is_trusted(peer, [])


# ── Buckets ──────────────────────────────────────────────────────────────────────────────────


@given(addresses)
def test_an_address_lies_in_its_bucket_and_the_bucket_in_its_network(address: Address) -> None:
    own = ip_network(address_bucket(str(address)))
    network = ip_network(network_bucket(str(address)))

    assert (own.prefixlen, network.prefixlen) == ((32, 24) if own.version == 4 else (64, 48))
    assert address in own
    assert own.network_address in network


@given(v6, st.integers(0, 2**64 - 1))
def test_all_addresses_of_a_home_are_one(address: IPv6Address, host: int) -> None:
    neighbour = IPv6Address(int(address) >> 64 << 64 | host)
    assume(is_not_mapped(neighbour))

    assert address_bucket(str(neighbour)) == address_bucket(str(address))
    assert network_bucket(str(neighbour)) == network_bucket(str(address))


@pytest.mark.parametrize(
    ("address", "own", "network"),
    [
        ("1.2.3.4", "1.2.3.4/32", "1.2.3.0/24"),
        ("255.255.255.255", "255.255.255.255/32", "255.255.255.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("::1", "::/64", "::/48"),
        ("a socket", "a socket", "a socket"),
        ("", "", ""),
    ],
)
def test_buckets_by_example(address: str, own: str, network: str) -> None:
    assert (address_bucket(address), network_bucket(address)) == (own, network)


@given(garbage, garbage)
def test_no_peer_is_without_buckets(peer: str, forwarded: str) -> None:
    honest = honest_address(peer, forwarded, TRUSTED)

    assert bool(address_bucket(honest)) == bool(network_bucket(honest)) == bool(honest)


@given(addresses)
def test_mapped_addresses_share_the_bucket_of_the_address_they_stand_for(address: Address) -> None:
    if isinstance(address, IPv4Address):
        mapped = honest_address(f"::ffff:{address}", "", [])
        assert address_bucket(mapped) == address_bucket(str(address))
    assert ip_address(honest_address(str(address), "", [])) == address
