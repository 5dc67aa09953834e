"""What a source has that meters connect to: an address, and who may."""

import errno
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal

from datalogger.config.checks import Check, listen_address
from datalogger.config.metering import MeterOptions
from datalogger.config.words import Duration

Network = IPv4Network | IPv6Network


def _address(text: str) -> None:
    if listen_address(text) is None:
        raise ValueError('expected "HOST:PORT" such as "0.0.0.0:4059", every address of this machine')


def _networks(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            ip_network(text)
        except ValueError:
            raise ValueError(f'"{text}": expected an address or a network such as "192.168.1.0/24"') from None


class ListenerOptions(MeterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source has that meters connect to."""

    listen: Annotated[str, Check(_address)]
    """HOST:PORT; 0.0.0.0 is every address of this machine. Meters push to port 4059."""
    framing: Literal["auto", "p1", "hdlc", "mbus", "wrapper", "apdu"] = "wrapper"
    allow: Annotated[tuple[str, ...] | None, Check(_networks)] = None
    """Addresses and networks that may send; None: everybody who reaches the port."""
    silence: Duration = Duration(86400)
    """Nobody has sent anything for this long: the port is closed and opened again."""


class Allowed:
    """Who may send."""

    def __init__(self, networks: Iterable[str] | None) -> None:
        self._networks: tuple[Network, ...] | None = None if networks is None else tuple(map(ip_network, networks))

    def __contains__(self, host: str) -> bool:
        if self._networks is None:
            return True
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def why_not_listening(listen: str, error: OSError) -> str:
    """Why this port cannot be opened, and the mend."""
    match error.errno:
        case errno.EADDRINUSE:
            return f"{listen} is taken by another program: name another port, or see who it is: ss -lnp"
        case errno.EACCES:
            return f"{listen}: ports below 1024 are root's: name a higher one (meters push to 4059)"
        case errno.EADDRNOTAVAIL:
            return f"{listen}: this machine has no such address: see ip addr, or take 0.0.0.0"
    return f"{listen} cannot be opened: {error.strerror or error}"
