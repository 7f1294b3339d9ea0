"""How much a caller may ask in a window of time, and in which portions a process takes it out of what all share.

An allowance is a number of cost units per window; windows begin at whole multiples of their length, so that every
process means the same one without asking. A process leases a portion, spends it without asking anybody, and leases the
next one: small at first, then as much as it has leased before, so that what it may leave unused stays small beside what
it used. What is leased is never given back; so all processes together never spend more than the allowance, and a caller
spread over many of them may be refused a little before it is used up, never after.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FIRST_PORTION_SHARE = 200
LARGEST_PORTION_SHARE = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Whoever has one address of an IPv6 network usually has all of it.
IPV6_PREFIX = 64
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one subject may ask for: `units` in each `window`. The subject is `user/…`, `key/…`, `organization/…` or
    `address/…`."""

    subject: str
    units: int
    window: timedelta


def window_start(at: datetime, window: timedelta) -> datetime:
    """The beginning of the window that an instant lies in."""
    return EPOCH + (at - EPOCH) // window * window


def seconds_left(at: datetime, window: timedelta) -> int:
    """Whole seconds until the next window begins, at least 1."""
    left = window_start(at, window) + window - at
    return max(1, -(-left // timedelta(seconds=1)))


def charge(units: int, allowance: Allowance) -> int:
    """What an operation takes out of an allowance: its units, but never more than all, so that it can be had once."""
    return min(units, allowance.units)


def portion(allowance: Allowance, *, leased: int, needed: int) -> int:
    """How much a process asks for that has leased so much in this window and needs so much more now."""
    usual = min(max(leased, allowance.units // FIRST_PORTION_SHARE), allowance.units // LARGEST_PORTION_SHARE)
    return max(usual, needed)


def network_of(address: str) -> str:
    """Who counts as one caller by their address: an IPv4 address, or a whole /64 of IPv6. Whatever is no address counts
    as the same unknown one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
