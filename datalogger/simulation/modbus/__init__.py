"""A Modbus meter that is not there: registers that live, answers to whoever asks, and lines that fail.

register map + house ──▶ words ──▶ answers ──▶ what a bad line makes of them
"""
