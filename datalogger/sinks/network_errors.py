"""What befell a connection, and what a person can do about it, in one sentence."""

import errno
import os
import socket
import ssl

from datalogger.errors import SinkError, SinkMisconfigured, SinkUnavailable

TRY_HTTP = "does it speak TLS on this port? if not, write http:// in url"
TRY_HTTPS = "does this port speak TLS? then write https:// in url"

_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)


def describe(error: OSError) -> str:
    """The reason in the system's words, for which asyncio has worse: "Connect call failed (...)". Never empty."""
    if error.errno is not None and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return error.strerror or str(error) or "no reason given"


def not_connected(server: str, error: OSError, *, tls: bool, limit: float) -> SinkError:
    """Why there is no connection to `server`, its URL, after up to `limit` seconds."""
    match error:
        case ssl.SSLCertVerificationError():
            return SinkMisconfigured(
                f"{server} shows a certificate that is not trusted ({error.verify_message}): name the right "
                "host in url, or the file of who signed it in ca_file; verify_tls = false trusts anybody"
            )
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            return SinkMisconfigured(f"no TLS with {server} ({error.reason or error}): {TRY_HTTP}")
        # From here to the end of `match`: the server is there, it may be starting; a bare connection would not tell.
        case ConnectionAbortedError(errno=None) if tls:  # asyncio's own: the other side has said nothing
            return SinkUnavailable(f"{server} agreed on no TLS within {limit / 2:g} s: {TRY_HTTP}")
        case ssl.SSLEOFError() | ConnectionResetError() | ConnectionAbortedError():
            if tls:
                return SinkUnavailable(f"{server} ended the connection while TLS was being agreed: {TRY_HTTP}")
            return SinkUnavailable(f"{server} ended the connection at once ({describe(error)})")
    return SinkUnavailable(f"{server} cannot be reached: {_why_unreached(error, limit)}", unreached=True)


def _why_unreached(error: OSError, limit: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {limit:g} s: is it switched on, and the address in url right?"
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return "no name server knows its name now: is the network up? url may also hold the server's IP address"
        return f"no such host ({describe(error)}): is the name in url right?"
    if error.errno == errno.ECONNREFUSED:
        return "nothing listens there (connection refused): is the server running, and is the port in url right?"
    if error.errno in _NO_WAY:
        return f"{describe(error)}: is it switched on and in this network?"
    return describe(error)


def ended(server: str, error: OSError | EOFError, *, may_speak_tls: bool) -> SinkUnavailable:
    """The request went out, and no whole answer came.

    may_speak_tls: the connection is plain and not one octet has ever come over such a one.
    """
    why = describe(error) if isinstance(error, OSError) else "before its answer was whole"
    hint = f"; {TRY_HTTPS}" if may_speak_tls else ""
    return SinkUnavailable(f"{server} ended the connection ({why}){hint}", ambiguous=True)
