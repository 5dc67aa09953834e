"""Every unit of the eGauge's own list, with all its prefixes, against the factors that its maker's library gives."""

import pytest

from datalogger.protocol.modbus import units

# Base symbol ("-": none) : spelling=power of ten, as egauge-python 0.9.17 has the factors (register_type.py).
MAKERS = """\
W : W=0 yW=-24 zW=-21 aW=-18 fW=-15 pW=-12 nW=-9 μW=-6 mW=-3 kW=3 MW=6 GW=9 TW=12 PW=15 EW=18 ZW=21
W : YW=24
VA : VA=0 yVA=-24 zVA=-21 aVA=-18 fVA=-15 pVA=-12 nVA=-9 μVA=-6 mVA=-3 kVA=3 MVA=6 GVA=9 TVA=12 PVA=15
VA : EVA=18 ZVA=21 YVA=24
V : V=0 yV=-24 zV=-21 aV=-18 fV=-15 pV=-12 nV=-9 μV=-6 mV=-3 kV=3 MV=6 GV=9 TV=12 PV=15 EV=18 ZV=21
V : YV=24
A : A=0 yA=-24 zA=-21 aA=-18 fA=-15 pA=-12 nA=-9 μA=-6 mA=-3 kA=3 MA=6 GA=9 TA=12 PA=15 EA=18 ZA=21
A : YA=24
Hz : Hz=0 yHz=-24 zHz=-21 aHz=-18 fHz=-15 pHz=-12 nHz=-9 μHz=-6 mHz=-3 kHz=3 MHz=6 GHz=9 THz=12 PHz=15
Hz : EHz=18 ZHz=21 YHz=24
Hz·s : Hz·s=0
% : %=0
%·s : %·s=0
°C : °C=0
°C·s : °C·s=0
kg/s : g/s=-3 μg/s=-9 mg/s=-6 kg/s=0 T/s=3 kT/s=6 MT/s=9 GT/s=12 TT/s=15 PT/s=18
m/s : m/s=0 ym/s=-24 zm/s=-21 am/s=-18 fm/s=-15 pm/s=-12 nm/s=-9 μm/s=-6 mm/s=-3 km/s=3 Mm/s=6 Gm/s=9
m/s : Tm/s=12 Pm/s=15 Em/s=18 Zm/s=21 Ym/s=24
m : m=0 ym=-24 zm=-21 am=-18 fm=-15 pm=-12 nm=-9 μm=-6 mm=-3 km=3 Mm=6 Gm=9 Tm=12 Pm=15 Em=18 Zm=21
m : Ym=24
- : =0
s : s=0
ohm : Ω=0 yΩ=-24 zΩ=-21 aΩ=-18 fΩ=-15 pΩ=-12 nΩ=-9 μΩ=-6 mΩ=-3 kΩ=3 MΩ=6 GΩ=9 TΩ=12 PΩ=15 EΩ=18 ZΩ=21
ohm : YΩ=24
Ω·s : Ω·s=0
W/m2 : W/m²=0 yW/m²=-24 zW/m²=-21 aW/m²=-18 fW/m²=-15 pW/m²=-12 nW/m²=-9 μW/m²=-6 mW/m²=-3 kW/m²=3 MW/m²=6
W/m2 : GW/m²=9 TW/m²=12 PW/m²=15 EW/m²=18 ZW/m²=21 YW/m²=24
var : var=0 yvar=-24 zvar=-21 avar=-18 fvar=-15 pvar=-12 nvar=-9 μvar=-6 mvar=-3 kvar=3 Mvar=6 Gvar=9
var : Tvar=12 Pvar=15 Evar=18 Zvar=21 Yvar=24
currency/s : ${currency}/s=0
currency : ${currency}=0
° : °=0
°·s : °·s=0
m3/s : m³/s=0 L/s=-3
Pa : Pa=0 hPa=2
Pa·s : Pa·s=0
Ah·s : Ah·s=0
kg : g=-3 μg=-9 mg=-6 kg=0 T=3 kT=6 MT=9 GT=12 TT=15 PT=18
kg·s : g·s=-3 μg·s=-9 mg·s=-6 kg·s=0 T·s=3 kT·s=6 MT·s=9 GT·s=12 TT·s=15 PT·s=18
ppm : ppm=0
ppm·s : ppm·s=0
A·s : A·s=0
Ah : Ah=0 yAh=-24 zAh=-21 aAh=-18 fAh=-15 pAh=-12 nAh=-9 μAh=-6 mAh=-3 kAh=3 MAh=6 GAh=9 TAh=12 PAh=15
Ah : EAh=18 ZAh=21 YAh=24
bar : bar=0
psi : psi=0
inHg : inHg=0
psi·s : psi·s=0
inHg·s : inHg·s=0
VA·s : VA·s=0
VAh : VAh=0 yVAh=-24 zVAh=-21 aVAh=-18 fVAh=-15 pVAh=-12 nVAh=-9 μVAh=-6 mVAh=-3 kVAh=3 MVAh=6 GVAh=9
VAh : TVAh=12 PVAh=15 EVAh=18 ZVAh=21 YVAh=24
V·s : V·s=0
Vh : Vh=0 yVh=-24 zVh=-21 aVh=-18 fVh=-15 pVh=-12 nVh=-9 μVh=-6 mVh=-3 kVh=3 MVh=6 GVh=9 TVh=12 PVh=15
Vh : EVh=18 ZVh=21 YVh=24
hp : hp=0
BTU/h : Btu/h=0 MBH=3
thm(US)/h : therm/h=0
W·s : W·s=0
Wh : Wh=0 yWh=-24 zWh=-21 aWh=-18 fWh=-15 pWh=-12 nWh=-9 μWh=-6 mWh=-3 kWh=3 MWh=6 GWh=9 TWh=12 PWh=15
Wh : EWh=18 ZWh=21 YWh=24
J : J=0
BTU : Btu=0
thm(US) : therm=0
W·s/m² : W·s/m²=0
Wh/m2 : Wh/m²=0 yWh/m²=-24 zWh/m²=-21 aWh/m²=-18 fWh/m²=-15 pWh/m²=-12 nWh/m²=-9 μWh/m²=-6 mWh/m²=-3
Wh/m2 : kWh/m²=3 MWh/m²=6 GWh/m²=9 TWh/m²=12 PWh/m²=15 EWh/m²=18 ZWh/m²=21 YWh/m²=24
lb : lbs=0
lb/s : lbs/s=0
lb·s : lbs·s=0
yd : yd=0
ft : ft=0
mi : mi=0
m/h : m/h=0 ym/h=-24 zm/h=-21 am/h=-18 fm/h=-15 pm/h=-12 nm/h=-9 μm/h=-6 mm/h=-3 km/h=3 Mm/h=6 Gm/h=9
m/h : Tm/h=12 Pm/h=15 Em/h=18 Zm/h=21 Ym/h=24
mph : mph=0
m3 : m³=0 L=-3
gal(US) : gal=0
ft3 : ft³=0 ccf=2
m3/min : L/m=-3
m3/h : L/h=-3
gal(US)/s : gal/s=0
gal(US)/min : gpm=0
gal(US)/h : gph=0
ft3/h : ft³/h=0 ccf/h=2
m·s : m·s=0
ft·s : ft·s=0
var·s : var·s=0
varh : varh=0 yvarh=-24 zvarh=-21 avarh=-18 fvarh=-15 pvarh=-12 nvarh=-9 μvarh=-6 mvarh=-3 kvarh=3 Mvarh=6
varh : Gvarh=9 Tvarh=12 Pvarh=15 Evarh=18 Zvarh=21 Yvarh=24
°F : °F=0
K : °K=0
K·s : °K·s=0
°F·s : °F·s=0
"""

