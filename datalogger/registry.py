"""kind → "module:Class", as names: what is not configured is never imported."""

from importlib import import_module
from typing import Any

SOURCES = {
    "serial": "datalogger.sources.serial_port:SerialPort",
    "tcp": "datalogger.sources.tcp_client:TcpClient",
    "tcp-listen": "datalogger.sources.tcp_listener:TcpListener",
    "udp-listen": "datalogger.sources.udp_listener:UdpListener",
    "modbus-rtu": "datalogger.sources.modbus.rtu:ModbusRtu",
    "modbus-tcp": "datalogger.sources.modbus.tcp:ModbusTcp",
    "replay": "datalogger.sources.replay:Replay",
}

SINKS = {
    "dsmr-v1": "datalogger.sinks.dsmr_v1:DsmrV1",
    "file": "datalogger.sinks.file:FileSink",
}


def load(where: str) -> Any:
    """The class that "module:Class" names."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
