"""The site with its lock taken out, for the control that shows the race (test_last_dollars.py)."""

from config.wsgi import application
from matching import holds
from matching.models import MatchPool

holds.lock_pools = lambda ids: MatchPool.objects.in_bulk(sorted(set(ids)))

__all__ = ["application"]
