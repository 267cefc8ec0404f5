"""TLS contexts: certificates checked, TLS 1.2 at least, and an end without its alert noticed."""

from __future__ import annotations

import os
import ssl
from typing import Any

from pdl.errors import SettingsError
from pdl.http.routes import ca_location, given_ca_location
from pdl.settings import Settings


def is_ca_given(settings: Settings) -> bool:
    """Whether the user says which CA certificates to trust."""
    return not settings.insecure and given_ca_location(settings) is not None


def tls_context(base: type[ssl.SSLContext], settings: Settings) -> ssl.SSLContext:
    """A client's context, made from the class of the engine's I/O library.

    Raises:
        SettingsError: the CA certificates cannot be loaded.
    """

    class Context(base):  # type: ignore[misc,valid-type]  # the base is only known here
        def wrap_socket(self, *args: Any, **kwargs: Any) -> Any:
            # a body that is framed by the connection's end is whole only with the closing alert (RFC 9112, 9.8)
            kwargs["suppress_ragged_eofs"] = False
            return super().wrap_socket(*args, **kwargs)

    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    place = ca_location(settings)
    try:
        if os.path.isdir(place):
            context.load_verify_locations(capath=place)
        else:
            context.load_verify_locations(cafile=place)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"the CA certificates in {place!r} cannot be loaded: {error}") from None
    return context
