"""A P1 meter: any telegram, brought to life."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from datalogger.config.checks import time_zone
from datalogger.simulation.house import WATT_HOUR, House
from datalogger.simulation.template import Field, Template

# A meter of DSMR 5 with three phases and gas; its numbers are nobody's.
DSMR5 = (
    b"/SIM5\\2DATALOGGER\r\n"
    b"\r\n"
    b"1-3:0.2.8(50)\r\n"
    b"0-0:1.0.0(260101120000W)\r\n"
    b"0-0:96.1.1(4530303030303030303030303030303030)\r\n"
    b"1-0:1.8.1(001234.567*kWh)\r\n"
    b"1-0:1.8.2(002345.678*kWh)\r\n"
    b"1-0:2.8.1(000123.456*kWh)\r\n"
    b"1-0:2.8.2(000234.567*kWh)\r\n"
    b"0-0:96.14.0(0002)\r\n"
    b"1-0:1.7.0(00.500*kW)\r\n"
    b"1-0:2.7.0(00.000*kW)\r\n"
    b"0-0:96.7.21(00004)\r\n"
    b"0-0:96.7.9(00002)\r\n"
    b"1-0:99.97.0(2)(0-0:96.7.19)(230402142007S)(0000000240*s)(240118063512W)(0000000301*s)\r\n"
    b"1-0:32.32.0(00001)\r\n"
    b"1-0:52.32.0(00000)\r\n"
    b"1-0:72.32.0(00001)\r\n"
    b"1-0:32.36.0(00000)\r\n"
    b"1-0:52.36.0(00000)\r\n"
    b"1-0:72.36.0(00000)\r\n"
    b"0-0:96.13.0()\r\n"
    b"1-0:32.7.0(230.1*V)\r\n"
    b"1-0:52.7.0(230.2*V)\r\n"
    b"1-0:72.7.0(230.3*V)\r\n"
    b"1-0:31.7.0(001*A)\r\n"
    b"1-0:51.7.0(001*A)\r\n"
    b"1-0:71.7.0(000*A)\r\n"
    b"1-0:21.7.0(00.200*kW)\r\n"
    b"1-0:41.7.0(00.200*kW)\r\n"
    b"1-0:61.7.0(00.100*kW)\r\n"
    b"1-0:22.7.0(00.000*kW)\r\n"
    b"1-0:42.7.0(00.000*kW)\r\n"
    b"1-0:62.7.0(00.000*kW)\r\n"
    b"0-1:24.1.0(003)\r\n"
    b"0-1:96.1.0(4730303030303030303030303030303030)\r\n"
    b"0-1:24.2.1(260101120000W)(00456.789*m3)\r\n"
    b"!0000\r\n"
)


def telegrams(
    template: bytes = DSMR5,
    *,
    start: datetime,
    interval: timedelta = timedelta(seconds=1),
    seed: int = 0,
    zone: str = "Europe/Amsterdam",
) -> Iterator[bytes]:
    """Without end, the same for the same arguments, each `interval` of the meter's time after the one before.

    start: zone-aware. ValueError where `template` holds no telegram, or there is no such zone.
    """
    form = Template(template)
    meter = Meter(form, start=start, seed=seed, zone=time_zone(zone))

    def flow() -> Iterator[bytes]:
        while True:
            yield form.written(meter.show)
            meter.house.live(interval)

    return flow()


class Meter:
    """What the meter of one house shows in each field of its telegram."""

    def __init__(self, form: Template, *, start: datetime, seed: int, zone: ZoneInfo) -> None:
        self._zone = zone
        of_a_phase = [field.of for field in form.fields if field.what in ("taken", "fed", "voltage", "current")]
        self.house = House(
            start=start,
            seed=seed,
            phases=max([1, *of_a_phase]),
            feeds_in=any(field.what == "export" for field in form.fields),
            channels=max([0, *(field.of for field in form.fields if field.what == "volume")]),
        )

    def show(self, field: Field) -> bytes:
        house = self.house
        phases = house.loads if field.of == 0 else house.loads[field.of - 1 : field.of]
        match field.what:
            case "clock":
                return self._stamp(field, house.now)
            case "captured":
                return self._stamp(field, house.captured)
            case "import" | "export":
                energy = house.imported if field.what == "import" else house.exported
                return field.written(field.number + _in_last_digits(field, energy, WATT_HOUR))
            case "volume":
                return field.written(field.number + _in_last_digits(field, house.volumes[field.of - 1], 10**6))
            case "taken":
                return field.written(_in_last_digits(field, max(sum(phases), 0)))
            case "fed":
                return field.written(_in_last_digits(field, max(-sum(phases), 0)))
            case "voltage":
                return field.written(_in_last_digits(field, house.voltages[field.of - 1], 1000))
            case "current":
                load, voltage = abs(phases[0]), house.voltages[field.of - 1]
                return field.written(_in_last_digits(field, load * 1000, voltage))

    def _stamp(self, field: Field, time: datetime) -> bytes:
        """As the meter writes a time: with its flag for summer or winter, in its letter case, or without."""
        local = time.astimezone(self._zone)
        flag = field.text[12:]
        if flag:
            summer = b"S" if local.dst() else b"W"
            flag = summer if flag.isupper() else summer.lower()
        return f"{local:%y%m%d%H%M%S}".encode() + flag


def _in_last_digits(field: Field, amount: int, parts: int = 1) -> int:
    """amount/parts of the unit, counted in the field's last digit; the rest is cut off, as a register does."""
    scale: int = 10**field.decimals
    return amount * scale // (parts * (1000 if field.kilo else 1))
