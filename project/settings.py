"""All settings of Signalbox, read from the environment.

Every name and its meaning stands in docs/settings.md; a wrong value stops the start with one clear sentence.
"""

import sys
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from project import database, env, keys, observe_settings, private, startup

private.begin()

BASE_DIR = Path(__file__).resolve().parent.parent
IN_WEB = "project.asgi" in sys.modules or "runserver" in sys.argv  # a server has imported it: the settings come next
IN_WORKER = "worker" in sys.argv and "celery" in Path(sys.argv[0]).as_posix()

# --- Signalbox -------------------------------------------------------------------------------------------------
SIGNALBOX_HOME = private.tightened(env.folder("SIGNALBOX_HOME", BASE_DIR / "var"), "SIGNALBOX_HOME")
SIGNALBOX_NAME = env.matching(
    "SIGNALBOX_NAME",
    "signalbox",
    r"[a-z][a-z0-9_-]{0,31}",
    "a name of at most 32 lower-case letters, digits, - and _ that begins with a letter",
)
SIGNALBOX_ENVIRONMENT = env.matching(
    "SIGNALBOX_ENVIRONMENT",
    "",
    r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,23}",
    "a name of at most 24 letters, digits, spaces, dots, _ and - that begins with a letter or a digit",
)
SIGNALBOX_APPS = env.apps("SIGNALBOX_APPS")
SIGNALBOX_SAMPLES = env.flag("SIGNALBOX_SAMPLES", True) or "--demo" in sys.argv  # kinds and pages that only teach
SIGNALBOX_ADOPT = env.patterns("SIGNALBOX_ADOPT")
SIGNALBOX_ADOPT_SUBMIT = env.patterns("SIGNALBOX_ADOPT_SUBMIT")
SIGNALBOX_ADOPT_SECRETS = env.expression(
    "SIGNALBOX_ADOPT_SECRETS", r"passw|passphrase|secret|token|api_?key|private_?key|credential|authorization|cookie"
)
SIGNALBOX_IMPORTS = env.modules("SIGNALBOX_IMPORTS")
SIGNALBOX_LEASE_S = env.number("SIGNALBOX_LEASE_S", 10.0, 0.2, 3600)
SIGNALBOX_HEARTBEAT_S = env.number("SIGNALBOX_HEARTBEAT_S", 2.0, 0.05, 600)
SIGNALBOX_SWEEP_S = env.number("SIGNALBOX_SWEEP_S", 5.0, 0.05, 600)
SIGNALBOX_RECONCILE_S = env.number("SIGNALBOX_RECONCILE_S", 3.0, 0.05, 600)
SIGNALBOX_BEAT_S = env.number("SIGNALBOX_BEAT_S", 5.0, 0.05, 600)
SIGNALBOX_SUBMITS_PER_USER = env.number("SIGNALBOX_SUBMITS_PER_USER", 6_000, 0, 10_000_000, whole=True)
SIGNALBOX_SUBMITS_PER_TOKEN = env.number("SIGNALBOX_SUBMITS_PER_TOKEN", 3_000, 0, 10_000_000, whole=True)
SIGNALBOX_KEEP_SUCCEEDED_D = env.number("SIGNALBOX_KEEP_SUCCEEDED_D", 30, 1, 36_500)
SIGNALBOX_KEEP_FAILED_D = env.number("SIGNALBOX_KEEP_FAILED_D", 90, 1, 36_500)
SIGNALBOX_KEEP_CANCELLED_D = env.number("SIGNALBOX_KEEP_CANCELLED_D", 30, 1, 36_500)
SIGNALBOX_KEEP_QUIET_D = env.number("SIGNALBOX_KEEP_QUIET_D", 1, 1, 36_500)
SIGNALBOX_KEEP_AUDIT_D = env.number("SIGNALBOX_KEEP_AUDIT_D", 365, 1, 36_500)
SIGNALBOX_IMAGE_ROOTS = env.folders("SIGNALBOX_IMAGE_ROOTS")
SIGNALBOX_UPLOAD_MB = env.number("SIGNALBOX_UPLOAD_MB", 500, 1, 100_000, whole=True)
SIGNALBOX_MEMORY_MB = env.number("SIGNALBOX_MEMORY_MB", 1_024, 64, 10_000_000, whole=True)
SIGNALBOX_TICK_MS = env.number("SIGNALBOX_TICK_MS", 50, 1, 10_000)
SIGNALBOX_ALLOW_NETWORKS = env.networks("SIGNALBOX_ALLOW_NETWORKS")
SIGNALBOX_ORIGINS = env.origins("SIGNALBOX_ORIGINS")
SIGNALBOX_URL = env.url("SIGNALBOX_URL")
SIGNALBOX_RELEASE = env.matching(
    "SIGNALBOX_RELEASE", "", r"[!-~]{1,100}", "a version of at most 100 printable characters"
)
SIGNALBOX_SOCKETS = env.number("SIGNALBOX_SOCKETS", 5_000, 1, 1_000_000, whole=True)
SIGNALBOX_SOCKETS_PER_USER = env.number("SIGNALBOX_SOCKETS_PER_USER", 100, 1, 1_000_000, whole=True)
SIGNALBOX_OBSERVE = observe_settings.addresses("SIGNALBOX_OBSERVE")  # watched applications
SIGNALBOX_OBSERVE_RESULTS = observe_settings.addresses("SIGNALBOX_OBSERVE_RESULTS", off=True)
observe_settings.refuse_strangers(SIGNALBOX_OBSERVE_RESULTS, SIGNALBOX_OBSERVE, "SIGNALBOX_OBSERVE_RESULTS")
SIGNALBOX_OBSERVE_OPTIONS = observe_settings.options("SIGNALBOX_OBSERVE_OPTIONS", SIGNALBOX_OBSERVE)
SIGNALBOX_OBSERVE_ENABLE = env.flag("SIGNALBOX_OBSERVE_ENABLE", True)
SIGNALBOX_OBSERVE_READONLY = env.flag("SIGNALBOX_OBSERVE_READONLY", False)
SIGNALBOX_OBSERVE_REDACT = [word.lower() for word in env.words("SIGNALBOX_OBSERVE_REDACT", observe_settings.REDACT)]
SIGNALBOX_OBSERVE_KINDS = env.words("SIGNALBOX_OBSERVE_KINDS", [])
SIGNALBOX_OBSERVE_IGNORE = env.words("SIGNALBOX_OBSERVE_IGNORE", [])
SIGNALBOX_KEEP_WATCHED_D = env.number("SIGNALBOX_KEEP_WATCHED_D", 7, 0.001, 36_500)
SIGNALBOX_KEEP_WATCHED = env.number("SIGNALBOX_KEEP_WATCHED", 1_000_000, 1, 1_000_000_000, whole=True)
if SIGNALBOX_HEARTBEAT_S * 2 > SIGNALBOX_LEASE_S:
    raise ImproperlyConfigured(
        "SIGNALBOX_LEASE_S must be at least twice SIGNALBOX_HEARTBEAT_S, or living jobs would be taken for dead."
    )

