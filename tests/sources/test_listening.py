import errno

import pytest

from datalogger.sources.listening import Allowed, why_not_listening


def test_without_a_list_everybody_may_send() -> None:
    assert "203.0.113.9" in Allowed(None)


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("192.168.1.40", True),
        ("192.168.2.40", False),
        ("::ffff:192.168.1.40", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", False),
    ],
)
def test_only_who_is_listed_may_send(host: str, may: bool) -> None:
    assert (host in Allowed(("192.168.1.0/24", "2001:db8::/32"))) is may


@pytest.mark.parametrize("written", ["::ffff:192.168.1.40", "::ffff:192.168.1.0/120", "::/0", "0.0.0.0/0"])
def test_a_network_may_be_written_the_ipv6_way(written: str) -> None:
    assert ("192.168.1.40" in Allowed((written,))) is (written != "::/0")


@pytest.mark.parametrize(
    ("code", "mend"),
    [(errno.EADDRINUSE, "another port"), (errno.EACCES, "higher"), (errno.EADDRNOTAVAIL, "0.0.0.0"), (errno.EIO, "")],
)
def test_a_port_that_cannot_be_opened_is_named_with_the_mend(code: int, mend: str) -> None:
    said = why_not_listening("0.0.0.0:4059", OSError(code, "no"))
    assert said.startswith("0.0.0.0:4059")
    assert mend in said
