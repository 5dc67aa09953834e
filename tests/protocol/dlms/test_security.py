"""Security: what opens, what does not and why, and that no key is ever seen."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datalogger.errors import DecodeError
from datalogger.protocol.dlms import apdu, security
from datalogger.protocol.dlms.keys import Keys, parse_key
from datalogger.protocol.dlms.messages import Block, DataNotification, Envelope
from datalogger.protocol.dlms.security import MemoryCounters, Opened, Policy, Security, maker, seal
from datalogger.protocol.framing import Reason
from tests.protocol.dlms.corpus import MALFORMED, METERS, SYNTHETIC, Case, case

EK = bytes(range(16))
AK = bytes(range(0xD0, 0xE0))
TITLE = b"KFM\x10\x4b\x79\xa9\x73"
PUSH = bytes.fromhex("0F000000010002010600000011")
BOTH = Keys(EK, AK)
LONG = Keys(bytes(range(32)), bytes(range(0x80, 0xA0)))


def envelope(
    control: int = 0x30,
    counter: int = 7,
    *,
    plaintext: bytes = PUSH,
    title: bytes = TITLE,
    keys: Keys = BOTH,
    header: bytes = b"",
) -> Envelope:
    content = seal(plaintext, title, counter, control, keys, header)
    return Envelope(0xDB, title, control, counter, content, header)


def opener(keys: Keys = BOTH, policy: Policy | None = None, *, system_title: bytes = b"") -> Security:
    return Security(keys, policy, system_title=system_title, counters=MemoryCounters())


def refusal(opener: Security, message: Envelope) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        opener.open(message)
    return caught.value


# ── the corpus ───────────────────────────────────────────────────────────────────────────────────


def _payloads(octets: bytes) -> Iterator[bytes]:
    """What the frames carry, in any of the three framings; check sums are others' business."""
    at = 0
    while at < len(octets):
        if octets[at] == 0x7E:
            size = int.from_bytes(octets[at + 1 : at + 3]) & 0x7FF
            frame = octets[at + 1 : at + 1 + size]
            header = 2
            for _ in range(2):  # two addresses: up to the first octet with bit 0 set
                while not frame[header] & 1:
                    header += 1
                header += 1
            yield frame[header + 3 : -2].removeprefix(b"\xe6\xe7\x00")
            at += 1 + size  # the closing flag, which may be the next one's opening flag
            at += octets[at + 1 : at + 2] in (b"", b"\x7e")
        elif octets[at] == 0x68:
            size = octets[at + 1]
            yield octets[at + 9 : at + 4 + size]
            at += size + 6
        else:
            size = int.from_bytes(octets[at + 6 : at + 8])
            yield octets[at + 8 : at + 8 + size]
            at += 8 + size


def envelopes(found: Case) -> list[Envelope]:
    first = found.octets[0]
    payloads = list(_payloads(found.octets))
    if first == 0x68:
        payloads = [b"".join(payloads)]
    messages = [apdu.parse(payload)[0] for payload in payloads]
    blocks = [message.data for message in messages if isinstance(message, Block)]
    if blocks:
        messages = [apdu.parse(b"".join(blocks))[0]]
    return [message for message in messages if isinstance(message, Envelope)]


def keys_of(found: Case) -> Keys:
    return Keys(found.key, found.auth_key)


SOUND = [found for found in [*METERS, *SYNTHETIC] if found.key is not None]


@pytest.mark.parametrize("found", SOUND, ids=lambda found: found.name)
def test_a_ciphered_push_of_the_corpus_opens_and_can_be_sealed_again(found: Case) -> None:
    (message,) = envelopes(found)
    keys = keys_of(found)
    opened = opener(keys).open(message)
    assert isinstance(apdu.parse(opened.plaintext)[0], DataNotification)
    assert opened.security.invocation_counter == message.counter
    assert opened.security.system_title == message.title.hex().upper()
    tagged = bool(message.control & security.AUTHENTICATED)
    assert opened.security.tag == ("verified" if tagged else "absent")
    assert seal(opened.plaintext, message.title, message.counter, message.control, keys) == message.content


TAGGED = [found for found in SOUND if found.auth_key is not None]


