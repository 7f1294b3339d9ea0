"""What was asked for most recently, kept within a bound."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The values asked for most recently, of at most this total weight."""

    def __init__(self, weight_max: int) -> None:
        self._weight_max = weight_max
        self._weight = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Key, value: Value, weight: int) -> Value:
        self._kept[key] = value, weight
        self._weight += weight
        while self._weight > self._weight_max:
            _, (_, lost) = self._kept.popitem(last=False)
            self._weight -= lost
        return value
