"""What a daemon owes the machine it runs on: signals, sd_notify and watchdog, the log, the status port.

structlog loads rich wherever it finds it, for tracebacks in colour: 5 MB and 40 ms, a tenth of what the whole daemon
may take. So this package, imported before anything else that imports structlog, hides rich for that one moment.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import cast


def _import_structlog_without_rich() -> None:
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = cast(ModuleType, None)  # the documented way to have an import of this name fail
    try:
        import_module("structlog")
    finally:
        del sys.modules["rich"]


_import_structlog_without_rich()
