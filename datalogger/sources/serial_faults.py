"""Why a serial port cannot be opened or read: one sentence for a person, with the mend."""

import errno
import grp
import os
import pwd
import stat
import termios
from pathlib import Path
from typing import NamedTuple

PROCESSES = Path("/proc")


class Holder(NamedTuple):
    """A process that has a port open."""

    pid: int
    name: str


def holder(port: str, *, besides: int | None = None) -> Holder | None:
    """Who has `port` open, as far as this user may see; not the process `besides`.

    A look at the file descriptors: most programs that read a port (`cat`, a getty) take no lock.
    """
    if not Path(port).exists():
        return None
    device = os.path.realpath(port)
    for process in PROCESSES.glob("[0-9]*"):
        if process.name == str(besides):
            continue
        try:
            # The link's text, not `stat`: a stat of somebody's file on a dead network disk would hang.
            if any(str(opened.readlink()) == device for opened in (process / "fd").iterdir()):
                return Holder(int(process.name), (process / "comm").read_text().strip())
        except OSError:
            continue  # another user's process, or one that has just ended
    return None


def why_not_open(port: str, error: OSError | ValueError | termios.error) -> str:
    """Of what pyserial raised while it opened `port`."""
    number = _number(error)
    match number:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV if not Path(port).exists():
            return f"{port}: no such port; {_ports_there_are()}"
        case errno.EACCES | errno.EPERM:
            return f"{port}: permission denied: {_mend_of_permission(port)}"
        case errno.EBUSY | errno.EAGAIN:
            return already_open(port, holder(port))
        case errno.ENOTTY | errno.EISDIR:
            return f"{port} is not a serial device; {_ports_there_are()}"
        case errno.EIO | errno.ENXIO | errno.ENODEV:
            return f"{port}: no hardware answers behind this port (is the cable in?); {_ports_there_are()}"
        case None if isinstance(error, ValueError):
            return f"{port} cannot do these settings: {error}; choose another baud_rate"
        case errno.EINVAL:
            return f"{port} cannot do these settings (baud_rate, bytesize, parity, stopbits); try a preset"
    return f"{port} cannot be opened: {error}"


def already_open(port: str, by: Holder | None) -> str:
    """Two readers share the octets between them, and neither gets a whole telegram."""
    if by is None:
        return f"{port} is already open in another program, of another user: find it with `sudo fuser -v {port}`"
    if by.pid == os.getpid():
        return f"{port} is already open in this program: give each port to one source only"
    return f"{port} is already open in another program (pid {by.pid}, {by.name}): stop it"


def why_ended(port: str, error: Exception | None) -> str:
    """Of a line that was open."""
    if not Path(port).exists():
        return f"{port} is gone (unplugged?); waiting for it to come back"
    return f"{port} hung up{f': {error}' if error else ''}"


def _number(error: BaseException | None) -> int | None:
    """pyserial hides some error numbers, and termios.error has none: the first argument is it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if isinstance(error, termios.error) and error.args and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__context__
    return None


def _ports_there_are() -> str:
    # Imported here: only a mistake needs it, and the daemon is small.
    from serial.tools.list_ports import comports

    found = sorted(str(link) for link in Path("/dev/serial/by-id").glob("*")) or sorted(
        str(port.device) for port in comports()
    )
    return f"there is: {', '.join(found)}" if found else "there is no serial port on this machine (is the cable in?)"


def _mend_of_permission(port: str) -> str:
    user = _user()
    try:
        status = Path(port).stat()
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        status, group = None, "dialout"
    if status is not None and not status.st_mode & stat.S_IRGRP:
        return f"only its owner may use it; try `sudo chgrp dialout {port} && sudo chmod 660 {port}`"
    return (
        f"the user {user} is not in the group {group}: `sudo usermod -aG {group} {user}` and log in again; "
        f"under systemd SupplementaryGroups={group} and a restart of the service"
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
