"""One settings module, driven by the environment; docs/operating.md lists every variable."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import environ
from celery.schedules import crontab
from kombu import Queue

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="only-for-a-desk-and-never-for-a-site" if DEBUG else environ.Env.NOTSET)
SITE_URL = env("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
SITE_HOST = urlsplit(SITE_URL).hostname or "127.0.0.1"
IS_HTTPS = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[SITE_HOST] if IS_HTTPS else [SITE_HOST, "127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "campaign",
    "matching",
    "donations",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_htmx",
    "pgtrigger",
    "csp",
    "reversion",
]

MIDDLEWARE = [
    "campaign.response_headers.ResponseHeadersMiddleware",
    "campaign.request_size.RequestSizeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "campaign.compression.CompressionMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "campaign.admin_time.AdminTimeMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "campaign.context.site",
            ],
            "builtins": ["campaign.templatetags.money"],
        },
    }
]

# One ledger, in PostgreSQL; Redis holds messages and copies that may be lost (design 7).
DATABASES = {"default": env.db("DATABASE_URL")}
DATABASES["default"].update(
    CONN_MAX_AGE=env.int("CONN_MAX_AGE", default=600),
    CONN_HEALTH_CHECKS=True,
)
# Nobody waits long for a lock: a donor gets an answer, and a stuck transaction lets go of what it holds.
LOCK_TIMEOUT_MS = env.int("LOCK_TIMEOUT_MS", default=2500)
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=5,
    options=f"-c lock_timeout={LOCK_TIMEOUT_MS} -c idle_in_transaction_session_timeout=60000",
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env("REDIS_URL", default="redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env("CACHE_URL", default=REDIS_URL.rsplit("/", 1)[0] + "/1"),
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 120
# A worker without -Q serves all; see docs/operating.md for one of its own for the mail.
# A run through Stripe's lists comes again and again: it must not stand behind the thousands of receipts that it causes.
QUEUE, MAIL_QUEUE, RUN_QUEUE = "celery", "mail", "runs"
CELERY_TASK_QUEUES = (Queue(QUEUE), Queue(MAIL_QUEUE), Queue(RUN_QUEUE))
CELERY_TASK_ROUTES = {"donations.tasks.advance_stripe_run": {"queue": RUN_QUEUE}}
CELERY_TASK_DEFAULT_QUEUE = QUEUE
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Nobody sends commands to workers, so that nobody can, and a worker that reconnects has less to set up again.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
# Rows are the truth: the sweep wakes those that no message woke within the grace (donations/work.py).
SWEEP_SECONDS = env.float("SWEEP_SECONDS", default=5.0)
WORK_GRACE_SECONDS = env.float("WORK_GRACE_SECONDS", default=10.0)
# How long one attempt has a row for itself: longer than any task may run.
WORK_LEASE_SECONDS = env.int("WORK_LEASE_SECONDS", default=CELERY_TASK_TIME_LIMIT + 30)
RECONCILE_SECONDS = env.float("RECONCILE_SECONDS", default=60.0)
# The whole ledger is read this often, for this long at most: what is left over comes first the next time.
CHECK_LEDGER_SECONDS = env.float("CHECK_LEDGER_SECONDS", default=120.0)
CHECK_LEDGER_LONGEST_SECONDS = env.float("CHECK_LEDGER_LONGEST_SECONDS", default=30.0)
CELERY_BEAT_SCHEDULE = {
    "check-ledger": {
        "task": "matching.tasks.check_ledger",
        "schedule": CHECK_LEDGER_SECONDS,
        "options": {"expires": CHECK_LEDGER_SECONDS},
    },
    "expire-lapsed-holds": {
        "task": "matching.tasks.expire_lapsed_holds",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "publish-ledger-head": {
        "task": "matching.tasks.publish_ledger_head",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "settle-challenges": {
        "task": "matching.tasks.settle_challenges",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "decide-kept-gifts": {
        "task": "donations.tasks.decide_kept_gifts",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "offer-freed-match": {
        "task": "donations.tasks.offer_freed_match",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "wake-due-work": {
        "task": "donations.tasks.wake_due_work",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "charge-scheduled-gifts": {
        "task": "donations.tasks.charge_scheduled_gifts",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS},
    },
    "ask-about-due-months": {
        "task": "donations.tasks.ask_about_due_months",
        "schedule": env.float("MONTHLY_SECONDS", default=600.0),
        "options": {"expires": 300},
    },
    "keep-watch": {
        "task": "donations.tasks.keep_watch",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "forget-recipients": {
        "task": "donations.tasks.forget_recipients",
        "schedule": 3600.0,
        "options": {"expires": 600},
    },
    "ask-about-late-payments": {
        "task": "donations.tasks.ask_about_late_payments",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": 30},
    },
    "keep-reconciling": {
        "task": "donations.tasks.keep_reconciling",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": 60.0},
    },
    "remove-unused-photographs": {
        "task": "campaign.tasks.remove_unused_photographs",
        "schedule": crontab(hour=8, minute=20),
        "options": {"expires": 3600},
    },
    "adopt-unknown-payments": {
        "task": "donations.tasks.adopt_unknown_payments",
        "schedule": env.float("ADOPT_SECONDS", default=300.0),
        "options": {"expires": 120},
    },
}

_email = env.email_url("EMAIL_URL", default="smtp://127.0.0.1:25")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _email.get("EMAIL_HOST"), _email.get("EMAIL_PORT")
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_USER"), _email.get("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS, EMAIL_USE_SSL = _email.get("EMAIL_USE_TLS", False), _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default=f"giving@{SITE_HOST}")
# Who is told by e-mail that a match pool was halted; the log says so in any case.
ALERT_EMAILS = env.list("ALERT_EMAILS", default=[])

STRIPE_SECRET_KEY = env("STRIPE_SECRET_KEY", default="")
STRIPE_PUBLISHABLE_KEY = env("STRIPE_PUBLISHABLE_KEY", default="")
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRET", default=[])
STRIPE_API_BASE = env("STRIPE_API_BASE", default="")
STRIPE_JS_URL = env("STRIPE_JS_URL", default="https://js.stripe.com/endive/stripe.js")
STRIPE_API_VERSION = "2026-08-26.dahlia"
STRIPE_TIMEOUT_SECONDS = env.float("STRIPE_TIMEOUT_SECONDS", default=12.0)
# Below what Stripe allows a live account by default: 25 a second for each endpoint, 100 in all (donations/pace.py).
STRIPE_REQUESTS_A_SECOND = env.float("STRIPE_REQUESTS_A_SECOND", default=20.0)
STRIPE_REQUESTS_A_SECOND_IN_ALL = env.float("STRIPE_REQUESTS_A_SECOND_IN_ALL", default=80.0)
# Threads of one process that may wait for Stripe at once; fewer than its --blocking-threads, or pages stop with it.
STRIPE_CALLS_AT_ONCE = env.int("STRIPE_CALLS_AT_ONCE", default=4)

# What the whole site sees when cards are tested on it: then payers prove some work first (donations/payer_check.py).
FORM_LEAST_SECONDS = env.float("FORM_LEAST_SECONDS", default=2.0)  # sooner than that a form looks like a robot's
CHECK_FAILURES_A_MINUTE = env.int("CHECK_FAILURES_A_MINUTE", default=30)
CHECK_DECLINE_PERCENT = env.int("CHECK_DECLINE_PERCENT", default=40)
CHECK_WORK = env.int("CHECK_WORK", default=1_000_000)  # sums at most: about a second of a phone
CHECK_QUIET_SECONDS = env.int("CHECK_QUIET_SECONDS", default=600)

HOLD_SECONDS = env.int("HOLD_SECONDS", default=900)
# How long after a donor left a gift unfinished the one reminder goes out, if they asked for it; 0: it is not offered.
REMINDER_SECONDS = env.int("REMINDER_SECONDS", default=3600)
# Signs the ledger's heads (matching/heads.py); `manage.py make_ledger_key` makes one. Without it none are made.
LEDGER_SIGNING_KEY = env("LEDGER_SIGNING_KEY", default="")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "staff-login"
LOGIN_REDIRECT_URL = "staff-today"
LOGOUT_REDIRECT_URL = "staff-login"

# Of a whole installation; its catalogs are in locale/ (docs/translation.md).
LANGUAGE_CODE = env("LANGUAGE_CODE", default="en-us")
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = None

STATIC_URL = "static/"
STATIC_ROOT = Path(env("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATIC_MANIFEST = env.bool("STATIC_MANIFEST", default=not DEBUG)
MEDIA_URL = "media/"
MEDIA_ROOT = Path(env("MEDIA_ROOT", default=str(BASE_DIR / "media")))
WHITENOISE_USE_FINDERS = not STATIC_MANIFEST
STORAGES = {
    "default": {"BACKEND": "campaign.uploads.WholeFiles"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_MANIFEST
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler", "campaign.uploads.ComingIn"]

# Security: everything closed, Stripe's hosts opened by the payment view alone (donations/content_policy.py).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
# Hosts whose pages may show /embed/ in a frame, beside those that staff allow for the campaign.
EMBED_HOSTS = env.list("EMBED_HOSTS", default=[])
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = IS_HTTPS and env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_HSTS_PRELOAD = IS_HTTPS
SESSION_COOKIE_AGE = 12 * 3600  # a working day: exports lie behind it
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=1 if env.bool("BEHIND_PROXY", default=False) else 0)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {"refused": {"()": "config.log_lines.OneLineForRefused"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["refused"]}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {"django.request": {"level": "ERROR"}},
}

# A short name of this installation's secret, for keys in shared caches.
CACHES["default"]["KEY_PREFIX"] = hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:8]
