"""Ciphered APDUs: opened, held to a policy, and sealed. The only place with cipher code.

`cryptography` is imported inside functions, when something is really deciphered: a configuration
without keys never pays for it.

security control octet   bit 7 compressed · 6 broadcast key · 5 encrypted · 4 authenticated · 3..0 suite
nonce                    system title (8 octets), invocation counter (4)
encrypted                AES-GCM; without a tag to check it is AES-CTR from counter block nonce, 00000002
tag                      12 octets, over control octet, authentication key, general-ciphering header,
                         and the plaintext where it is not encrypted
"""

from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Struct

from datalogger import model
from datalogger.errors import DecodeError
from datalogger.protocol.dlms.keys import KEY_OCTETS, Keys
from datalogger.protocol.dlms.messages import Envelope
from datalogger.protocol.framing import Reason

COMPRESSED, BROADCAST, ENCRYPTED, AUTHENTICATED, SUITE = 0x80, 0x40, 0x20, 0x10, 0x0F

TITLE_OCTETS, TAG_OCTETS = 8, 12

# Where GCM begins to count for the text; block 1 makes the tag.
_FIRST_BLOCK = (2).to_bytes(4)


def maker(title: bytes) -> str:
    """The three letters a system title begins with, "" where it does not."""
    letters = title[:3]
    return letters.decode() if len(letters) == 3 and letters.isalpha() and letters.isupper() else ""


class Policy(StrEnum):
    """How secure a push has to be."""

    PLAIN = "plain"  # no keys: what is not encrypted is read
    ENCRYPTED = "encrypted"  # the encryption key alone: a tag, if there is one, is not checked
    AUTHENTICATED = "authenticated"  # both keys: the tag must be there and hold

    @classmethod
    def of(cls, keys: Keys, stated: "Policy | None" = None) -> "Policy":
        """The one stated, or what follows from the keys; ValueError where they contradict each other."""
        follows = cls.PLAIN
        if keys.encryption is not None:
            follows = cls.ENCRYPTED if keys.authentication is None else cls.AUTHENTICATED
        elif keys.authentication is not None:
            raise ValueError(
                "policy: an authentication key alone can check nothing: give the encryption key as well, or neither"
            )
        if stated is None or stated is follows:
            return follows
        if stated is cls.PLAIN:
            raise ValueError('policy: "plain" uses no keys: leave the keys out, or the policy')
        if stated is cls.AUTHENTICATED:
            raise ValueError('policy: "authenticated" wants the encryption and the authentication key: give both')
        if follows is cls.PLAIN:
            raise ValueError('policy: "encrypted" wants the encryption key: give it, or leave the policy out')
        return stated  # encrypted, and the authentication key is not used: some operators give one that does not fit


class Counters(Protocol):
    """The last invocation counter of each system title (upper-case hex) and key (fingerprint)."""

    def last(self, title: str, key: str) -> int | None:
        """None where none is known, or a person had it forgotten."""

    def note(self, title: str, key: str, counter: int) -> None:
        """This one was used."""


