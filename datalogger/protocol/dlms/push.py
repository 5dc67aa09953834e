"""From the frames of one line to its pushes: joined, unwrapped, opened, taken apart."""

from datalogger import model
from datalogger.errors import DecodeError
from datalogger.obis import from_groups
from datalogger.protocol.dlms import apdu, layouts
from datalogger.protocol.dlms.block_transfer import BlockTransfer
from datalogger.protocol.dlms.items import Data, Link, Push, Telegram
from datalogger.protocol.dlms.messages import Block, DataNotification, Envelope, EventNotification, Message
from datalogger.protocol.dlms.security import Opened, Security
from datalogger.protocol.framing import Frame, Reason, Rejected
from datalogger.protocol.hdlc.segments import LLC, HdlcSegments
from datalogger.protocol.joining import Joined, Joiner
from datalogger.protocol.mbus.segments import MbusSegments
from datalogger.protocol.p1.framer import P1Framer

Found = Push | Telegram | Rejected

LEAST_FRAME = 12  # octets of the shortest frame that carries any of a message: shorter noise is no lost one


class PushDecoder:
    """What stands between the frames of one line and the values in them. Never raises.

    A message comes out whole or not at all; what is lost or cannot be read is Rejected, with the octets it took.
    """

    def __init__(self, security: Security) -> None:
        self._security = security
        self._hdlc = HdlcSegments()
        self._joiners: dict[str, Joiner] = {"hdlc": self._hdlc, "mbus": MbusSegments()}
        self._blocks = BlockTransfer()

    def take(self, frame: Frame) -> list[Found]:
        """What this frame completes, and what it shows to be lost."""
        found: list[Found] = []
        joiner = self._joiners.get(frame.framing)
        messages = [Joined(frame.payload, frame.octets)] if joiner is None else joiner.take(frame)
        for message in messages:
            if isinstance(message, Joined):
                self._read(message, self._link(frame), found)
            else:
                found.append(message)
        return found

    def damaged(self, rejected: Rejected) -> list[Rejected]:
        """A frame was lost, so give up what is half-joined: what follows may be the rest of another message."""
        if rejected.reason is Reason.PADDING:
            return []
        if rejected.reason is Reason.NOISE and len(rejected.octets) < LEAST_FRAME:
            return []
        return self.idle()

    def idle(self) -> list[Rejected]:
        """The line went quiet: give up what is half-joined."""
        given_up = [rejected for joiner in self._joiners.values() for rejected in joiner.idle()]
        return given_up + self._blocks.idle()

    def _link(self, frame: Frame) -> Link:
        return Link("hdlc", *self._hdlc.addresses) if frame.framing == "hdlc" else _LINKS[frame.framing]

    def _read(self, joined: Joined, link: Link, found: list[Found]) -> None:
        octets = joined.octets
        try:
            messages = _messages(joined.data)
        except DecodeError as error:
            found.append(_rejected(error, octets))
            return
        for message in messages:
            if isinstance(message, Block):
                for whole in self._blocks.take(message, octets):
                    if isinstance(whole, Joined):
                        self._read_transferred(whole, link, found)
                    else:
                        found.append(whole)
            else:
                self._take_apart(message, octets, link, found)

    def _read_transferred(self, whole: Joined, link: Link, found: list[Found]) -> None:
        """What came in blocks holds no blocks again: so nothing nests without end."""
        try:
            message, end = apdu.parse(whole.data)
            if end != len(whole.data):
                raise _behind(whole.data, end)
            if isinstance(message, Block):
                raise DecodeError(Reason.APDU_TAG, "a block inside a block transfer")
        except DecodeError as error:
            found.append(_rejected(error, whole.octets))
        else:
            self._take_apart(message, whole.octets, link, found)

    def _take_apart(
        self, message: DataNotification | EventNotification | Envelope, octets: bytes, link: Link, found: list[Found]
    ) -> None:
        try:
            match message:
                case DataNotification():
                    self._security.admit_plain()
                    found.append(_push(message, None, octets, link))
                case Envelope():
                    opened = self._security.open(message)
                    inside = _inside(opened, octets, link)
                    found.append(inside)
                    if isinstance(inside, Push):  # a telegram is not read yet
                        self._security.remember(opened)
                case EventNotification():
                    raise _event(message)
        except DecodeError as error:
            found.append(_rejected(error, octets))


