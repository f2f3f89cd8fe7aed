"""TLS of our own server: its certificate, which a reload of the configuration reads again."""

from __future__ import annotations

import ssl

from monitor.config.access import TlsConfig
from monitor.config.models import ConfigError


class ServerTls:
    """The TLS context of the server, from TLS 1.2 on.

    Raises
    ------
    ConfigError
        When the certificate or the key cannot be used.
    """

    def __init__(self, config: TlsConfig) -> None:
        self.context = load_context(config)

    def load(self, config: TlsConfig) -> None:
        """Use another certificate for new connections; raises ConfigError, with the previous one still in use."""
        load_context(config)  # a context keeps half of a pair that does not match
        self.context.load_cert_chain(config.cert_file, config.key_file)


def load_context(config: TlsConfig) -> ssl.SSLContext:
    """Return a TLS context with a certificate; raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.cert_file, config.key_file)
    except ssl.SSLError as error:
        raise ConfigError(
            f"`server: tls:` {config.cert_file} and {config.key_file} are not a PEM certificate and its unencrypted"
            f" key: {error.reason or error}."
        ) from None
    except OSError as error:
        raise ConfigError(f"`server: tls:` {error.filename or config.cert_file}: {error.strerror}.") from None
    return context
