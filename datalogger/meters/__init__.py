"""What meters mean by what they push: profiles as data, and the reports that come of them.

 Push ─▶ recognition (which profile) ─▶ report (names, scalers, times) ─▶ Report

A meter is a TOML file in profiles/, not code.
"""
