"""Who listens where: no two on one port, and why a port cannot be had."""

import errno
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple

from datalogger.config.checks import listen_address
from datalogger.config.problems import Problems, shown
from datalogger.config.schema import ServiceOptions

# The kinds of source that listen, and on what. The status port is one of TCP, too.
LISTENERS = {"tcp-listen": "TCP", "udp-listen": "UDP"}


class _Port(NamedTuple):
    transport: str
    host: str
    number: int

    def clashes(self, other: "_Port") -> bool:
        """Whether the system gives only one of the two."""
        if (self.transport, self.number) != (other.transport, other.number):
            return False
        if self.host.casefold() == other.host.casefold():
            return True
        try:
            one, another = ip_address(self.host), ip_address(other.host)
        except ValueError:  # a name, which may be of any address
            return "0.0.0.0" in (self.host, other.host)
        return one.version == another.version and (one == another or one.is_unspecified or another.is_unspecified)


def why_not_bound(error: OSError) -> int | None:
    """The errno of a server that could not be opened. From Python 3.13 on asyncio names none where the machine has no
    such address."""
    return errno.EADDRNOTAVAIL if error.errno is None and "could not bind" in str(error) else error.errno


def judge_ports(sources: Mapping[str, Mapping[str, Any]], service: ServiceOptions | None, problems: Problems) -> None:
    """Tables of the text, so that it is said beside what else is wrong with them."""
    owners: dict[_Port, str] = {}
    if service is not None and (port := _port("TCP", service.listen)):
        owners[port] = "the status port (service.listen)"
    for name, table in sources.items():
        kind, listen = table.get("kind"), table.get("listen")
        if not (isinstance(kind, str) and kind in LISTENERS and isinstance(listen, str)):
            continue
        if (port := _port(LISTENERS[kind], listen)) is None:
            continue
        if owner := next((owner for taken, owner in owners.items() if port.clashes(taken)), None):
            problems.add(("source", name, "listen"), f"{shown(listen)} is taken by {owner} already")
        owners.setdefault(port, f"source.{name}")


def _port(transport: str, listen: str) -> _Port | None:
    """None where it is no address (which is said of the table itself), or port 0: any that is free."""
    try:
        address = listen_address(listen)
    except ValueError:
        return None
    return _Port(transport, *address) if address and address[1] else None
