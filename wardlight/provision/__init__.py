"""``wardlight provision``: a home's private authority, the certificates of its gateways and
services, its broker's configuration, and taking a certificate back (docs/security.md). It needs
``wardlight[server]``; ``wardlight enrol``, which a gateway needs, does not.
"""