WRITTEN = [
    ("degC", "°C", 0), ("degF", "°F", 0), ("kVAr", "var", 3), ("kVArh", "varh", 3), ("kvar", "var", 3),
    ("kWH", "Wh", 3), ("ohm", "ohm", 0), ("Ohm", "ohm", 0), ("W/m^2", "W/m2", 0), ("W/m2", "W/m2", 0),
    ("m3", "m3", 0), ("l", "m3", -3), ("l/h", "m3/h", -3), ("L/min", "m3/min", -3), ("m3/h", "m3/h", 0),
    ("deg", "°", 0), ("%RH", "%RH", 0), ("ms", "s", -3), ("min", "min", 0), ("h", "h", 0), ("kPa", "Pa", 3),
    ("mbar", "bar", -3), ("rpm", "1/min", 0), ("°C·h", "°C·h", 0), ("°F·d", "°F·d", 0), ("°K·h", "K·h", 0),
    ("Pct", "%", 0), ("mA", "A", -3), ("MW", "W", 6), ("mW", "W", -3), ("uV", "V", -6), ("µV", "V", -6),
    ("kg", "kg", 0), ("t", "kg", 3), ("VAh", "VAh", 0), ("", "", 0), ("#", "", 0), (" kWh ", "Wh", 3),
    ("MJ/h", "J/h", 6), ("GJ", "J", 9), ("dm³", "m3", -3), ("dm3", "m3", -3), ("kt", "kg", 6), ("Mt", "kg", 9),
]  # fmt: skip
"""What data sheets write, too."""


def makers() -> list[tuple[str, str, int]]:
    found = []
    for line in MAKERS.splitlines():
        symbol, _, spellings = line.partition(" : ")
        for one in spellings.split():
            spelling, _, power = one.rpartition("=")
            found.append((spelling, "" if symbol == "-" else symbol, int(power)))
    return found


def test_the_makers_list_is_whole() -> None:
    assert len(makers()) == 382


@pytest.mark.parametrize(("spelling", "symbol", "power"), makers())
def test_a_unit_of_the_makers_list_is_so_many_of_its_base_unit(spelling: str, symbol: str, power: int) -> None:
    assert units.parse(spelling) == (symbol, power)


@pytest.mark.parametrize(("spelling", "symbol", "power"), WRITTEN)
def test_a_unit_of_a_data_sheet_is_so_many_of_its_base_unit(spelling: str, symbol: str, power: int) -> None:
    assert units.parse(spelling) == (symbol, power)


@pytest.mark.parametrize("spelling", ["w", "kwh", "KW", "volt", "VV", "k", "1/x", "W h"])
def test_what_is_no_unit_is_none(spelling: str) -> None:
    assert units.parse(spelling) is None


@pytest.mark.parametrize("spelling", ["mT", "µT", "uT", "nT", "at", "pt"])
def test_a_tesla_is_no_tonne(spelling: str) -> None:
    assert units.parse(spelling) is None


@pytest.mark.parametrize("spelling", ["mm", "mM", "MM"])
def test_letter_case_counts(spelling: str) -> None:
    assert units.parse(spelling) == {"mm": ("m", -3)}.get(spelling)


def test_no_spelling_has_a_blank_at_its_ends_or_a_base_unit_that_is_another_spelling_with_a_power() -> None:
    for spelling, (symbol, _) in units.SPELLINGS.items():
        assert spelling == spelling.strip()
        assert units.SPELLINGS.get(symbol, (symbol, 0))[1] == 0 or symbol in ("kg", "kg/s", "kg·s", "s"), spelling
