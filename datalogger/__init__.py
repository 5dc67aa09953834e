"""datalogger: reads smart meters and forwards every reading, losing none.

source ─bytes─▶ framer ─Frame─▶ decoder ─Report─▶ hub ─▶ spool ─▶ forwarder ─batch─▶ sink
                └───── pure: bytes in, values out ─────┘
"""

__version__ = "0.1.0"
