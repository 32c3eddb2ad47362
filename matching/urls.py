from django.urls import path, re_path

from matching import views

urlpatterns = [
    path("match/ledger.json", views.ledger_document, name="ledger-document"),
    re_path(r"^match/ledger\.(?P<kind>jsonl|csv)$", views.ledger_file, name="ledger-file"),
    re_path(
        r"^match/ledger/(?P<pool_id>[0-9]{1,18})/(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})\.(?P<kind>jsonl|csv)$",
        views.entry_range,
        name="ledger-entries",
    ),
    path("match/heads/latest.json", views.latest_head, name="ledger-latest-head"),
    re_path(r"^match/heads/(?P<digits>[0-9A-Fa-f]{16,64})\.json$", views.one_head, name="ledger-head"),
    re_path(
        r"^match/heads/(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})\.jsonl$", views.head_range, name="ledger-heads"
    ),
    path("match/verify_ledger.py", views.verifier, name="ledger-verifier"),
    path("match/ledger.md", views.ledger_format, name="ledger-format"),
]
