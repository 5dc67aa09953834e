"""Finds out what speaks on a line, and how the line has to be set.

line ─octets, faults─▶ ear (framer, decoder) ─▶ what was found
              └─▶ symptoms ─▶ which settings next, and what to tell a person
"""
