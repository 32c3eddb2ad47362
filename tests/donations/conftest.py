"""What the tests of donations do without."""

import pytest
from django.template import Template


@pytest.fixture(autouse=True)
def _no_context_is_kept(monkeypatch):
    """No test here looks at a template's context, which Django's test client copies at every include."""
    monkeypatch.setattr(Template, "_render", lambda self, context: self.nodelist.render(context))
