"""What a running daemon has imported: not the cipher library without keys, nothing of pushes without a push, nothing of
Modbus without a meter that is asked.
"""

import re
from pathlib import Path

import pytest

from tests.e2e.harness import Cable, Process, distinct_telegrams, until
from tests.e2e.test_dlms import archived, serial, write, write_keys
from tests.protocol.dlms.corpus import case

pytestmark = pytest.mark.slow

PLAIN, CIPHERED = case("no_aidon_list3_3ph_hourly"), case("dk_kamstrup_omnipower_enc_auth_testkey")


async def imported(folder: Path, cable: Cable, sent: list[bytes], more: str = "") -> set[str]:
    """The modules of a real run that has read and forwarded all of `sent`."""
    path = write(folder, serial(cable, f"baud_rate = 115200\n{more}"))
    async with Process(path, PYTHONPROFILEIMPORTTIME="1") as daemon:
        for octets in sent:
            await cable.send(octets)
        await until(lambda: len(archived(folder)) == len(sent), "all is archived")
        assert await daemon.stop() == 0
        # Each import is a line on stderr, which is the log's file, too.
        return set(re.findall(r"^import time: .*\| +(\S+)$", daemon.text, re.MULTILINE))


def ciphers(modules: set[str]) -> bool:
    return any(module.partition(".")[0] == "cryptography" for module in modules)


async def test_telegrams_import_neither_the_cipher_library_nor_what_reads_pushes(tmp_path: Path, cable: Cable) -> None:
    modules = await imported(tmp_path, cable, distinct_telegrams(3))
    assert "datalogger.meters.decoder" in modules
    assert not ciphers(modules)
    assert not {"datalogger.meters.pushes", "datalogger.meters.profiles", "datalogger.meters.lint"} & modules
    assert not [module for module in modules if "modbus" in module]  # ours neither


async def test_plain_pushes_do_not_import_the_cipher_library(tmp_path: Path, cable: Cable) -> None:
    modules = await imported(tmp_path, cable, [PLAIN.octets] * 2)
    assert "datalogger.meters.pushes" in modules
    assert not ciphers(modules)


async def test_ciphered_pushes_do(tmp_path: Path, cable: Cable) -> None:
    write_keys(tmp_path, CIPHERED.key, CIPHERED.auth_key)
    keys = 'key_file = "meter.key"\nauth_key_file = "meter.auth"'
    assert ciphers(await imported(tmp_path, cable, [CIPHERED.octets], keys))
