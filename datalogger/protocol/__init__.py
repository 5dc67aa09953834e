"""Sans-IO: bytes in, values out. Imports no asyncio, socket, serial, sqlite3, time, os, logging."""
