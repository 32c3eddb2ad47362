"""Part 3: the headers that pages are answered with: what they may load, who may keep them, and for how long."""

import http.client
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.audit.scene import Address
from tests.benchmarks import tables
from tests.site import RunningSite

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NAMED = ("Content-Security-Policy", "Referrer-Policy", "Permissions-Policy", "Cross-Origin-Opener-Policy")
_FOR_A_SECOND = {"public", "max-age=1", "stale-while-revalidate=5"}
_OTHERS = ("/funds/", "/stories/", "/wall/", "/progress/", "/feed.xml", "/sitemap.xml", "/robots.txt", "/no/such/page/")


def show(site: RunningSite, pages: Sequence[Address]) -> list[str]:
    """Print what each page is answered with; return what is not as it should be."""
    rows, missed = [], []
    others = [Address(name=path, path=path) for path in _OTHERS]
    for page in (*pages, *others):
        status, headers = _answer(site.url, page.path)
        policy = headers.get("Content-Security-Policy", "")
        rows.append(
            [
                page.name,
                str(status),
                headers.get("Cache-Control", "none"),
                headers.get("Vary", "nothing"),
                headers.get("Content-Encoding", "none"),
                "yes" if "Set-Cookie" in headers else "no",
                "Stripe's" if site.sandbox_url in policy else "ours",
            ]
        )
        missed += [f"headers: {page.name}: {text}" for text in _faults(page, headers, site=site)]
    heads = ["page", "status", "Cache-Control", "Vary", "encoding", "cookie", "scripts"]
    notes = [f"All have {', '.join([*_ALWAYS, *_NAMED])}; none has an unsafe-* source."] if not missed else []
    notes.append("Over http, as here, there is no Strict-Transport-Security: `make test` holds production to it.")
    tables.show("3. Headers", heads=heads, rows=rows, notes=notes)
    return missed


def _faults(page: Address, headers: dict[str, str], *, site: RunningSite) -> list[str]:
    policy = headers.get("Content-Security-Policy", "")
    found = [f"{name} is {headers.get(name)}" for name, value in _ALWAYS.items() if headers.get(name) != value]
    found += [f"no {name}" for name in _NAMED if name not in headers]
    found += ["an unsafe source"] if "unsafe-" in policy else []
    found += ["its policy does not begin with nothing"] if "default-src 'none'" not in policy else []
    if (site.sandbox_url in policy) is not page.pays:
        found.append("Stripe's hosts are open" if not page.pays else "Stripe's hosts are closed")
    if page.is_private and not page.path.startswith("/live/") and "no-store" not in headers.get("Cache-Control", ""):
        found.append(f"may be kept: {headers.get('Cache-Control')}")
    if set(headers.get("Cache-Control", "").split(", ")) == _FOR_A_SECOND:
        found += ["sets a cookie though anybody may keep it"] if "Set-Cookie" in headers else []
        varies = set(filter(None, headers.get("Vary", "").replace(" ", "").split(",")))
        found += [f"varies on {', '.join(sorted(more))}"] if (more := varies - {"Accept-Encoding"}) else []
    return found


def _answer(site_url: str, path: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(site_url).netloc, timeout=30)
    connection.request("GET", path, headers={"Accept-Encoding": "gzip, br", "Accept-Language": "en"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.title(): value for name, value in answer.getheaders()}
