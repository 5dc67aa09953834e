"""The sd_notify protocol: telling systemd that the daemon is ready, reloads, stops, and still lives.

One datagram a message, on the socket that systemd names in $NOTIFY_SOCKET: sd_notify(3).
"""

import os
import socket

from datalogger.clock import Clock, SystemClock

# systemd reads its socket at once; a queue still full after this is an ill machine, and the meter does not wait.
# Seconds.
SEND_TIMEOUT = 0.2


class Notifier:
    """Speaks to the service manager where there is one, and does nothing where there is none. Never raises."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        name = os.environ.get("NOTIFY_SOCKET", "")
        # "@name" is a socket in the abstract name space, which the kernel knows by a leading NUL.
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self.watchdog = _watchdog_interval()
        """Seconds within which systemd wants a sign of life; None: it wants none."""

    def ready(self, status: str = "") -> bool:
        """Start-up, or a reload, is done."""
        return self._send("READY=1", *_status(status))

    def reloading(self) -> bool:
        """The configuration is read anew; `ready` ends this."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}")

    def stopping(self, status: str = "") -> bool:
        return self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._send(*_status(text))

    def alive(self) -> bool:
        """Feeds the watchdog."""
        return self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> bool:
        """True where the datagram went out. A socket for each: systemd may have been started anew since the last."""
        if not (self._address and assignments):
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(SEND_TIMEOUT)
                channel.sendto("\n".join(assignments).encode(errors="replace"), self._address)
        except (OSError, ValueError):  # ValueError: an address that can be none (NUL inside)
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    """A line break would begin another assignment."""
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _watchdog_interval() -> float | None:
    """$WATCHDOG_USEC, unless $WATCHDOG_PID says that it is meant for another process."""
    try:
        if int(os.environ.get("WATCHDOG_PID") or os.getpid()) != os.getpid():
            return None
        interval = int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
    return interval if interval > 0 else None
