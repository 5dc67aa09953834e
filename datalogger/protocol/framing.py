"""The stream contract: what every framer keeps.

1. A stream never raises. Noise is an event, `Rejected`.
2. No byte is lost: the octets of all events, joined, are the input.
3. How the input is cut into chunks does not matter.
4. A torn frame costs only itself: after a bad check sum, restart at the next possible start
   inside what was read.
5. Every buffer has a named bound with its reason beside it. Work is linear in the input.
"""

from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Struct

Framing = Literal["p1", "hdlc", "mbus", "wrapper", "apdu"]


class Reason(StrEnum):
    """Why octets did not become a frame, or a frame no report. Bounded: it is a metric label."""

    NOISE = "noise"  # octets between frames
    PADDING = "padding"  # blank lines and trailers that meters send between frames: nothing is wrong
    CHECKSUM = "checksum"  # a check sum was sent and is wrong
    TRUNCATED = "truncated"  # a frame began and did not end
    TOO_LONG = "too_long"  # a frame began and its end did not come within the bound
    MALFORMED = "malformed"  # a frame whose content cannot be read
    # DLMS, from the line upwards
    HCS = "hcs"  # HDLC: the header's check sum is wrong
    FCS = "fcs"  # HDLC: the frame's check sum is wrong
    LENGTH = "length"  # a length field does not agree with what is there
    VERSION = "version"  # wrapper: not version 1; nothing behind it can be read
    SEGMENT_MISSING = "segment_missing"  # HDLC or M-Bus segments, or blocks of a transfer, of which one is lost
    NO_KEY = "no_key"  # ciphered, and no key (or no system title) is configured
    WRONG_KEY = "wrong_key"  # deciphered to nonsense
    TAG = "tag"  # the authentication tag does not hold
    REPLAY = "replay"  # the invocation counter did not rise
    POLICY = "policy"  # less secure than the configuration demands, or in a way nobody can undo
    APDU_TAG = "apdu_tag"  # no kind of message that meters push
    AXDR = "axdr"  # the body cannot be read
    # Modbus: what came instead of the answer
    NO_ANSWER = "no_answer"  # nothing, in the time that was given
    CLOSED = "closed"  # the connection ended while an answer was waited for
    LATE = "late"  # the answer to an earlier request
    WRONG_UNIT = "wrong_unit"  # another unit's
    WRONG_FUNCTION = "wrong_function"  # another function's
    EXCEPTION_1 = "exception_1"  # illegal function
    EXCEPTION_2 = "exception_2"  # illegal data address
    EXCEPTION_3 = "exception_3"  # illegal data value
    EXCEPTION_4 = "exception_4"  # device failure
    EXCEPTION_5 = "exception_5"  # acknowledge: it takes longer
    EXCEPTION_6 = "exception_6"  # device busy
    EXCEPTION_7 = "exception_7"  # negative acknowledge
    EXCEPTION_8 = "exception_8"  # memory parity error
    EXCEPTION_9 = "exception_9"  # not defined
    EXCEPTION_10 = "exception_10"  # gateway: no path to the unit
    EXCEPTION_11 = "exception_11"  # gateway: the unit does not answer
    EXCEPTION_OTHER = "exception_other"  # beyond these


class Frame(Struct, frozen=True, gc=False):
    """One whole frame: `payload` for the decoder, `octets` all that it took up in the stream.

    check is False where the protocol allows a frame without check sum and this one has none.

    framing  payload
    p1       the telegram, from `/` to its end
    hdlc     what stands between the flags, format field to FCS
    mbus     what the check sum covers: C field to the last octet of data
    wrapper  the APDU
    apdu     the APDU, without LLC header
    """

    payload: bytes
    octets: bytes
    check: bool = True
    framing: Framing = "p1"


class Rejected(Struct, frozen=True, gc=False):
    """Octets that are no sound frame, with a reason and one line of detail for people."""

    reason: Reason
    octets: bytes
    detail: str = ""


class Framer(Protocol):
    """Finds frames in a byte stream. Owns its buffer; knows no clock and no source."""

    def feed(self, data: bytes) -> list[Frame | Rejected]:
        """Take what the line gave us; return what it completed. Empty means: more is needed."""

    def idle(self) -> list[Frame | Rejected]:
        """The line went quiet: give up what is half-read."""
