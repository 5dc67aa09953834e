import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
import serial.tools.list_ports

from datalogger.sources import serial_faults
from datalogger.sources.serial_faults import Holder, already_open, holder, why_ended, why_not_open
from tests.sources.conftest import Cable


def refused(port: str) -> str:
    """What is said when pyserial itself opens `port`."""
    with pytest.raises(OSError) as caught:
        serial.Serial(port, exclusive=True)
    return why_not_open(port, caught.value)


@contextmanager
def without_root() -> Iterator[str]:
    """As a user whom permissions concern; its name."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield pwd.getpwuid(os.geteuid()).pw_name
    finally:
        if root:
            os.seteuid(0)


def test_a_port_that_is_not_there_is_answered_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Port:
        device = "/dev/ttyUSB7"

    missing = str(tmp_path / "ttyUSB0")
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: [Port()])
    assert refused(missing).startswith(f"{missing}: no such port; there is: /dev/")
    monkeypatch.setattr(serial.tools.list_ports, "comports", list)
    monkeypatch.setattr(serial_faults, "Path", lambda path: tmp_path / "nothing")
    assert refused(missing).endswith("no such port; there is no serial port on this machine (is the cable in?)")


def test_what_is_no_serial_device_is_said_to_be_none(tmp_path: Path) -> None:
    plain = tmp_path / "ttyUSB0"
    plain.write_bytes(b"untouched")
    for port in (str(plain), "/dev/null", str(tmp_path)):
        assert refused(port).startswith(f"{port} is not a serial device; there is")
    assert plain.read_bytes() == b"untouched"


def test_a_port_one_may_not_open_is_refused_with_the_mend(cable: Cable) -> None:
    if os.geteuid() == 0:
        os.fchown(cable.reader, -1, grp.getgrnam("dialout").gr_gid)
    os.fchmod(cable.reader, 0o060)
    with without_root() as user:
        assert f"{cable.port}: permission denied: the user {user} is not in the group" in refused(cable.port)


def test_who_is_not_in_the_group_is_told_how_to_join_it(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    class Group:
        gr_name = "dialout"

    os.fchmod(cable.reader, 0o660)
    monkeypatch.setattr("grp.getgrgid", lambda number: Group())
    told = why_not_open(cable.port, PermissionError(errno.EACCES, "Permission denied"))
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert f"the user {user} is not in the group dialout: `sudo usermod -aG dialout {user}`" in told
    assert "under systemd SupplementaryGroups=dialout" in told


def test_where_the_group_may_not_either_the_device_is_mended(cable: Cable) -> None:
    os.fchmod(cable.reader, stat.S_IRUSR | stat.S_IWUSR)
    told = why_not_open(cable.port, PermissionError(errno.EACCES, "Permission denied"))
    assert f"`sudo chgrp dialout {cable.port} && sudo chmod 660 {cable.port}`" in told


def test_a_speed_the_adapter_cannot_do_is_named_as_such(cable: Cable) -> None:
    told = why_not_open(cable.port, ValueError("Failed to set custom baud rate (123): nope"))
    assert told.startswith(f"{cable.port} cannot do these settings: Failed to set custom baud rate (123)")


def test_an_error_nobody_foresaw_is_passed_on(cable: Cable) -> None:
    told = why_not_open(cable.port, OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert told == f"{cable.port} cannot be opened: [Errno {errno.ENOMEM}] Cannot allocate memory"


def test_the_holder_of_a_port_is_found_behind_a_link(cable: Cable, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    link.symlink_to(cable.port)
    found = holder(str(link))
    assert found is not None and found.pid == os.getpid()
    assert holder(str(link), besides=os.getpid()) is None
    assert (
        already_open(str(link), found) == f"{link} is already open in this program: give each port to one source only"
    )


def test_a_holder_of_another_user_cannot_be_named() -> None:
    assert "sudo fuser -v /dev/ttyUSB0" in already_open("/dev/ttyUSB0", None)
    assert "(pid 123, cat): stop it" in already_open("/dev/ttyUSB0", Holder(123, "cat"))


def test_a_machine_without_proc_names_nobody(cable: Cable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_faults, "PROCESSES", tmp_path / "proc")
    assert holder(cable.port) is None


def test_a_line_that_ends_is_unplugged_or_hung_up(cable: Cable) -> None:
    assert why_ended(cable.port, OSError("read failed")) == f"{cable.port} hung up: read failed"
    cable.unplug()
    assert why_ended(cable.port, None).startswith(f"{cable.port} is gone (unplugged?)")
