"""The honest address of a caller, and the buckets it is counted in."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def honest_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Who really calls: the peer, or what trusted proxies say of it.

    ``forwarded`` is all of ``X-Forwarded-For`` in one line. It is believed only from a trusted
    peer, and is walked from the right, past trusted proxies, to the first address that is not one.
    An entry that is no address ends the walk: what stands left of it was not written by a proxy of
    ours, so the last good hop is taken.
    """
    hop = parse_address(peer)
    if hop is None:
        return peer
    for entry in reversed(forwarded.split(",") if forwarded else []):
        if not _contains(trusted, hop):
            break
        before = parse_address(entry)
        if before is None:
            break
        hop = before
    return str(hop)


def parse_address(text: str) -> Address | None:
    """An address as proxies write it: perhaps with a port, in brackets, with a zone, mapped."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether a peer is one of the proxies that are believed."""
    address = parse_address(peer)
    return address is not None and _contains(trusted, address)


def address_bucket(address: str) -> str:
    """What one household shares: IPv4 /32, IPv6 /64."""
    return f"{address}/32" if _is_v4(address) else _widen(address, 64)


def network_bucket(address: str) -> str:
    """What one provider's customers share: IPv4 /24, IPv6 /48."""
    return f"{address.rpartition('.')[0]}.0/24" if _is_v4(address) else _widen(address, 48)


def _is_v4(address: str) -> bool:
    # ``honest_address`` writes an IPv4 address in its one form, which needs no parsing again.
    return address.count(".") == 3 and ":" not in address


def _widen(address: str, prefix: int) -> str:
    parsed = parse_address(address)
    return address if parsed is None else str(ip_network((parsed, prefix), strict=False))


def _contains(networks: Sequence[Network], address: Address) -> bool:
    return any(address in network for network in networks if network.version == address.version)