class MemoryCounters:
    """Forgets with the process: for captures, which are read again and again."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}

    def last(self, title: str, key: str) -> int | None:
        return self._last.get((title, key))

    def note(self, title: str, key: str, counter: int) -> None:
        self._last[title, key] = counter


class Opened(Struct, frozen=True, gc=False):
    """What was in an envelope.

    counts: the key had a part in it, so its counter says something; anybody can write what is neither
            encrypted nor checked
    """

    plaintext: bytes
    security: model.Security
    counts: bool


class Security:
    """Opens the envelopes of one source."""

    def __init__(
        self,
        keys: Keys,
        policy: Policy | None = None,
        *,
        system_title: bytes = b"",
        counters: Counters,
        replay: bool = True,
    ) -> None:
        """ValueError where policy and keys contradict each other.

        policy:       None: what follows from the keys
        system_title: for meters that leave theirs out; where one is sent, that one holds
        replay:       a counter that did not rise is refused
        """
        if len(system_title) not in (0, TITLE_OCTETS):
            raise ValueError(f"system title: {len(system_title)} octets given, {TITLE_OCTETS} wanted (16 hex digits)")
        self.keys = keys
        self.policy = Policy.of(keys, policy)
        self._system_title = system_title
        self._counters = counters
        self._replay = replay
        self._held: set[bytes] = set()  # titles whose tag held; only who has the keys can add one

    def open(self, envelope: Envelope) -> Opened:
        """DecodeError with NO_KEY, POLICY, TAG, WRONG_KEY, REPLAY or LENGTH.

        Nothing is remembered of it before `remember`: what cannot be read must not spoil the counter.
        """
        control = envelope.control
        self._check_control(control)
        content, tag = envelope.content, b""
        if control & AUTHENTICATED:
            content, tag = content[:-TAG_OCTETS], content[-TAG_OCTETS:]
            if len(tag) < TAG_OCTETS:
                raise DecodeError(Reason.LENGTH, f"{len(tag)} octets where an authentication tag takes {TAG_OCTETS}")
        if not content:
            raise DecodeError(Reason.LENGTH, "an envelope with nothing in it")
        if self.policy is not Policy.AUTHENTICATED and not control & ENCRYPTED:
            return Opened(content, _said(envelope.title, envelope, "unchecked" if tag else "absent"), False)

        title = self._title(envelope)
        key = self._key(title, control)
        nonce = title + envelope.counter.to_bytes(4)
        if self.policy is Policy.AUTHENTICATED:
            plaintext = self._verified(title, key, nonce, envelope, content, tag)
            said = _said(title, envelope, "verified")
        else:
            plaintext = _ctr(key, nonce, content)
            if not plausible(plaintext):
                raise DecodeError(Reason.WRONG_KEY, _wrong_key(title, envelope))
            said = _said(title, envelope, "unchecked" if tag else "absent")
        self._refuse_replay(said)
        return Opened(plaintext, said, True)

    def admit_plain(self) -> None:
        """A message came without an envelope: DecodeError(POLICY) where the policy wants one."""
        if self.policy is Policy.AUTHENTICATED:
            raise DecodeError(
                Reason.POLICY,
                'a plain message, and the policy is "authenticated": anybody on the line can write one; '
                "leave the keys out if this meter does not encrypt",
            )

    def remember(self, opened: Opened) -> None:
        """All of it could be read: from now on only higher counters pass."""
        if opened.counts:
            said = opened.security
            self._counters.note(said.system_title, self.keys.fingerprint, said.invocation_counter)

    def _check_control(self, control: int) -> None:
        """DecodeError(POLICY) for what nobody can undo, or the configuration forbids."""
        why = ""
        if control & COMPRESSED:
            why = "compressed: no meter is known to do so, and this program cannot undo it"
        elif control & BROADCAST:
            why = "enciphered with the broadcast key, which many meters share: only a meter's own key is accepted"
        elif control & SUITE not in KEY_OCTETS:
            why = f"security suite {control & SUITE}: only 0, 1 and 2 exist"
        elif self.policy is Policy.AUTHENTICATED and not control & AUTHENTICATED:
            why = (
                'no authentication tag, and the policy is "authenticated": '
                "leave the authentication key out if this meter sends none"
            )
        if why:
            raise DecodeError(Reason.POLICY, f"security control {control:02X}: {why}")

    def _title(self, envelope: Envelope) -> bytes:
        title = envelope.title or self._system_title
        if not title:
            raise DecodeError(
                Reason.NO_KEY,
                "the meter leaves its system title out, and it is needed beside the key: "
                "ask the grid operator for it, and give it as system_title (16 hex digits)",
            )
        if len(title) != TITLE_OCTETS:
            raise DecodeError(Reason.LENGTH, f"a system title of {len(title)} octets: {TITLE_OCTETS} wanted")
        return title

    def _key(self, title: bytes, control: int) -> bytes:
        wanted = KEY_OCTETS[control & SUITE]
        if (key := self.keys.encryption) is None:
            tagged = ", and may have an authentication key, which is not needed to read it"
            raise DecodeError(
                Reason.NO_KEY,
                f"the meter with system title {_shown(title)} encrypts{tagged if control & AUTHENTICATED else ''}: "
                f"ask the grid operator for its encryption key (GUEK, {2 * wanted} hex digits), and configure it",
            )
        if len(key) != wanted:
            raise DecodeError(
                Reason.WRONG_KEY,
                f"the meter with system title {_shown(title)} uses security suite {control & SUITE}, with an "
                f"encryption key of {2 * wanted} hex digits: the one configured has {2 * len(key)}",
            )
        return key

    def _verified(
        self, title: bytes, key: bytes, nonce: bytes, envelope: Envelope, content: bytes, tag: bytes
    ) -> bytes:
        """The plaintext; where the tag does not hold, TAG or WRONG_KEY, as far as can be known which key is wrong."""
        authentication = self.keys.authentication
        assert authentication is not None  # the policy saw to it
        encrypted = envelope.control & ENCRYPTED
        covered = bytes((envelope.control,)) + authentication + envelope.header
        plaintext = (
            _gcm(key, nonce, covered, content, tag) if encrypted else _gcm(key, nonce, covered + content, b"", tag)
        )
        if plaintext is not None:
            self._held.add(title)
            return plaintext if encrypted else content

        whose = f"the authentication tag of the meter with system title {_shown(title)} does not hold"
        if title in self._held:
            why = "it did before with these keys, so the message was changed on its way"
        elif not encrypted:
            why = "the encryption key or the authentication key is wrong, or the message was changed on its way"
        elif not plausible(_ctr(key, nonce, content)):
            if len(authentication) == len(key) and plausible(_ctr(authentication, nonce, content)):
                raise DecodeError(
                    Reason.WRONG_KEY,
                    f"the meter with system title {_shown(title)}: the two keys are exchanged: "
                    "what is given as authentication key is the encryption key",
                )
            raise DecodeError(Reason.WRONG_KEY, _wrong_key(title, envelope))
        else:
            digits = f"{2 * len(key)} hex digits"
            if len(authentication) != len(key):
                digits += f", the one configured has {2 * len(authentication)}"
            why = (
                "the encryption key is right, so the authentication key is wrong (or, if this happens once only, the "
                f"message was changed on its way): ask the grid operator for the authentication key (GAK, {digits}), "
                "or leave it out: then the tag is not checked"
            )
        raise DecodeError(Reason.TAG, f"{whose}: {why}")

    def _refuse_replay(self, said: model.Security) -> None:
        if not self._replay:
            return
        last = self._counters.last(said.system_title, self.keys.fingerprint)
        if last is not None and said.invocation_counter <= last:
            raise DecodeError(
                Reason.REPLAY,
                f"invocation counter {said.invocation_counter} after {last}, system title {said.system_title}: "
                "an old message sent again; if the meter began to count anew, run "
                f"`datalogger meter forget {said.system_title}`",
            )


def _said(title: bytes, envelope: Envelope, tag: Literal["verified", "unchecked", "absent"]) -> model.Security:
    return model.Security(title.hex().upper(), envelope.counter, tag)


def _shown(title: bytes) -> str:
    letters = maker(title)
    return title.hex().upper() + (f" ({letters})" if letters else "")


def _wrong_key(title: bytes, envelope: Envelope) -> str:
    unsure = "" if envelope.title else ", or the system title in the configuration is not its own"
    return (
        f"the meter with system title {_shown(title)}: deciphered to nonsense, so the encryption key is not this "
        f"meter's{unsure}: compare it with what the grid operator gave for this very meter"
    )


def seal(plaintext: bytes, title: bytes, counter: int, control: int, keys: Keys, header: bytes = b"") -> bytes:
    """The content of an envelope, tag and all: what `open` opens. For simulated meters.

    ValueError where a key is missing, or has another length than the suite wants.
    """
    key, suite = keys.encryption, control & SUITE
    if not control & (ENCRYPTED | AUTHENTICATED):
        return plaintext
    if key is None or (control & AUTHENTICATED and keys.authentication is None):
        raise ValueError(f"security control {control:02X} wants a key that is not given")
    if len(key) != KEY_OCTETS.get(suite):
        raise ValueError(f"security suite {suite} does not go with a key of {2 * len(key)} hex digits")
    nonce = title + counter.to_bytes(4)
    if not control & AUTHENTICATED:
        return _ctr(key, nonce, plaintext)  # the same both ways
    covered = bytes((control,)) + (keys.authentication or b"") + header
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    encryptor = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(covered if control & ENCRYPTED else covered + plaintext)
    enciphered = encryptor.update(plaintext) if control & ENCRYPTED else plaintext
    encryptor.finalize()
    return enciphered + encryptor.tag[:TAG_OCTETS]


def plausible(plaintext: bytes) -> bool:
    """Whether it begins like something that meters push; a wrong key gives noise, of which 1 in 10,000 does."""
    match plaintext[:1]:
        case b"\x0f":  # data-notification: octet 5 is the length of its date-time, or the tag that some put before
            return plaintext[5:6] in (b"\x00", b"\x0c") or plaintext[5:7] == b"\x09\x0c"
        case b"\xc2":  # event-notification: no time and a class below 256, or a time in one of its forms
            return plaintext[1:3] in (b"\x00\x00", b"\x01\x0c", b"\x01\x09", b"\x09\x0c") or plaintext[1:2] == b"\x0c"
        case b"\xe0":  # general-block-transfer: block numbers below 256
            return plaintext[2:3] == b"\x00" and plaintext[4:5] == b"\x00"
        case b"/":  # a P1 telegram: maker, baud rate, identification
            return len(plaintext) >= 6 and plaintext[1:6].isascii() and plaintext[1:6].decode("ascii").isprintable()
    return False


def _gcm(key: bytes, nonce: bytes, covered: bytes, content: bytes, tag: bytes) -> bytes | None:
    """The plaintext, or None where the tag does not hold."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    # AESGCM would be shorter, but takes tags of 16 octets only.
    decryptor = Cipher(algorithms.AES(key), modes.GCM(nonce, tag, min_tag_length=TAG_OCTETS)).decryptor()
    decryptor.authenticate_additional_data(covered)
    plaintext = decryptor.update(content)
    try:
        return plaintext + decryptor.finalize()
    except InvalidTag:
        return None


def _ctr(key: bytes, nonce: bytes, content: bytes) -> bytes:
    """What GCM does to the text, without the tag."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    cipher = Cipher(algorithms.AES(key), modes.CTR(nonce + _FIRST_BLOCK)).decryptor()
    return cipher.update(content) + cipher.finalize()
