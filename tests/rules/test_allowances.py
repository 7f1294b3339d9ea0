"""Windows, portions and who counts as one caller."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.allowances import Allowance, charge, network_of, portion, seconds_left, window_start

QUARTER = timedelta(minutes=15)


def of(units: int) -> Allowance:
    return Allowance("user/1", units, QUARTER)


@pytest.mark.parametrize(
    ("at", "start", "left"),
    [
        ("2026-03-01T12:00:00+00:00", "2026-03-01T12:00:00+00:00", 900),
        ("2026-03-01T12:14:59.000001+00:00", "2026-03-01T12:00:00+00:00", 1),
        ("2026-03-01T12:14:59.999999+00:00", "2026-03-01T12:00:00+00:00", 1),
        ("2026-03-01T12:15:00+00:00", "2026-03-01T12:15:00+00:00", 900),
        ("2026-03-01T12:15:00.5+00:00", "2026-03-01T12:15:00+00:00", 900),
        ("2026-03-01T14:20:00+02:00", "2026-03-01T12:15:00+00:00", 600),
    ],
)
def test_windows_begin_at_whole_quarters_wherever_the_caller_is(at: str, start: str, left: int) -> None:
    moment = datetime.fromisoformat(at)
    assert window_start(moment, QUARTER) == datetime.fromisoformat(start)
    assert seconds_left(moment, QUARTER) == left


@given(st.integers(600_000_000, 7_000_000_000), st.integers(0, 999_999), st.integers(1, 10_000_000))
def test_every_instant_lies_in_its_window(seconds: int, microseconds: int, milliseconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)
    window = timedelta(milliseconds=milliseconds)
    start = window_start(at, window)
    assert start <= at < start + window
    assert at + timedelta(seconds=seconds_left(at, window)) >= start + window


@pytest.mark.parametrize(
    ("units", "leased", "needed", "asked"),
    [
        (100_000, 0, 1, 500),  # the first portion is half a per cent
        (100_000, 500, 1, 500),
        (100_000, 2_000, 1, 2_000),  # then as much as was leased before
        (100_000, 60_000, 1, 5_000),  # never more than a twentieth at once
        (100_000, 0, 9_000, 9_000),  # unless one operation needs more
        (10, 0, 1, 1),  # small allowances are leased as they are needed
    ],
)
def test_portions_grow_with_what_was_leased(units: int, leased: int, needed: int, asked: int) -> None:
    assert portion(of(units), leased=leased, needed=needed) == asked


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(1, 10**6))
def test_a_portion_covers_the_need_and_leaves_the_rest_to_others(units: int, leased: int, needed: int) -> None:
    asked = portion(of(units), leased=leased, needed=needed)
    assert needed <= asked <= max(needed, units // 20)


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_an_operation_greater_than_all_can_be_had_once_a_window(units: int, allowed: int) -> None:
    assert charge(units, of(allowed)) == min(units, allowed)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "unknown"),
        ("", "unknown"),
        ("x" * 500, "unknown"),
        ("192.0.2.7, 192.0.2.8", "unknown"),
        ("192.0.2.7:443", "unknown"),
    ],
)
def test_an_address_stands_for_whoever_has_it(address: str, network: str) -> None:
    assert network_of(address) == network