# --- Django ----------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.key("SECRET_KEY") or keys.read_or_make(SIGNALBOX_HOME / "secret_key")
SECRET_KEY_FALLBACKS = env.keys("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
PREFIX = env.prefix("SIGNALBOX_PREFIX")
FORCE_SCRIPT_NAME = PREFIX or None
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "board"
LOGOUT_REDIRECT_URL = "login"

INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv else []),  # all it does; it costs each process 20 MB and half a second
    "project.apps.ProjectConfig",
    "live",
    "tasks.engine",
    "tasks.web",
    "tasks.access",
    "tasks.jobs",
    "tasks.search",
    "tasks.monitor",
    "tasks.insight",
    "tasks.sharing",
    "tasks.account",
    "tasks.people",
    "tasks.webhooks",
    "tasks.schedules",
    "tasks.channels",
    "tasks.alerts",
    "tasks.failures",
    "tasks.observe",
    "tasks.kinds",
    "tasks.kinds.feeds",
    "tasks.kinds.checks",
    "tasks.kinds.images",
    *SIGNALBOX_APPS,
    "tasks.access.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
]
MIDDLEWARE = [
    "project.middleware.guard",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
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
            ],
        },
    },
]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "tasks.access.permissions.AdminsAreAdmins"]
KNOX_TOKEN_MODEL = "door.Token"  # noqa: S105 - a model, no password
MIGRATION_MODULES = {"knox": None}  # its own table would stand beside ours, unused, and no test could be flushed
PASSWORD_HASHERS = ["tasks.access.hashers.Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- People: who signs them in ---------------------------------------------------------------------------------
SIGNALBOX_LOCAL_LOGIN = env.flag("SIGNALBOX_LOCAL_LOGIN", True)
SIGNALBOX_MAIL = env.mail("SIGNALBOX_MAIL")
SIGNALBOX_ROLES = env.roles("SIGNALBOX_ROLES")
SIGNALBOX_OIDC = env.url("SIGNALBOX_OIDC")
SIGNALBOX_OIDC_NAME = env.matching(
    "SIGNALBOX_OIDC_NAME", "OpenID Connect", r"[ -~]{1,40}", "at most 40 printable letters"
)
SIGNALBOX_OIDC_GROUPS = env.matching("SIGNALBOX_OIDC_GROUPS", "groups", r"[!-~]{1,100}", "the name of a claim")
OIDC_RP_CLIENT_ID = env.matching("SIGNALBOX_OIDC_CLIENT", "", r"[!-~]{1,200}", "one word")
OIDC_RP_CLIENT_SECRET = env.key("SIGNALBOX_OIDC_SECRET")
OIDC_RP_SCOPES = env.matching(
    "SIGNALBOX_OIDC_SCOPES", "openid profile email", r"[ -~]{1,200}", "words with spaces between"
)
OIDC_RP_SIGN_ALGO = env.choice(
    "SIGNALBOX_OIDC_ALGO", "rs256", {name.lower(): name for name in ("RS256", "RS512", "ES256")}
)
OIDC_USE_PKCE, OIDC_USE_NONCE, OIDC_TIMEOUT = True, True, 8
LOGIN_REDIRECT_URL_FAILURE = "login"
if SIGNALBOX_OIDC:
    if not OIDC_RP_CLIENT_ID or not OIDC_RP_CLIENT_SECRET:
        raise ImproperlyConfigured("SIGNALBOX_OIDC needs SIGNALBOX_OIDC_CLIENT and SIGNALBOX_OIDC_SECRET.")
    AUTHENTICATION_BACKENDS.append("tasks.people.oidc.Backend")
SIGNALBOX_PROXY_HEADER = env.header("SIGNALBOX_PROXY_HEADER")
SIGNALBOX_PROXY_GROUPS_HEADER = env.header("SIGNALBOX_PROXY_GROUPS_HEADER")
SIGNALBOX_PROXY_NETWORKS = env.networks("SIGNALBOX_PROXY_NETWORKS")
SIGNALBOX_PROXY_SECRET = env.key("SIGNALBOX_PROXY_SECRET")
if SIGNALBOX_PROXY_HEADER:
    if not (SIGNALBOX_PROXY_NETWORKS or SIGNALBOX_PROXY_SECRET):
        raise ImproperlyConfigured("SIGNALBOX_PROXY_HEADER needs SIGNALBOX_PROXY_NETWORKS or SIGNALBOX_PROXY_SECRET.")
    MIDDLEWARE.append("tasks.people.proxy.by_proxy")
if not (SIGNALBOX_LOCAL_LOGIN or SIGNALBOX_OIDC or SIGNALBOX_PROXY_HEADER):
    raise ImproperlyConfigured(
        "SIGNALBOX_LOCAL_LOGIN is off, and neither SIGNALBOX_OIDC nor SIGNALBOX_PROXY_HEADER is set."
    )

# --- The database: the truth -----------------------------------------------------------------------------------
PREPARE = env.flag("SIGNALBOX_PREPARE", True)  # off behind a transaction pooler
CONNECTIONS = env.number("SIGNALBOX_CONNECTIONS", 8, 2, 1000, whole=True)
DATABASES = {
    "default": database.settings(
        env.database(
            "DATABASE_URL", {"ENGINE": "django.db.backends.sqlite3", "NAME": SIGNALBOX_HOME / "signalbox.sqlite3"}
        ),
        web=IN_WEB,
        worker=IN_WORKER,
        pooler=not PREPARE,
        connections=CONNECTIONS,
    )
}
private.database(DATABASES["default"])

# --- Redis: messages and hints ---------------------------------------------------------------------------------
OWN_REDIS = env.redis("REDIS_URL", "")  # empty: `up` starts the embedded Valkey
REDIS_URL = OWN_REDIS or keys.read_if_there(SIGNALBOX_HOME / "valkey.url") or "redis://127.0.0.1:6379/0"
SIGNALBOX_BROKER_URL = env.broker("SIGNALBOX_BROKER_URL", "") or (
    env.broker("CELERY_BROKER_URL", REDIS_URL) if startup.is_own_process else REDIS_URL
)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": env.matching(
            "SIGNALBOX_CHANNEL_LAYER",
            "channels_redis.pubsub.RedisPubSubChannelLayer",
            r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+",
            "the dotted path of a channel layer class",
        ),
        "CONFIG": {"hosts": [REDIS_URL], "prefix": SIGNALBOX_NAME},
    }
}

