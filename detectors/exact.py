"""Exact sums of floats, so that merging is associative to the last bit.

A float sum depends on the order of its terms. The sums of a profile must not, as a bucket may be read in any page size
and order, by any worker. An :class:`ExactSum` stores the sum as an integer times a power of two, as every finite double
is.

Limits
------
Memory grows with the range of exponents: at most about 530 bytes, for terms from 1e-308 to 1e308.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_MANTISSA_BITS = 53
_HALF_BITS = 27
_FEW = 32  # faster than vectorised for this few terms
_CHUNK = 1 << 24  # 2**24 terms below 2**27 stay below 2**53, so that a float64 bincount is exact


@dataclass(frozen=True)
class ExactSum:
    """Exact sum of finite doubles, as ``mantissa * 2**exponent`` with an odd mantissa (or 0, 0).

    Examples
    --------
    >>> import numpy as np
    >>> terms = np.array([1e16, 1.0, -1e16])
    >>> float(terms.sum()), float(ExactSum.of(terms))
    (0.0, 1.0)
    """

    mantissa: int = 0
    exponent: int = 0

    @classmethod
    def of(cls, values: np.ndarray) -> ExactSum:
        """Sum a float64 array of any shape; every value must be finite."""
        total = cls()
        flat = np.asarray(values, dtype=np.float64).ravel()
        for start in range(0, flat.size, _CHUNK):
            total = total + cls._of_chunk(flat[start : start + _CHUNK])
        return total

    @classmethod
    def _of_chunk(cls, values: np.ndarray) -> ExactSum:
        if values.size == 0:
            return cls()
        if (whole := _whole(values)) is not None:
            return cls.normalised(whole, 0)
        if values.size <= _FEW:
            return cls._of_few(values.tolist())
        fractions, exponents = np.frexp(values)
        integers = np.ldexp(fractions, _MANTISSA_BITS).astype(np.int64)
        high, low = integers >> _HALF_BITS, integers & ((1 << _HALF_BITS) - 1)
        lowest = int(exponents.min())
        places = exponents - lowest
        highs = np.bincount(places, weights=high.astype(np.float64))
        lows = np.bincount(places, weights=low.astype(np.float64))
        total = 0
        for place in np.flatnonzero((highs != 0) | (lows != 0)):
            total += ((int(highs[place]) << _HALF_BITS) + int(lows[place])) << int(place)
        return cls.normalised(total, lowest - _MANTISSA_BITS)

    @classmethod
    def _of_few(cls, values: list[float]) -> ExactSum:
        parts: dict[int, int] = {}
        for value in values:
            numerator, denominator = value.as_integer_ratio()  # a power of two
            parts[denominator] = parts.get(denominator, 0) + numerator
        finest = max(parts)
        total = sum(numerator * (finest // denominator) for denominator, numerator in parts.items())
        return cls.normalised(total, 1 - finest.bit_length())

    @classmethod
    def normalised(cls, mantissa: int, exponent: int) -> ExactSum:
        """Return the canonical representation, in which equal sums compare equal."""
        if mantissa == 0:
            return cls()
        zeros = (mantissa & -mantissa).bit_length() - 1
        return cls(mantissa >> zeros, exponent + zeros)

    def __add__(self, other: ExactSum) -> ExactSum:
        """Add exactly."""
        low = min(self.exponent, other.exponent)
        total = (self.mantissa << (self.exponent - low)) + (other.mantissa << (other.exponent - low))
        return ExactSum.normalised(total, low)

    def fraction(self) -> Fraction:
        """Return the exact value."""
        return Fraction(self.mantissa) * Fraction(2) ** self.exponent

    def __float__(self) -> float:
        """Round to the nearest double; an overflow is an infinity."""
        try:
            if self.exponent >= 0:
                return float(self.mantissa << self.exponent)
            return self.mantissa / (1 << -self.exponent)  # a division of integers is correctly rounded
        except OverflowError:
            return float("inf") if self.mantissa > 0 else float("-inf")

    def to_json(self) -> list[str | int]:
        """Serialise as ``[hexadecimal mantissa, exponent]``."""
        return [format(self.mantissa, "x"), self.exponent]

    @classmethod
    def from_json(cls, data: list[str | int]) -> ExactSum:
        """Read the output of :meth:`to_json`."""
        return cls.normalised(int(str(data[0]), 16), int(data[1]))


def _whole(values: np.ndarray) -> int | None:
    """Return the sum of small integers, such as counts, which float addition does not round; else None."""
    if not float(values[0]).is_integer():
        return None
    largest = float(np.abs(values).max())
    if largest * values.size >= 1 << _MANTISSA_BITS or not (values == np.rint(values)).all():
        return None
    return int(values.sum())
