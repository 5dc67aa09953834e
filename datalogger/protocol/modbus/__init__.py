"""Modbus, as far as it is bytes: register types, register maps, read plans, answers. pymodbus speaks on the wire.

map ──▶ read plan ──▶ blocks asked ──▶ answers ──▶ words ──▶ records
"""