# --- What a browser may do -------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # the favicon that tells of failures changes without a request
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "tasks.access.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "signalbox_session"
CSRF_COOKIE_NAME = "signalbox_csrf"
CSRF_FAILURE_VIEW = "project.old_forms.form_too_old"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{PREFIX}/"
CSRF_TRUSTED_ORIGINS = SIGNALBOX_ORIGINS
if env.flag("SIGNALBOX_HTTPS", False):  # a proxy in front speaks TLS, and sets this header whatever the client sent
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000
    # The proxy redirects plain HTTP (W008); what other names of the domain do is not ours to promise (W005, W021).
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

# --- The API ---------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {  # the views say the rest themselves; one that does not derive from ours is for admins
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_SCHEMA_CLASS": "tasks.api.schema.DocumentedByMethods",
}
SPECTACULAR_SETTINGS = {
    "PATH_CONVERTER_OVERRIDES": {"name": str},
    "TITLE": "Signalbox",
    "DESCRIPTION": f"""A live control room for Celery jobs. Begin with
[the API in five minutes]({PREFIX}/docs/api/quickstart.md). Tokens, versions, idempotency, quotas:
[the guide]({PREFIX}/docs/api/guide.md). Also [the life of a job]({PREFIX}/docs/lifecycle.md),
[what is guaranteed]({PREFIX}/docs/guarantees.md), [webhooks]({PREFIX}/docs/webhooks.md),
[the live protocol]({PREFIX}/docs/protocol.md), [errors]({PREFIX}/problems/),
[changes]({PREFIX}/docs/api/changelog.md).""",
    "SERVERS": [{"url": PREFIX}] if PREFIX else [],
    "VERSION": "",
    "OAS_VERSION": "3.1.0",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "SCHEMA_PATH_PREFIX": "/api/v[0-9]+",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # it would judge both sets of addresses as one; ours has tests of its own
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tasks.api.schema.with_problems",
    ],
}

STATIC_URL = "/static/"  # project.prefix.StaticFiles puts the prefix in front
STATIC_ROOT = env.folder("SIGNALBOX_STATIC", SIGNALBOX_HOME / "static", make=False)
# A web server in front reads them as another user, whatever the umask is under which they were collected.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "project.prefix.StaticFiles",
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

LOG_LEVEL = env.choice("SIGNALBOX_LOG_LEVEL", "info", {w: w.upper() for w in ("debug", "info", "warning", "error")})
LOG_FORMAT = env.choice("SIGNALBOX_LOG_FORMAT", "line", {"line": "line", "json": "json"})
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"context": {"()": "project.logs.Context"}},
    "formatters": {"line": {"()": "project.logs.LineFormatter"}, "json": {"()": "project.logs.JsonFormatter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["context"]},
        "job": {"class": "project.logs.JobLogHandler"},
    },
    "root": {"handlers": ["console", "job"], "level": LOG_LEVEL},
    "loggers": {
        # One or two lines for each job would be the work of the log; a job's own log and fate are in its row.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "psycopg.pool": {"level": "WARNING"},  # or two lines for each request
    },
}
