"""python -m bench [SECTION ...]: the figures of README, beside their peers and bounds, in one run."""

import asyncio
import sys

from bench import daemon, dlms, modbus, p1, spool
from bench.figures import show

SECTIONS = {
    "p1": ("P1, beside dsmr_parser", p1.figures),
    "dlms": ("DLMS, beside gurux-dlms, amshan and dlms-cosem", dlms.figures),
    "modbus": ("Modbus, beside pymodbus, pyModbusTCP and minimalmodbus", modbus.figures),
    "spool": ("The spool", spool.figures),
    "daemon": ("The daemon", lambda: asyncio.run(daemon.figures())),
}

for name in sys.argv[1:] or SECTIONS:
    title, figures = SECTIONS[name]
    show(title, figures())
