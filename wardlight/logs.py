"""Structured logs: for a person on a terminal, JSON lines otherwise."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

import structlog

from wardlight.redaction import redact

LEVELS: Final = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning")}


def set_up_logs(level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs, ours and the libraries', to one stream in one form.

    Parameters
    ----------
    level
        ``debug``, ``info`` or ``warning``.
    stream
        Default standard error, so that a command's own output stays clean.
    """
    out = stream or sys.stderr
    # Plain tracebacks: richer ones print local variables, and names with them.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=True, exception_formatter=structlog.dev.plain_traceback
        )
        if out.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[level])
    for chatty in _CHATTY_LIBRARIES:
        logging.getLogger(chatty).setLevel(max(LEVELS[level], logging.WARNING))


_CHATTY_LIBRARIES: Final = ("amqtt", "transitions", "alembic", "apprise", "uvicorn", "asyncio")
"""They log each packet, state or request at info level."""
