"""What a source has that meters connect to: an address, and who may."""

import errno
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal

from datalogger.config.checks import Check, listen_address
from datalogger.config.metering import MeterOptions
from datalogger.config.ports import why_not_bound
from datalogger.config.problems import shown
from datalogger.words import Duration

Network = IPv4Network | IPv6Network


def _address(text: str) -> None:
    with suppress(ValueError):
        if listen_address(text) is not None:
            return
    raise ValueError('expected "HOST:PORT" such as "0.0.0.0:4059", every address of this machine')


def _networks(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            ip_network(text)
        except ValueError:
            raise ValueError(f"{shown(text)}: {_mend(text)}") from None


def _mend(text: str) -> str:
    """What to write for a network that is none."""
    try:
        return f'a network ends in zeros: write "{ip_network(text, strict=False)}"'  # 192.168.1.7/24
    except ValueError:
        return 'expected an address or a network such as "192.168.1.0/24"'


class ListenerOptions(MeterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source has that meters connect to."""

    listen: Annotated[str, Check(_address)]
    """HOST:PORT; 0.0.0.0 is every address of this machine. Meters push to port 4059."""
    framing: Literal["auto", "p1", "hdlc", "mbus", "wrapper", "apdu"] = "wrapper"
    allow: Annotated[tuple[str, ...] | None, Check(_networks)] = None
    """Addresses and networks that may send; None: everybody who reaches the port."""
    silence: Duration = Duration(86400)
    """Nobody has sent anything for this long: the port is closed and opened again."""

    def worth_knowing(self) -> list[str]:
        said = super().worth_knowing()
        if self.framing == "auto":
            said.append(
                'framing: "auto" never takes the wrapper, which is what meters push to a port: leave framing out, '
                "but for a converter that hands a serial line on"
            )
        if self.allow == ():
            said.append("allow: empty: nobody may send: name who may, or leave it out")
        if self.allow is None and self.auth_key is None and not _only_this_machine(self.listen):
            said.append(
                f"listen: whoever reaches {self.listen} may send readings: name the meters' addresses or network in "
                'allow, such as ["192.168.1.0/24"]'
            )
        return said


def _only_this_machine(listen: str) -> bool:
    address = listen_address(listen)
    assert address is not None  # the configuration has seen to it
    host, _ = address
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plain(text: str) -> Network:
    """An IPv4 network that is written the IPv6 way is an IPv4 network."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None and network.prefixlen >= 96:
        return ip_network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}")
    return network


class Allowed:
    """Who may send."""

    def __init__(self, networks: Iterable[str] | None) -> None:
        self._networks = None if networks is None else tuple(map(_plain, networks))

    def __contains__(self, host: str) -> bool:
        if self._networks is None:
            return True
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def why_not_listening(listen: str, error: OSError) -> str:
    """Why this port cannot be opened, and the mend."""
    match why_not_bound(error):
        case errno.EADDRINUSE:
            return f"{listen} is taken by another program: name another port, or see who it is: ss -lnp"
        case errno.EACCES:
            return f"{listen}: ports below 1024 are root's: name a higher one (meters push to 4059)"
        case errno.EADDRNOTAVAIL:
            return f"{listen}: this machine has no such address: see ip addr, or take 0.0.0.0"
    return f"{listen} cannot be opened: {error.strerror or error}"
