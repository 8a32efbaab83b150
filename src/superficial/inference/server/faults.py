"""What can go wrong between us and a server, sorted by what to do about it; and how long to wait before another try."""

import random
import time
from email.utils import parsedate_to_datetime

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0


class Faulty(Exception):
    """No usable answer this time: try again. `after` is the wait that the server asked for, seconds.

    `billed`: the server may have worked, and charged, for it.
    """

    def __init__(self, reason: str, after: float | None = None, *, billed: bool = True) -> None:
        super().__init__(reason)
        self.after = after
        self.billed = billed


class RateLimited(Faulty):
    """The server works but wants fewer requests (429): every worker waits."""


class Unreachable(Faulty):
    """Nothing accepts connections at the endpoint."""


class Refused(Exception):
    """The server understood the request and will not answer it: another try would end alike.

    `parameter` is what it does not take, where it says so. `cause` is the same for requests that are refused for the
    same reason; it is empty where the text of the request was the reason.
    """

    def __init__(self, reason: str, parameter: str | None = None, cause: str = "") -> None:
        super().__init__(reason)
        self.parameter, self.cause = parameter, cause


def backoff(tries: int) -> float:
    """Seconds before the next try after `tries` failed ones: doubling, with jitter so that workers spread out."""
    return min(FIRST_WAIT_S * 2.0 ** (tries - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or an HTTP date; None when it says neither.

    >>> retry_after("1.5"), retry_after("-3"), retry_after("soon"), retry_after(None), retry_after("nan")
    (1.5, 0.0, None, None, None)
    >>> retry_after("Thu, 01 Jan 1970 00:01:10 GMT", now=60.0)
    10.0
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now)
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None