def _messages(data: bytes) -> list[Message]:
    """All APDUs of one message: some meters send several in a row, each with its LLC header. DecodeError (length) where
    anything else lies behind one: no meter does that, so what is before it cannot be trusted either."""
    messages = []
    at = len(LLC) if data.startswith(LLC) else 0
    while True:
        message, at = apdu.parse(data, at)
        messages.append(message)
        if at == len(data):
            return messages
        if not data.startswith(LLC, at):
            raise _behind(data, at)
        at += len(LLC)


def _inside(opened: Opened, octets: bytes, link: Link) -> Push | Telegram:
    """What was in the envelope, DecodeError where that is nothing a meter pushes."""
    plaintext = opened.plaintext
    if plaintext.startswith(b"/"):
        frame = _telegram(plaintext, opened.security.tag)
        return Telegram(frame.payload, frame.check, octets, opened.security, opened.counts)
    try:
        message, end = apdu.parse(plaintext)
        if end != len(plaintext):
            raise _behind(plaintext, end)
        match message:
            case DataNotification():
                push = _push(message, opened.security, octets, link)
                if opened.counts and opened.security.tag != "verified" and not _is_list(message):
                    # Of ten million messages that somebody makes up without the key, some decipher to one value: they
                    # must neither be read nor, with the highest counter there is, lock the meter out.
                    detail = "deciphered to no list of values, and no tag says that the key is right"
                    raise DecodeError(Reason.WRONG_KEY, detail)
                return push
            case EventNotification():
                raise _event(message)
            case _:
                raise DecodeError(Reason.APDU_TAG, f"APDU {plaintext[0]:02X} inside an envelope")
    except DecodeError as error:
        if opened.counts and opened.security.tag != "verified" and error.reason in (Reason.AXDR, Reason.LENGTH):
            # The frame came in whole, so it is not the line; and no tag says that the key is right.
            detail = f"deciphered to no DLMS data ({error.detail}), and no tag says that the key is right"
            raise DecodeError(Reason.WRONG_KEY, detail) from error
        raise


def _telegram(text: bytes, tag: str) -> Frame:
    """The one telegram in `text`; its own check sum is held to beside the tag of the envelope."""
    framer = P1Framer()
    events = framer.feed(text) + framer.idle()
    match [event for event in events if isinstance(event, Frame) or event.reason is not Reason.PADDING]:
        case [Frame() as frame]:
            return frame
        case [Rejected() as rejected]:
            detail = f"the telegram inside the envelope: {rejected.detail} (authentication tag: {tag})"
            raise DecodeError(rejected.reason, detail)
        case found:
            raise DecodeError(Reason.MALFORMED, f"{len(found)} parts inside the envelope, where one telegram was to be")


def _rejected(error: DecodeError, octets: bytes) -> Rejected:
    return Rejected(Reason(error.reason), octets, error.detail)


def _behind(data: bytes, end: int) -> DecodeError:
    rest = data[end:]
    return DecodeError(Reason.LENGTH, f"{len(rest)} octets behind the message: {rest[:8].hex().upper()}")


def _push(message: DataNotification, security: model.Security | None, octets: bytes, link: Link) -> Push:
    layout, items = layouts.read(message)
    body = message.body
    return Push(layout, items, body[0], layouts.types(body), message.date_time, link, octets, security)


def _is_list(message: DataNotification) -> bool:
    value = message.body[1]
    return isinstance(value, list) and len(value) > 0


def _event(event: EventNotification) -> DecodeError:
    name = from_groups(event.name)
    value: Data = event.value
    shown = value[1].hex().upper() if isinstance(value[1], bytes) else value[1]
    return DecodeError(
        Reason.APDU_TAG,
        f"an event, no push of readings: {name} (class {event.class_id}, attribute {event.attribute}) is {shown}",
    )


_LINKS = {framing: Link(framing) for framing in ("mbus", "wrapper", "apdu")}
