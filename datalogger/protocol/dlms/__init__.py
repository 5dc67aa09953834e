"""DLMS/COSEM push, from frames to named values. Bytes in, values out.

 Frame ─▶ joining (hdlc, mbus) ─▶ apdu ─▶ block_transfer ─▶ security ─▶ apdu ─▶ axdr ─▶ layouts ─▶ Push

What a value without a name means, and what a number without a scaler, is the business of meter
profiles (datalogger/meters): here nothing is known of any meter.
"""
