"""Passwords: argon2id with the library's own parameters, off the event loop: one look takes a tenth of a second.

Checking an address that does not exist costs as much as checking one that does, so that time tells nothing.
"""

import asyncio
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from models.errors import InvalidPassword

PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MAX = 256
HASHER = PasswordHasher()


async def hash_new_password(password: str) -> str:
    """The hash of a password somebody chose. Raises InvalidPassword when it is too short or too long."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise InvalidPassword(length_min=PASSWORD_LENGTH_MIN, length_max=PASSWORD_LENGTH_MAX)
    return await hash_password(password)


async def hash_password(password: str) -> str:
    return await asyncio.to_thread(HASHER.hash, password)


async def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; False, after the same work, when there is no hash."""
    return await asyncio.to_thread(_fits, password_hash or _nobody(), password) and password_hash is not None


def _fits(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False


@lru_cache(maxsize=1)
def _nobody() -> str:
    return HASHER.hash("nobody has this password")
