"""What the log says of requests that Django refuses: too many fields, or a host that is not ours.

Whoever sends them chooses how many come: each is a line, which says where, and no trace.
"""

import logging

_REFUSED = "django.security."


class OneLineForRefused(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_REFUSED) and record.exc_info:
            record.exc_info = record.exc_text = None
            request = getattr(record, "request", None)
            where = f" ({request.method} {request.get_full_path()[:200]})" if request else ""
            record.msg, record.args = f"{record.getMessage()}{where}", ()
        return True
