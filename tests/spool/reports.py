"""Reports as a DSMR 5 meter makes them: 36 lines, a telegram of some 900 octets, values that move."""

import re
from datetime import UTC, datetime, timedelta

from datalogger import obis
from datalogger.model import Record, Report

START = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)

_TEMPLATE = """/ISK5\\2M550T-1012

1-3:0.2.8(50)
0-0:1.0.0({stamp}W)
0-0:96.1.1(4530303434303037313331363530363137)
1-0:1.8.1({t1:010.3f}*kWh)
1-0:1.8.2({t2:010.3f}*kWh)
1-0:2.8.1(000014.128*kWh)
1-0:2.8.2(000000.000*kWh)
0-0:96.14.0(0001)
1-0:1.7.0({power:06.3f}*kW)
1-0:2.7.0(00.000*kW)
0-0:96.7.21(00013)
0-0:96.7.9(00003)
1-0:99.97.0(1)(0-0:96.7.19)(170609063239S)(0000000267*s)
1-0:32.32.0(00002)
1-0:52.32.0(00002)
1-0:72.32.0(00002)
1-0:32.36.0(00000)
1-0:52.36.0(00000)
1-0:72.36.0(00000)
0-0:96.13.0()
1-0:32.7.0({v1:05.1f}*V)
1-0:52.7.0({v2:05.1f}*V)
1-0:72.7.0({v3:05.1f}*V)
1-0:31.7.0(000*A)
1-0:51.7.0(001*A)
1-0:71.7.0(000*A)
1-0:21.7.0({p1:06.3f}*kW)
1-0:41.7.0({p2:06.3f}*kW)
1-0:61.7.0({p3:06.3f}*kW)
1-0:22.7.0(00.000*kW)
1-0:42.7.0(00.000*kW)
1-0:62.7.0(00.000*kW)
0-1:24.1.0(003)
0-1:96.1.0(4730303339303031373434313236373137)
0-1:24.2.1({gas}W)({m3:09.3f}*m3)
!{check:04X}
"""
_LINE = re.compile(r"(\d+-\d+:\d+\.\d+\.\d+)\((.*)\)")


def report(number: int, source: str = "house", *, received: datetime | None = None) -> Report:
    """The report of second `number`."""
    at = received or START + timedelta(seconds=number)
    local = at + timedelta(hours=1)
    noise = (number * 7919 + 104729) * 2654435761 % 2**32  # no two telegrams alike, the same in every run
    watts = [100 + noise % 400, 250 + (noise >> 8) % 900, 60 + (noise >> 16) % 300]
    telegram = _TEMPLATE.format(
        stamp=local.strftime("%y%m%d%H%M%S"),
        gas=local.replace(minute=local.minute // 5 * 5, second=0).strftime("%y%m%d%H%M%S"),
        t1=4000 + number * 0.0003, t2=5000.123, power=sum(watts) / 1000,
        v1=228 + noise % 60 / 10, v2=228 + (noise >> 6) % 60 / 10, v3=228 + (noise >> 12) % 60 / 10,
        p1=watts[0] / 1000, p2=watts[1] / 1000, p3=watts[2] / 1000, m3=212.529 + number // 300 * 0.007,
        check=noise & 0xFFFF,
    ).replace("\n", "\r\n")  # fmt: skip
    return Report(
        protocol="p1",
        source=source,
        meter="E0044007131650617",
        identification="ISK5\\2M550T-1012",
        meter_time=at,
        received_at=at + timedelta(microseconds=noise % 900_000),
        records=tuple(_record(name, text, at) for name, text in _LINE.findall(telegram)),
        frame=telegram.encode("latin-1"),
    )


def _record(name: str, text: str, at: datetime) -> Record:
    logical = obis.parse(name)
    assert logical is not None
    value, _, unit = text.rpartition("(")[2].partition("*")
    if not unit:
        return Record(logical, text=text)
    whole, _, fraction = value.rstrip(")").partition(".")
    time = at.replace(second=0, microsecond=0) if unit == "m3" else None
    number = int(whole + fraction)
    if time is not None:
        return Record(logical, number, -len(fraction), unit, time=time)
    return Record(logical, number, -len(fraction), unit)
