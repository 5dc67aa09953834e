"""Finds out which meters answer on a Modbus line, at which addresses, and which they are. Asks; writes nothing.

scan ─each unit at each setting─▶ is somebody there? ─▶ identification ─▶ what was found ─▶ block
"""
