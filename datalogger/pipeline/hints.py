"""What a person can do about a rejected frame, in one line a reason, where the detail does not say it."""

from datalogger.protocol.framing import Reason

_DAMAGED = "octets are lost or changed on the way: is the cable long, loose, or the parity wrong?"

HINTS = {
    Reason.CHECKSUM: _DAMAGED,
    Reason.HCS: _DAMAGED,
    Reason.FCS: _DAMAGED,
    Reason.LENGTH: _DAMAGED,
    Reason.SEGMENT_MISSING: "part of a push was lost, so the whole push is left out; the next one is read",
    Reason.VERSION: "this is no DLMS wrapper: look at framing of this source",
    Reason.NO_KEY: "in the configuration it is key_file (and auth_key_file)",
    Reason.WRONG_KEY: "look at key_file (and auth_key_file): copy it again from the operator; each meter has its own",
    Reason.TAG: "the authentication key is wrong, or somebody has changed the message: copy auth_key again",
    Reason.POLICY: "look at policy of this source: it asks for more than the meter sends",
    Reason.APDU_TAG: "no push of readings; nothing is lost that datalogger could forward",
    Reason.LATE: "the meter takes longer than timeout; what came late is used for nothing",
    Reason.WRONG_UNIT: "are there two masters on this line, or two meters with one address?",
    Reason.WRONG_FUNCTION: "are there two masters on this line?",
    Reason.EXCEPTION_6: "the meter is busy: a longer interval may help",
    Reason.EXCEPTION_10: "the gateway has no way to this unit: is the unit right?",
    Reason.EXCEPTION_11: "the gateway hears nothing from this unit: is it on, and are unit and speed right there?",
    Reason.AXDR: "the body is no DLMS data as we know it: save a capture and send datalogger neutralise of it in",
}

_TWO = "are there two meters with one address?"

OF_POLLS = HINTS | {
    Reason.CHECKSUM: f"{_DAMAGED} Or {_TWO}",
    Reason.NOISE: f"something else speaks on this line: {_TWO[:-1]}, or another master?",
    Reason.TOO_LONG: f"something else speaks on this line: {_TWO[:-1]}, or another master?",
    Reason.MALFORMED: "is it Modbus at all, and framing as this source has it (tcp or rtu)?",
}
"""Of meters that are asked."""
