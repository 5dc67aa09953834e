"""Meters that are asked: over a serial line that several share (RTU), or over TCP."""