@pytest.mark.parametrize("found", TAGGED, ids=lambda found: found.name)
def test_with_the_encryption_key_alone_the_same_comes_out_and_the_tag_is_unchecked(found: Case) -> None:
    (message,) = envelopes(found)
    opened = opener(Keys(found.key)).open(message)
    assert opened.plaintext == opener(keys_of(found)).open(message).plaintext
    assert opened.security.tag == "unchecked"


REFUSED = {
    "broadcast_key_bit": Reason.POLICY,
    "compression_bit": Reason.POLICY,
    "security_downgrade_none": Reason.POLICY,
    "system_title_len_0": Reason.NO_KEY,
    "wrong_auth_key": Reason.TAG,
    "wrong_gcm_tag": Reason.TAG,
    "wrong_key_auth": Reason.WRONG_KEY,
    "wrong_key_encrypt_only": Reason.WRONG_KEY,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_damaged_push_of_the_corpus_is_refused_with_its_reason(name: str) -> None:
    found = case(name)
    (message,) = envelopes(found)
    assert refusal(opener(keys_of(found)), message).reason == REFUSED[name]


def test_every_security_case_of_the_corpus_is_looked_at() -> None:
    elsewhere = {"cipher_length_lies", "replayed_counter"}  # apdu refuses the one, the other has a test below
    ciphered = {found.name for found in MALFORMED if found.key is not None}
    assert {name for name in ciphered if not name.startswith(("gbt_", "mbus_"))} == REFUSED.keys() | elsewhere


def test_the_replay_of_the_corpus_gives_one_push() -> None:
    found = case("replayed_counter")
    first, second = envelopes(found)
    opening = opener(keys_of(found))
    opening.remember(opening.open(first))
    error = refusal(opening, second)
    assert error.reason == Reason.REPLAY
    assert "datalogger meter forget 4C475A6774206295" in error.detail


def test_a_title_left_out_comes_from_the_configuration() -> None:
    found = case("system_title_len_0")
    (message,) = envelopes(found)
    title = bytes.fromhex("4C475A6774206295")
    opened = opener(keys_of(found), system_title=title).open(message)
    assert opened.security.system_title == title.hex().upper()
    wrong = refusal(opener(keys_of(found), system_title=TITLE), message)
    assert wrong.reason == Reason.WRONG_KEY
    assert "the system title in the configuration" in wrong.detail


def test_a_title_that_is_sent_holds_against_the_configured_one() -> None:
    opened = opener(system_title=bytes(8)).open(envelope())
    assert opened.security.system_title == TITLE.hex().upper()


@pytest.mark.parametrize("size", [1, 3, 7, 9, 200])
@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
def test_a_title_of_another_size_is_refused(size: int, control: int) -> None:
    message = replace(envelope(control), title=bytes(size))
    assert refusal(opener(Keys(EK) if control == 0x20 else BOTH), message).reason == Reason.LENGTH


# ── known answers ────────────────────────────────────────────────────────────────────────────────

# The worked example of the DLMS UA Green Book for a ciphered get-request: one plaintext under three controls.
GREEN_TITLE, GREEN_COUNTER = bytes.fromhex("4D4D4D0000BC614E"), 0x01234567
GREEN_PLAINTEXT = bytes.fromhex("C0010000080000010000FF0200")
GREEN = {
    0x10: "C0010000080000010000FF020006725D910F9221D263877516",
    0x20: "411312FF935A47566827C467BC",
    0x30: "411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B",
}


@pytest.mark.parametrize("control", GREEN)
def test_sealing_gives_the_green_books_example(control: int) -> None:
    assert seal(GREEN_PLAINTEXT, GREEN_TITLE, GREEN_COUNTER, control, BOTH).hex().upper() == GREEN[control]


@pytest.mark.parametrize("control", [0x10, 0x30])
def test_the_green_books_example_opens(control: int) -> None:
    message = Envelope(0xDB, GREEN_TITLE, control, GREEN_COUNTER, bytes.fromhex(GREEN[control]))
    assert opener().open(message).plaintext == GREEN_PLAINTEXT


def test_without_a_tag_only_what_meters_push_is_believed() -> None:
    message = Envelope(0xDB, GREEN_TITLE, 0x20, GREEN_COUNTER, bytes.fromhex(GREEN[0x20]))
    assert refusal(opener(Keys(EK)), message).reason == Reason.WRONG_KEY  # a get-request is no push


@given(plaintext=st.binary(min_size=1, max_size=100), suite=st.sampled_from([0, 1, 2]), header=st.binary(max_size=30))
def test_a_tag_is_the_first_twelve_octets_of_what_aes_gcm_gives(plaintext: bytes, suite: int, header: bytes) -> None:
    keys = LONG if suite == 2 else BOTH
    assert keys.encryption and keys.authentication
    control = 0x30 | suite
    covered = bytes((control,)) + keys.authentication + header
    expected = AESGCM(keys.encryption).encrypt(TITLE + bytes((0, 0, 0, 7)), plaintext, covered)[:-4]
    assert seal(plaintext, TITLE, 7, control, keys, header) == expected


# ── policy ───────────────────────────────────────────────────────────────────────────────────────


@given(
    plaintext=st.binary(min_size=1, max_size=100),
    control=st.sampled_from([0x10, 0x11, 0x12, 0x30, 0x31, 0x32]),
    counter=st.integers(0, 2**32 - 1),
    header=st.binary(max_size=30),
)
def test_what_is_sealed_with_a_tag_opens_whatever_it_says(
    plaintext: bytes, control: int, counter: int, header: bytes
) -> None:
    keys = LONG if control & 0x0F == 2 else BOTH
    message = envelope(control, counter, plaintext=plaintext, keys=keys, header=header)
    opened = opener(keys).open(message)
    assert opened.plaintext == plaintext
    assert opened.security.tag == "verified"


@pytest.mark.parametrize(
    "beginning", ["0F000000010002", "0F40000000090C", "0F400000000C07", "C200000100", "E0C0000100"]
)
def test_without_a_tag_every_kind_of_push_opens(beginning: str) -> None:
    plaintext = bytes.fromhex(beginning) + bytes(40)
    assert opener(Keys(EK)).open(envelope(0x20, plaintext=plaintext)).plaintext == plaintext


def test_a_p1_telegram_opens() -> None:
    telegram = b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(50)\r\n!ABCD\r\n"
    assert opener(Keys(EK)).open(envelope(0x30, plaintext=telegram)).plaintext == telegram


@pytest.mark.parametrize(
    "plaintext",
    [b"/", b"/KFM5", b"/KFM5\x00", b"/KFM5\xe4", b"\x0f\0\0\0\0", b"\x0f\0\0\0\0\x09", b"\xc2\x00", b"\xe0", b"\xdb"],
)
def test_without_a_tag_what_only_begins_like_a_push_is_noise(plaintext: bytes) -> None:
    assert refusal(opener(Keys(EK)), envelope(0x20, plaintext=plaintext)).reason == Reason.WRONG_KEY


@pytest.mark.parametrize(
    ("control", "keys", "policy", "outcome"),
    [
        (0x00, Keys(), None, "absent"),
        (0x10, Keys(), None, "unchecked"),
        (0x20, Keys(), None, Reason.NO_KEY),
        (0x30, Keys(), None, Reason.NO_KEY),
        (0x00, Keys(EK), None, "absent"),
        (0x10, Keys(EK), None, "unchecked"),
        (0x20, Keys(EK), None, "absent"),
        (0x30, Keys(EK), None, "unchecked"),
        (0x30, BOTH, Policy.ENCRYPTED, "unchecked"),
        (0x00, BOTH, None, Reason.POLICY),
        (0x10, BOTH, None, "verified"),
        (0x20, BOTH, None, Reason.POLICY),
        (0x21, BOTH, Policy.AUTHENTICATED, Reason.POLICY),
        (0x30, BOTH, Policy.AUTHENTICATED, "verified"),
        (0x33, BOTH, None, Reason.POLICY),
        (0x3F, Keys(EK), None, Reason.POLICY),
        (0x70, BOTH, None, Reason.POLICY),
        (0x40, Keys(), None, Reason.POLICY),
        (0xB0, BOTH, None, Reason.POLICY),
        (0x80, Keys(), None, Reason.POLICY),
    ],
)
def test_the_policy_decides(control: int, keys: Keys, policy: Policy | None, outcome: str) -> None:
    message = replace(envelope(control & 0x30), control=control)
    opening = opener(keys, policy)
    if isinstance(outcome, Reason):
        assert refusal(opening, message).reason == outcome
    else:
        opened = opening.open(message)
        assert (opened.plaintext, opened.security.tag) == (PUSH, outcome)


def test_a_message_without_envelope_passes_unless_both_keys_are_wanted() -> None:
    opener(Keys()).admit_plain()
    opener(Keys(EK)).admit_plain()
    with pytest.raises(DecodeError) as caught:
        opener(BOTH).admit_plain()
    assert caught.value.reason == Reason.POLICY


def test_the_policy_follows_from_the_keys() -> None:
    assert [Policy.of(keys) for keys in (Keys(), Keys(EK), BOTH)] == ["plain", "encrypted", "authenticated"]


@pytest.mark.parametrize(
    ("keys", "policy"),
    [
        (Keys(None, AK), None),
        (Keys(None, AK), Policy.PLAIN),
        (Keys(EK), Policy.PLAIN),
        (BOTH, Policy.PLAIN),
        (Keys(), Policy.ENCRYPTED),
        (Keys(), Policy.AUTHENTICATED),
        (Keys(EK), Policy.AUTHENTICATED),
    ],
)
def test_keys_and_policy_must_agree(keys: Keys, policy: Policy | None) -> None:
    with pytest.raises(ValueError, match=r"^policy: "):
        opener(keys, policy)


def test_a_configured_title_has_eight_octets() -> None:
    with pytest.raises(ValueError, match="7 octets given, 8 wanted"):
        opener(system_title=bytes(7))


# ── which key is wrong ───────────────────────────────────────────────────────────────────────────


def test_no_key_says_which_to_ask_for() -> None:
    assert "4B464D104B79A973 (KFM)" in refusal(opener(Keys()), envelope(0x20)).detail
    assert "32 hex digits" in refusal(opener(Keys()), envelope(0x20)).detail
    assert "authentication key" not in refusal(opener(Keys()), envelope(0x20)).detail
    assert "authentication key" in refusal(opener(Keys()), envelope(0x30)).detail
    assert "64 hex digits" in refusal(opener(Keys()), envelope(0x32, keys=LONG)).detail


def test_a_key_of_another_suite_is_a_wrong_key() -> None:
    error = refusal(opener(LONG), envelope(0x30))
    assert error.reason == Reason.WRONG_KEY
    assert "32 hex digits: the one configured has 64" in error.detail


def test_the_authentication_key_is_found_wrong() -> None:
    error = refusal(opener(Keys(EK, EK)), envelope(0x30))
    assert error.reason == Reason.TAG
    assert "the encryption key is right, so the authentication key is wrong" in error.detail
    short = refusal(opener(Keys(LONG.encryption, AK)), envelope(0x32, keys=LONG))
    assert "64 hex digits, the one configured has 32" in short.detail


def test_the_encryption_key_is_found_wrong() -> None:
    for control in (0x20, 0x30):
        wrong = Keys(AK, AK) if control & 0x10 else Keys(AK)
        error = refusal(opener(wrong), envelope(control))
        assert error.reason == Reason.WRONG_KEY
        assert "the encryption key is not this meter's" in error.detail


def test_two_keys_that_are_exchanged_are_told() -> None:
    error = refusal(opener(Keys(AK, EK)), envelope(0x30))
    assert error.reason == Reason.WRONG_KEY
    assert "the two keys are exchanged" in error.detail
    assert EK.hex() not in error.detail.lower() and AK.hex() not in error.detail.lower()


def test_keys_that_held_before_are_not_blamed_for_a_changed_message() -> None:
    opening = opener()
    opening.open(envelope(0x30, 1))
    sound = envelope(0x30, 2)
    changed = replace(sound, content=bytes((sound.content[0] ^ 0xFF,)) + sound.content[1:])
    error = refusal(opening, changed)
    assert error.reason == Reason.TAG
    assert "the message was changed" in error.detail


# ── replay ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
def test_a_counter_must_rise(control: int) -> None:
    opening = opener(Keys(EK) if control == 0x20 else BOTH)
    for counter in (0, 1, 5):
        opening.remember(opening.open(envelope(control, counter)))
    for counter in (5, 4, 0):
        assert refusal(opening, envelope(control, counter)).reason == Reason.REPLAY
    assert opening.open(envelope(control, 2**32 - 1)).counts


def test_what_could_not_be_read_to_its_end_leaves_the_counter_alone() -> None:
    opening = opener()
    opening.open(envelope(counter=1000))
    opening.remember(opening.open(envelope(counter=1)))


def test_a_forged_message_does_not_move_the_counter() -> None:
    """Under `encrypted` anybody can write one that is not encrypted, with the highest counter there is."""
    opening = opener(Keys(EK))
    for control in (0x00, 0x10):
        opening.remember(opening.open(envelope(control, 2**32 - 1)))
    opening.remember(opening.open(envelope(0x20, 1)))


def test_another_title_and_another_key_count_for_themselves() -> None:
    counters = MemoryCounters()
    opening = Security(BOTH, counters=counters)
    opening.remember(opening.open(envelope(counter=9)))
    other = b"LGZ" + bytes(5)
    opening.remember(opening.open(envelope(counter=1, title=other)))
    renewed = Security(Keys(AK, AK), counters=counters)
    renewed.remember(renewed.open(envelope(counter=1, keys=Keys(AK, AK))))
    assert counters.last(TITLE.hex().upper(), BOTH.fingerprint) == 9


def test_replay_can_be_allowed() -> None:
    opening = Security(BOTH, counters=MemoryCounters(), replay=False)
    for _ in range(2):
        opening.remember(opening.open(envelope(counter=3)))


# ── any octets ───────────────────────────────────────────────────────────────────────────────────

KEYS = st.sampled_from([Keys(), Keys(EK), BOTH, LONG, Keys(LONG.encryption)])
REASONS = {Reason.NO_KEY, Reason.POLICY, Reason.TAG, Reason.WRONG_KEY, Reason.REPLAY, Reason.LENGTH}


@given(
    keys=KEYS,
    title=st.one_of(st.just(TITLE), st.binary(max_size=10)),
    control=st.integers(0, 255),
    counter=st.integers(0, 2**32 - 1),
    content=st.binary(max_size=64),
    configured=st.sampled_from([b"", TITLE]),
)
def test_any_envelope_is_opened_or_refused(
    keys: Keys, title: bytes, control: int, counter: int, content: bytes, configured: bytes
) -> None:
    opening = opener(keys, system_title=configured)
    try:
        opened = opening.open(Envelope(0xDB, title, control, counter, content))
    except DecodeError as error:
        assert error.reason in REASONS
        assert error.detail
    else:
        assert isinstance(opened, Opened)
        assert opening.policy is not Policy.AUTHENTICATED
        opening.remember(opened)


@given(control=st.sampled_from([0x10, 0x30]), bit=st.integers(min_value=0))
def test_no_bit_of_an_authenticated_message_can_be_changed(control: int, bit: int) -> None:
    message = envelope(control, header=b"\x01\x02\x03")
    parts = [message.title, bytes((message.control,)), message.counter.to_bytes(4), message.content, message.header]
    whole = bytearray(b"".join(parts))
    bit %= len(whole) * 8
    whole[bit // 8] ^= 1 << bit % 8
    content_end = 13 + len(message.content)
    changed = Envelope(
        0xDB,
        bytes(whole[:8]),
        whole[8],
        int.from_bytes(whole[9:13]),
        bytes(whole[13:content_end]),
        bytes(whole[content_end:]),
    )
    for opening in (opener(), opener()):
        refusal(opening, changed)
        opening.open(message)  # and the sound one passes still


@pytest.mark.parametrize("size", range(13))
def test_a_tag_wants_its_octets_and_something_before_them(size: int) -> None:
    message = Envelope(0xDB, TITLE, 0x30, 1, bytes(size))
    assert refusal(opener(), message).reason == (Reason.LENGTH if size <= 12 else Reason.WRONG_KEY)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text", ["D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF", "d0:d1:d2:d3:d4:d5:d6:d7:d8:d9:da:db:dc:dd:de:df"]
)
@pytest.mark.parametrize("around", ["{}", " {}\n", "0x{}"])
def test_a_key_is_read_however_the_operator_wrote_it(text: str, around: str) -> None:
    assert parse_key(around.format(text)) == AK


def test_a_long_key_is_read() -> None:
    assert parse_key("00112233-44556677 " * 4) == bytes.fromhex("0011223344556677" * 4)


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("D0D1D2D3D4D5D6D7D8D9DADBDCDDDED", "31 hex digits given, 32 wanted"),
        ("", "0 hex digits given, 32 wanted"),
        ("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDG", "1 of its 32 characters are no hex digits"),
        ("D0D1D2D3D4D5D6D7D8D9DADBDCDDDED\uff10", "1 of its 32 characters are no hex digits"),
        ("AB" * 17, "34 hex digits given, 32 wanted"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(text: str, mend: str) -> None:
    with pytest.raises(ValueError, match=mend) as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


def test_keys_show_themselves_to_nobody() -> None:
    shown = [repr(BOTH), str(BOTH), f"{BOTH}", f"{BOTH:>80}", f"{BOTH!r}", repr([BOTH]), repr(opener())]
    for text in shown:
        for secret in (EK, AK):
            assert secret.hex() not in text.lower()
            assert repr(secret)[2:-1] not in text
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(BOTH)


def test_keys_are_compared_by_what_they_are() -> None:
    assert Keys(EK, AK) == BOTH != Keys(EK)
    assert hash(Keys(EK, AK)) == hash(BOTH)
    assert BOTH.fingerprint == Keys(EK).fingerprint != Keys(AK).fingerprint
    assert len(BOTH.fingerprint) == 8
    assert Keys().fingerprint == ""


def test_a_key_has_16_or_32_octets() -> None:
    with pytest.raises(ValueError, match="authentication key: 15 octets given, 16 wanted"):
        Keys(EK, AK[:15])


def test_sealing_wants_the_keys() -> None:
    with pytest.raises(ValueError, match="wants a key that is not given"):
        seal(PUSH, TITLE, 1, 0x30, Keys(EK))
    with pytest.raises(ValueError, match="suite 2 does not go with a key of 32 hex digits"):
        seal(PUSH, TITLE, 1, 0x32, BOTH)


@pytest.mark.parametrize(("title", "letters"), [(TITLE, "KFM"), (bytes.fromhex("2F1922B2EF5C90D2"), ""), (b"", "")])
def test_a_title_names_its_maker(title: bytes, letters: str) -> None:
    assert maker(title) == letters


def test_no_detail_shows_a_key() -> None:
    for keys in (Keys(), Keys(EK), BOTH, LONG, Keys(AK, EK), Keys(EK, EK)):
        for control in range(0x00, 0x100, 0x10):
            try:
                opener(keys).open(replace(envelope(control & 0x30), control=control))
            except DecodeError as error:
                assert not any(secret.hex() in str(error).lower() for secret in (EK, AK))


@pytest.mark.slow
def test_without_a_key_the_cipher_library_is_never_loaded() -> None:
    program = """
import sys
from importlib import import_module
from pkgutil import walk_packages
import datalogger.protocol
for module in walk_packages(datalogger.protocol.__path__, "datalogger.protocol."):
    import_module(module.name)
from datalogger.protocol.dlms.messages import Envelope
from datalogger.protocol.dlms.security import Keys, MemoryCounters, Security
opening = Security(Keys(), counters=MemoryCounters())
opening.open(Envelope(0xDB, bytes(8), 0, 1, b"\\x0f"))
try:
    opening.open(Envelope(0xDB, bytes(8), 0x30, 1, bytes(40)))
except Exception as error:
    assert "no_key" in str(error), error
else:
    raise SystemExit("it opened")
assert "cryptography" not in sys.modules
Security(Keys(bytes(16)), counters=MemoryCounters())
assert "cryptography" not in sys.modules, "a key that is not used"
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
